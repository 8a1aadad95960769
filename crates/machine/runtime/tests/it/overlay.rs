//! A root of layers, through the library: what the shim and the builder use.
//!
//! A launch wants a process with one thread, so each test runs its inner half as a process of its
//! own: this binary again, with one test thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use teu_oci::runtime::linux::{IdMapping, Namespace, NamespaceKind};
use teu_oci::runtime::{Process, Spec};
use teu_runtime::defaults::{self, Privilege};
use teu_runtime::{Choices, Gate, Launch, Rootfs, Stdio, create};

/// Where the inner half finds its world.
const WORLD: &str = "TEU_TEST_OVERLAY";

fn world(extra_depth: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::Builder::new().prefix("teu-ov").tempdir().expect("dir");
    let base = dir.path().join(extra_depth);
    for directory in ["a/bin", "a/proc", "a/sys", "a/dev", "a/etc", "b/etc", "upper", "work"] {
        fs::create_dir_all(base.join(directory)).expect("layer");
    }
    crate::world::copy_program(Path::new("/bin/busybox"), &base.join("a/bin/busybox"));
    fs::write(base.join("a/etc/x"), "lower").expect("file");
    fs::write(base.join("a/etc/y"), "lower").expect("file");
    fs::write(base.join("b/etc/x"), "upper").expect("file");
    (dir, base)
}

/// Runs the inner half; what the container printed.
fn inner(name: &str, base: &Path) -> String {
    let output = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", name, "--ignored", "--test-threads=1", "--nocapture"])
        .env(WORLD, base)
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

fn launch(users: Option<u32>, script: &str) {
    let base = PathBuf::from(std::env::var_os(WORLD).expect("run by its outer half"));
    let mut spec: Spec = defaults::spec(Privilege::Confined);
    spec.mounts = defaults::mounts(Privilege::Confined, 1 << 20);
    spec.mounts.retain(|mount| mount.kind.as_deref() != Some("cgroup"));
    spec.hostname = None;
    let process = spec.process.get_or_insert_with(Process::default);
    process.args = ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec();
    let linux = spec.linux.get_or_insert_default();
    if let Some(first) = users {
        let map = IdMapping { container_id: 0, host_id: first, size: 65536 };
        linux.uid_mappings = vec![map];
        linux.gid_mappings = vec![map];
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    }
    let created = create(Launch {
        id: "overlay",
        spec: &spec,
        bundle: &base,
        rootfs: Rootfs::Overlay {
            lower: vec![base.join("b"), base.join("a")],
            upper: base.join("upper"),
            work: base.join("work"),
        },
        stdio: Stdio::Inherit,
        cgroup: None,
        descriptors: Vec::new(),
        gate: Gate::Caller,
        choices: Choices::default(),
    });
    let running = created.and_then(teu_runtime::Created::start);
    let running = running.unwrap_or_else(|error| panic!("{}", error.report()));
    let wait = rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&running.pidfd));
    let status = rustix::process::waitid(wait, rustix::process::WaitIdOptions::EXITED);
    assert_eq!(status.expect("waited").and_then(|status| status.exit_status()), Some(0));
}

const SCRIPT: &str =
    "cd /etc; busybox cat x y; echo; busybox rm y; echo new > z; busybox stat -c %u x z /";

#[test]
#[ignore = "the inner half of layers_are_joined"]
fn joined() {
    launch(None, &SCRIPT.replace("busybox", "/bin/busybox"));
}

#[test]
fn layers_are_joined() {
    for depth in ["s", &"d".repeat(200), &format!("{0}/{0}", "e".repeat(180))] {
        let (_dir, base) = world(depth);
        let text = inner("overlay::joined", &base);
        assert!(text.contains("upperlower\n0\n0\n0\n"), "{text}");
        assert_eq!(fs::read_to_string(base.join("upper/etc/z")).expect("written"), "new\n");
        assert_eq!(fs::read_to_string(base.join("a/etc/y")).expect("kept"), "lower");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        assert!(!mounts.contains(base.to_str().expect("text")), "mounted on the host");
    }
}

#[test]
#[ignore = "the inner half of layers_are_mapped"]
fn mapped() {
    launch(Some(200_000), &SCRIPT.replace("busybox", "/bin/busybox"));
}

#[test]
fn layers_are_mapped() {
    let (dir, base) = world("s");
    use std::os::unix::fs::PermissionsExt;
    let open = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), open()).expect("mode");
    let text = inner("overlay::mapped", &base);
    assert!(text.contains("upperlower\n0\n0\n0\n"), "{text}");
    let written = fs::metadata(base.join("upper/etc/z")).expect("written");
    assert_eq!(written.uid(), 0, "stored as root's");
}
