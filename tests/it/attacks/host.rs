//! Rows 1, 2, 4: the runtime's binary, leaked descriptors and working directories, copying races.

use crate::world::{World, binary};
use std::path::Path;
use std::process::{Command, Stdio};

/// A file on the host that no container may read.
fn marker(world: &World) -> std::path::PathBuf {
    world.file("marker", "secret-of-the-host")
}

fn checksum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// CVE-2019-5736: a process in the container opens `/proc/PID/exe` of ours for writing.
#[test]
fn the_binary_cannot_be_opened_for_writing() {
    let world = World::busybox();
    let before = checksum(&binary());
    // The image's program is whatever enters the container: Teu itself.
    let said = world.line("run --rm --network=none --entrypoint /proc/self/exe busybox --version");
    assert_ne!(said.code, 139, "{said:?}");
    // While processes of Teu come and go in the container, everything in /proc is written to.
    let greedy = "while :; do for exe in /proc/[0-9]*/exe; do \
                  case $(readlink $exe) in *busybox) ;; *) (: >>$exe) 2>/dev/null && echo WROTE; \
                  esac; done; done";
    world
        .teu(["run", "-d", "--name", "greedy", "--network=none", "busybox", "sh", "-c", greedy])
        .ok();
    for _ in 0..30 {
        world.line("exec greedy true").ok();
    }
    let log = world.line("logs greedy");
    world.line("rm -f greedy").ok();
    assert!(!log.out.contains("WROTE"), "{}", log.out);
    assert_eq!(checksum(&binary()), before, "the binary was changed");
}

/// CVE-2024-21626: a descriptor of the host leaks, and the working directory leads out through it.
#[test]
fn no_working_directory_leads_out() {
    let world = World::busybox();
    let marker = marker(&world);
    let climb = format!("cat ../../../../../../../..{}", marker.display());
    for descriptor in 3..24 {
        let dir = format!("/proc/self/fd/{descriptor}");
        let said =
            world.teu(["run", "--rm", "--network=none", "-w", &dir, "busybox", "sh", "-c", &climb]);
        assert!(!said.out.contains("secret-of-the-host"), "run -w {dir} read the host");
    }
    world.line("run -d --name inside --network=none busybox sleep 1000").ok();
    for descriptor in 3..24 {
        let dir = format!("/proc/self/fd/{descriptor}");
        let said = world.teu(["exec", "-w", &dir, "inside", "sh", "-c", &climb]);
        assert!(!said.out.contains("secret-of-the-host"), "exec -w {dir} read the host");
    }
}

/// The same, from the other side: what is open in a fresh process.
#[test]
fn no_descriptor_of_ours_is_inherited() {
    let world = World::busybox();
    let list = ["run", "--rm", "--network=none", "busybox", "ls", "/proc/self/fd"];
    let fds = world.teu(list).ok();
    // 0, 1, 2 and the directory that `ls` itself reads.
    assert_eq!(fds.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    world.line("run -d --name inside --network=none busybox sleep 1000").ok();
    let fds = world.line("exec inside ls /proc/self/fd").ok();
    assert_eq!(fds.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let fds = world.line("exec inside ls /proc/1/fd").ok();
    assert_eq!(fds.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
}

/// CVE-2018-15664, CVE-2019-10152: a path becomes a link to the host while it is copied.
#[test]
fn copying_does_not_follow_links_out() {
    let world = World::busybox();
    let marker = marker(&world);
    let target = marker.parent().expect("has a folder").display().to_string();
    let swap = format!(
        "mkdir -p /real; echo inside >/real/marker; while :; do \
         ln -sfn /real /path; ln -sfn {target} /path; done"
    );
    world
        .teu(["run", "-d", "--name", "racer", "--network=none", "busybox", "sh", "-c", &swap])
        .ok();
    let landed = world.root().join("files/landed");
    for _ in 0..40 {
        let _ = std::fs::remove_file(&landed);
        world.teu(["cp", "racer:/path/marker", landed.to_str().expect("plain")]);
        let got = std::fs::read_to_string(&landed).unwrap_or_default();
        assert!(!got.contains("secret-of-the-host"), "cp read the host's file");
    }
    let evil = world.file("evil", "written-by-cp");
    for _ in 0..40 {
        world.teu(["cp", evil.to_str().expect("plain"), "racer:/path/marker"]);
        let host = std::fs::read_to_string(&marker).expect("still there");
        assert_eq!(host, "secret-of-the-host", "cp wrote on the host");
    }
    world.line("rm -f racer").ok();
}

/// An archive from a container is hostile to whoever unpacks it on the host.
#[test]
fn copying_out_stays_in_its_folder() {
    let world = World::busybox();
    let plant = "mkdir -p /d && ln -s /tmp /d/link && echo x >/d/file";
    world.teu(["run", "--name", "planted", "--network=none", "busybox", "sh", "-c", plant]).ok();
    let into = world.root().join("files/into");
    std::fs::create_dir_all(&into).expect("creates");
    world.teu(["cp", "planted:/d", into.to_str().expect("plain")]).ok();
    let link = std::fs::symlink_metadata(into.join("d/link")).expect("was copied");
    assert!(link.file_type().is_symlink(), "a link is copied as a link");
}

/// Half of the attack surface is who may talk to us: row 16.
#[test]
fn sockets_and_folders_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::busybox();
    let id = world.line("run -d --name owner --network=none busybox sleep 1000").ok();
    let mode = |path: &Path| {
        let metadata = std::fs::symlink_metadata(path).expect("exists");
        metadata.permissions().mode() & 0o777
    };
    for folder in ["pods", "images", "volumes", "run"] {
        assert_eq!(mode(&world.root().join(folder)) & 0o077, 0, "{folder} is open to others");
    }
    let sockets = Command::new("find")
        .args([world.root().to_str().expect("plain"), "-type", "s"])
        .stderr(Stdio::null())
        .output()
        .expect("find runs");
    let sockets = String::from_utf8_lossy(&sockets.stdout).into_owned();
    assert!(!sockets.is_empty(), "there is a socket");
    for socket in sockets.lines() {
        assert_eq!(mode(Path::new(socket)) & 0o177, 0, "{socket}");
    }
    let unix = std::fs::read_to_string("/proc/net/unix").expect("readable");
    let abstracts = unix.lines().filter(|line| line.contains('@') && line.contains("teu"));
    assert_eq!(abstracts.collect::<Vec<_>>(), Vec::<&str>::new(), "of {id}");
}
