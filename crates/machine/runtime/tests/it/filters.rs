//! Our filters against runc with libseccomp: one program asks the kernel under both.
//!
//! The program is perl, which every Debian has and which makes any system call by number. Profiles
//! answer with errnos that the kernel itself never gives, so that a verdict is seen as such.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use teu_oci::runtime::linux::{Seccomp, SyscallArg, SyscallRule};
use teu_runtime::defaults::{capabilities, seccomp_profile};
use teu_runtime::seccomp::table::Numbers;
use teu_runtime::seccomp::{Arch, compile};
use teu_sys::exec::CStrings;
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// The newest call that Debian 12's libseccomp knows by name.
const KNOWN_TO_ORACLE: u32 = 450;

/// What profiles answer; no call of the kernel's fails so.
const DEFAULT: u32 = 200;
const RULE: u32 = 201;

/// Calls that end or stop the asking program, or do something even with nonsense arguments.
const NOT_ASKED: [u32; 13] = [15, 24, 34, 37, 56, 57, 58, 60, 112, 162, 219, 231, 335];

/// Whether the machine has the oracle.
fn oracle_is_missing() -> bool {
    let missing = ["/usr/sbin/runc", "/usr/bin/perl"].iter().any(|path| !Path::new(path).exists());
    if missing {
        eprintln!("not run: needs Debian's runc and perl");
    }
    missing
}

/// A perl program that makes calls and prints their errnos, 0 for success.
fn asking(calls: &[(u32, Vec<u64>)]) -> String {
    let call = |(number, arguments): &(u32, Vec<u64>)| {
        let arguments: Vec<String> =
            arguments.iter().map(|a| a.cast_signed().to_string()).collect();
        format!("[{number},{}]", arguments.join(","))
    };
    let calls: Vec<String> = calls.iter().map(call).collect();
    format!(
        "$|=1; for my $c ({}) {{ my @a = map {{ $_ + 0 }} @$c; $! = 0; \
         my $r = syscall(shift @a, @a); print $r == -1 ? $! + 0 : 0, \"\\n\"; }}",
        calls.join(",")
    )
}

/// The answers as verdicts: of the filter, or `allowed`.
fn verdicts(output: &str) -> Vec<String> {
    let verdict = |line: &str| match line.parse::<u32>() {
        Ok(errno @ (38 | DEFAULT..=255)) => errno.to_string(),
        Ok(_) => "allowed".to_owned(),
        Err(_) => line.to_owned(),
    };
    output.lines().map(verdict).collect()
}

/// Under our own filter, installed in a child.
fn under_us(profile: &Seccomp, program: &str) -> Vec<String> {
    let filter = compile(profile).unwrap();
    let arguments = CStrings::from_text(["perl", "-e", program]).unwrap();
    let environment = CStrings::from_text(["LC_ALL=C"]).unwrap();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    match clone3(CloneFlags::default(), None).unwrap() {
        Forked::Child => {
            let ready = rustix::stdio::dup2_stdout(&writer).is_ok()
                && rustix::thread::set_no_new_privs(true).is_ok()
                && teu_sys::seccomp::install(filter.instructions(), filter.flags()).is_ok();
            if ready {
                let _ = teu_sys::exec::exec(c"/usr/bin/perl", &arguments, &environment);
            }
            exit_now(99);
        }
        Forked::Parent { pid, .. } => {
            drop(writer);
            let mut output = String::new();
            File::from(reader).read_to_string(&mut output).unwrap();
            let options = rustix::process::WaitOptions::empty();
            let (_, status) = rustix::process::waitpid(Some(pid), options).unwrap().unwrap();
            assert_eq!(status.exit_status(), Some(0), "{output}");
            verdicts(&output)
        }
    }
}

/// A bundle for runc, gone with the test.
struct Bundle(PathBuf);

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Under runc and libseccomp.
fn under_runc(profile: &Seccomp, program: &str) -> Vec<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("teu-test-{}-runc{count}", std::process::id());
    let bundle = Bundle(std::env::temp_dir().join(&name));
    std::fs::create_dir_all(bundle.0.join("rootfs")).unwrap();
    let bind = |path: &str| {
        serde_json::json!({"destination": path, "type": "bind", "source": path,
            "options": ["rbind", "ro"]})
    };
    let mut mounts = ["/usr", "/lib", "/lib64", "/bin"].map(bind).to_vec();
    mounts.push(serde_json::json!({"destination": "/proc", "type": "proc", "source": "proc"}));
    let config = serde_json::json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {
            "args": ["perl", "-e", program], "cwd": "/", "user": {"uid": 0, "gid": 0},
            "env": ["PATH=/usr/bin", "LC_ALL=C"], "noNewPrivileges": true,
            "capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"],
                "permitted": ["CAP_SYS_ADMIN"]},
        },
        "mounts": mounts,
        "linux": {
            "cgroupsPath": format!("/{name}"), "namespaces": [{"type": "mount"}, {"type": "pid"}],
            "seccomp": profile,
        },
    });
    std::fs::write(bundle.0.join("config.json"), config.to_string()).unwrap();
    let mut runc = Command::new("/usr/sbin/runc");
    runc.arg("--root").arg(bundle.0.join("state")).args(["run", "--bundle"]).arg(&bundle.0);
    let output = runc.arg(&name).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    verdicts(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn the_default_profile_is_what_runc_makes_of_it() {
    if oracle_is_missing() {
        return;
    }
    let numbers: Vec<u32> = (0..600).filter(|number| !NOT_ASKED.contains(number)).collect();
    let calls: Vec<_> = numbers.iter().map(|number| (*number, vec![u64::MAX; 6])).collect();
    let program = asking(&calls);
    for capabilities in [Vec::new(), capabilities::defaults()] {
        let mut profile = seccomp_profile(&capabilities);
        profile.default_errno_ret = Some(DEFAULT);
        for rule in &mut profile.syscalls {
            rule.names.retain(|name| {
                Numbers::of(name).on(Arch::X86_64).is_none_or(|number| number < KNOWN_TO_ORACLE)
            });
        }
        profile.syscalls.retain(|rule| !rule.names.is_empty());
        let (ours, runcs) = (under_us(&profile, &program), under_runc(&profile, &program));
        assert_eq!(ours.len(), numbers.len());
        for ((number, ours), runcs) in numbers.iter().zip(&ours).zip(&runcs) {
            assert_eq!(ours, runcs, "call {number}");
        }
        let kinds: BTreeSet<&String> = ours.iter().collect();
        assert_eq!(kinds.len(), 3, "{kinds:?}");
    }
}

/// Calls with values around those that conditions name. `process_vm_readv` takes six arguments and
/// refuses flags before it looks at any.
fn asking_about_arguments() -> String {
    let values = [0, 4, 5, 6, 0xffff_ffff, 0x1_0000_0000, 0x5_0000_0005, u64::MAX, 1 << 63];
    let mut calls = Vec::new();
    for first in values {
        for second in values {
            calls.push((310, vec![first, second, 0, 0, 0, 1]));
        }
    }
    asking(&calls)
}

fn condition(index: u32, operator: &str, value: u64, value_two: u64) -> SyscallArg {
    SyscallArg { index, value, value_two, op: format!("SCMP_CMP_{operator}") }
}

/// Compares verdicts where `process_vm_readv` has these alternatives.
fn compare(program: &str, alternatives: &[Vec<SyscallArg>]) {
    let mut profile = seccomp_profile(&capabilities::defaults());
    profile.default_errno_ret = Some(DEFAULT);
    profile.architectures = vec!["SCMP_ARCH_X86_64".to_owned()];
    for rule in &mut profile.syscalls {
        rule.names.retain(|name| name != "process_vm_readv");
    }
    for args in alternatives {
        profile.syscalls.push(SyscallRule {
            names: vec!["process_vm_readv".to_owned()],
            action: "SCMP_ACT_ERRNO".to_owned(),
            errno_ret: Some(RULE),
            args: args.clone(),
        });
    }
    let (ours, runcs) = (under_us(&profile, program), under_runc(&profile, program));
    assert_eq!(ours, runcs, "{alternatives:?}");
    assert!(ours.iter().all(|verdict| verdict == "200" || verdict == "201"), "{ours:?}");
}

#[test]
fn conditions_mean_what_libseccomp_means() {
    if oracle_is_missing() {
        return;
    }
    let program = asking_about_arguments();
    for operator in ["NE", "LT", "LE", "EQ", "GE", "GT"] {
        for value in [5, 0x5_0000_0005] {
            compare(&program, &[vec![condition(0, operator, value, 0)]]);
        }
    }
    compare(&program, &[vec![condition(1, "MASKED_EQ", 0xf_0000_0004, 0x5_0000_0004)]]);
    compare(&program, &[vec![condition(0, "GT", 4, 0), condition(1, "EQ", 5, 0)]]);
    compare(&program, &[vec![condition(0, "EQ", 4, 0), condition(0, "EQ", 6, 0)]]);
    compare(
        &program,
        &[
            vec![condition(0, "LT", 5, 0)],
            vec![condition(0, "EQ", 6, 0)],
            vec![condition(1, "GE", 1 << 32, 0)],
        ],
    );
}

/// What a filter costs a start; run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut instructions = 0;
    for _ in 0..200 {
        let begun = std::time::Instant::now();
        let profile = seccomp_profile(&capabilities::defaults());
        times[0].push(begun.elapsed());
        let begun = std::time::Instant::now();
        let filter = compile(&profile).unwrap();
        instructions = filter.instructions().len();
        times[1].push(begun.elapsed());
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        match clone3(CloneFlags::default(), None).unwrap() {
            Forked::Child => {
                let begun = std::time::Instant::now();
                let _ = teu_sys::seccomp::install(filter.instructions(), filter.flags());
                let nanos = u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX);
                let _ = rustix::io::write(&writer, &nanos.to_ne_bytes());
                exit_now(0);
            }
            Forked::Parent { pid, .. } => {
                let mut nanos = [0; 4];
                File::from(reader).read_exact(&mut nanos).unwrap();
                let nanos = u32::from_ne_bytes(nanos);
                times[2].push(std::time::Duration::from_nanos(nanos.into()));
                let options = rustix::process::WaitOptions::empty();
                rustix::process::waitpid(Some(pid), options).unwrap();
            }
        }
    }
    eprintln!("{instructions} instructions");
    for (what, times) in ["profile", "compile", "install"].iter().zip(&mut times) {
        times.sort();
        eprintln!("{what}: p50 {:?} p99 {:?}", times[100], times[197]);
    }
}
