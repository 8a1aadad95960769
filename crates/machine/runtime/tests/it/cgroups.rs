//! Control groups of this machine, under `/teu-test-…`, gone afterwards.

use crate::hierarchies::lacks;
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use teu_oci::runtime::linux::{Cpu, Memory, NetworkClass, Pids, Resources};
use teu_runtime::cgroup::{Cgroup, Error, Extent, Layout};
use teu_runtime::defaults::{Privilege, device_rules};
use teu_sys::exec::CStrings;
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// A group that goes with the test.
struct Scratch(Cgroup);

impl Scratch {
    fn new(name: &str, resources: &Resources) -> Self {
        Self(Cgroup::create(&path(name), resources).unwrap())
    }

    /// A program in the group that does nothing, and has entered all of it.
    fn sleeper(&self) -> Child {
        let child = self.run("exec sleep 600");
        soon("the sleeper", || command(child.number()) == "sleep");
        child
    }

    /// A shell in the group, entered by the child itself: it may not have done so yet.
    fn run(&self, script: &str) -> Child {
        let entry = self.0.entry().unwrap();
        let arguments = CStrings::from_text(["sh", "-c", script]).unwrap();
        let environment = CStrings::from_text(["PATH=/usr/bin:/bin"]).unwrap();
        match clone3(CloneFlags::default(), entry.clone_into()).unwrap() {
            Forked::Child => {
                if entry.enter_v1().is_ok() {
                    let _ = teu_sys::exec::exec(c"/bin/sh", &arguments, &environment);
                }
                exit_now(99);
            }
            Forked::Parent { pid, .. } => Child(pid),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.thaw();
        let _ = self.0.kill_all();
        let removed = self.0.delete();
        if !std::thread::panicking() {
            removed.unwrap();
            assert!(!Cgroup::exists(self.0.path()).unwrap());
        }
    }
}

/// A process that is waited for.
struct Child(Pid);

impl Child {
    /// Exit code, or the signal as a negative number.
    fn wait(self) -> i32 {
        let options = rustix::process::WaitOptions::empty();
        let (_, status) = rustix::process::waitpid(Some(self.0), options).unwrap().unwrap();
        std::mem::forget(self);
        status.exit_status().unwrap_or_else(|| -status.terminating_signal().unwrap_or_default())
    }

    fn number(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.0), rustix::process::WaitOptions::empty());
    }
}

fn path(name: &str) -> String {
    format!("/teu-test-{}-{name}", std::process::id())
}

/// The name of a process's program.
fn command(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.map(|text| text.trim_end().to_owned()).unwrap_or_default()
}

/// The file of a v1 hierarchy, or of the v2 tree.
fn file(group: &Cgroup, controller: &str, names: [&str; 2]) -> PathBuf {
    let views = group.views();
    let v1 = views.iter().find(|view| view.controllers.iter().any(|c| c == controller));
    match v1 {
        Some(view) => view.path.join(names[0]),
        None => views.iter().find(|view| view.unified).unwrap().path.join(names[1]),
    }
}

/// The processes of a group as `cgroup.procs` shows them.
fn read_pids(group: &Cgroup) -> String {
    let pids: Vec<String> = group.pids().unwrap().iter().map(ToString::to_string).collect();
    pids.join("\n")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}")).trim().to_owned()
}

fn memory(limit: i64) -> Resources {
    let memory = Memory { limit: Some(limit), swap: Some(limit), ..Memory::default() };
    Resources { memory: Some(memory), ..Resources::default() }
}

/// A limit, where limits can be.
fn light() -> Resources {
    if lacks(&["memory"]) { Resources::default() } else { memory(1 << 24) }
}

/// Waits for something that happens soon, unless the machine is busy.
fn soon(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn limits_are_in_the_kernel() {
    if lacks(&["memory", "pids", "cpuset"]) {
        return;
    }
    let resources = Resources {
        memory: Some(Memory { limit: Some(64 << 20), ..Memory::default() }),
        pids: Some(Pids { limit: 33 }),
        cpu: Some(Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            cpus: Some("0".to_owned()),
            ..Cpu::default()
        }),
        ..Resources::default()
    };
    let scratch = Scratch::new("limits", &resources);
    let group = &scratch.0;
    assert_eq!(read(&file(group, "memory", ["memory.limit_in_bytes", "memory.max"])), "67108864");
    assert_eq!(read(&file(group, "pids", ["pids.max", "pids.max"])), "33");
    assert_eq!(read(&file(group, "cpuset", ["cpuset.cpus", "cpuset.cpus"])), "0");
    if Layout::detect().unwrap().hierarchy("cpu").is_some() {
        assert_eq!(read(&file(group, "cpu", ["cpu.cfs_quota_us", ""])), "50000");
        assert_eq!(read(&file(group, "cpu", ["cpu.shares", ""])), "512");
    }
    // The child sees the one CPU, and is in every hierarchy of the group.
    let output = std::env::temp_dir().join(format!("teu-cg-{}", std::process::id()));
    let child = scratch.run(&format!(
        "cat /proc/self/cgroup > {0}; grep Cpus_allowed_list /proc/self/status >> {0}",
        output.display()
    ));
    assert_eq!(child.wait(), 0);
    let text = read(&output);
    std::fs::remove_file(&output).unwrap();
    let inside = text.lines().filter(|line| line.ends_with(group.path())).count();
    assert_eq!(inside, group.views().len(), "{text}");
    assert!(text.ends_with("Cpus_allowed_list:\t0"), "{text}");
}

#[test]
fn lack_of_memory_is_noticed() {
    if lacks(&["memory"]) {
        return;
    }
    let scratch = Scratch::new("oom", &memory(16 << 20));
    let watch = scratch.0.oom_watch().unwrap();
    assert_eq!(scratch.0.oom_kills().unwrap(), 0);
    let child = scratch.run("x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo $x | wc -c");
    child.wait();
    let mut descriptors = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut descriptors, Some(&timeout)).unwrap(), 1);
    soon("the counter", || watch.drain().unwrap() > 0);
    assert!(scratch.0.stats().unwrap().oom_kills > 0);
}

#[test]
fn usage_is_counted() {
    if lacks(&["memory", "pids"]) {
        return;
    }
    let scratch = Scratch::new("stats", &memory(256 << 20));
    let child = scratch.run(
        "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.1 & sleep 0.1 & wait; sleep 600",
    );
    soon("usage", || {
        let stats = scratch.0.stats().unwrap();
        stats.cpu.usage_ns > 10_000_000 && stats.cpu.user_ns > 0 && stats.memory.usage_bytes > 0
    });
    let stats = scratch.0.stats().unwrap();
    assert_eq!(stats.memory.limit_bytes, Some(256 << 20));
    assert!(stats.pids.current >= 1);
    assert!(stats.memory.shown_bytes() <= stats.memory.usage_bytes);
    assert!(scratch.0.pids().unwrap().contains(&child.number()));
}

#[test]
fn frozen_processes_stand_still() {
    let scratch = Scratch::new("freeze", &Resources::default());
    let counter = std::env::temp_dir().join(format!("teu-freeze-{}", std::process::id()));
    let child =
        scratch.run(&format!("i=0; while :; do i=$((i+1)); echo $i > {}; done", counter.display()));
    soon("the first count", || std::fs::metadata(&counter).is_ok_and(|m| m.len() > 0));
    for _ in 0..3 {
        scratch.0.freeze().unwrap();
        assert!(scratch.0.is_frozen().unwrap());
        let before = std::fs::read_to_string(&counter).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), before);
        scratch.0.thaw().unwrap();
        assert!(!scratch.0.is_frozen().unwrap());
        soon("going on", || {
            std::fs::read_to_string(&counter).is_ok_and(|text| !text.is_empty() && text != before)
        });
    }
    // A frozen group can be killed.
    scratch.0.freeze().unwrap();
    scratch.0.kill_all().unwrap();
    assert_eq!(child.wait(), -9);
    std::fs::remove_file(counter).unwrap();
}

#[test]
fn a_fork_bomb_ends() {
    if lacks(&["pids"]) {
        return;
    }
    let pids = Resources { pids: Some(Pids { limit: 60 }), ..Resources::default() };
    let scratch = Scratch::new("bomb", &pids);
    // Processes that fork all the time, so that no list of them is ever complete.
    let child = scratch.run(
        "exec 2>/dev/null; i=0; while [ $i -lt 40 ]; do \
         (while :; do (:) ; (sleep 0.01); done) & i=$((i+1)); done; wait",
    );
    soon("many processes", || scratch.0.pids().unwrap().len() > 30);
    assert!(scratch.0.stats().unwrap().pids.current <= 60);
    // It returns, which is what is asked of it: they fork as fast as it kills.
    scratch.0.kill_all().unwrap();
    assert!(scratch.0.pids().unwrap().is_empty());
    child.wait();
}

#[test]
fn limits_change_while_running() {
    if lacks(&["memory"]) {
        return;
    }
    let scratch = Scratch::new("update", &memory(200 << 20));
    let group = &scratch.0;
    let _child = scratch
        .run("x=$(head -c 40000000 /dev/zero | tr '\\0' a); exec 2>/dev/null; sleep 600; : $x");
    // The programs that made it have ended by the time that it sleeps.
    soon("the sleep", || group.pids().unwrap().into_iter().any(|pid| command(pid) == "sleep"));
    soon("40 MB in use", || group.stats().unwrap().memory.anonymous_bytes > 36_000_000);
    let error = group.apply(&memory(20 << 20)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::BelowUsage { .. }), "{text}");
    assert!(text.contains("20971520") && text.contains("below"), "{text}");
    for limit in [400_i64 << 20, 100 << 20, 300 << 20] {
        group.apply(&memory(limit)).unwrap();
        let now = read(&file(group, "memory", ["memory.limit_in_bytes", "memory.max"]));
        assert_eq!(now, limit.to_string());
    }
    group.apply(&memory(-1)).unwrap();
    assert_eq!(group.stats().unwrap().memory.limit_bytes, None);
    // A controller nobody asked for at first: the process is taken along.
    let cpu = Cpu { quota: Some(20_000), period: Some(50_000), ..Cpu::default() };
    group.apply(&Resources { cpu: Some(cpu), ..Resources::default() }).unwrap();
    let again = Cgroup::open(group.path()).unwrap();
    if Layout::detect().unwrap().hierarchy("cpu").is_some() {
        assert_eq!(read(&file(&again, "cpu", ["cpu.cfs_quota_us", ""])), "20000");
        assert_eq!(read(&file(&again, "cpu", ["cgroup.procs", ""])), read_pids(&again));
        // A pair that the kernel refuses in the other order.
        let cpu = Cpu { quota: Some(2000), period: Some(1000), ..Cpu::default() };
        again.apply(&Resources { cpu: Some(cpu), ..Resources::default() }).unwrap();
    }
}

#[test]
fn devices_are_denied_and_allowed() {
    let resources =
        Resources { devices: device_rules(Privilege::Confined), ..Resources::default() };
    let scratch = Scratch::new("devices", &resources);
    assert_eq!(scratch.run("echo x > /dev/null && head -c 1 /dev/urandom > /dev/null").wait(), 0);
    // Root outside may read the kernel's log; the group may not, and may make its node.
    assert!(std::fs::File::open("/dev/kmsg").is_ok());
    assert_ne!(scratch.run("exec 2>/dev/null; : < /dev/kmsg").wait(), 0);
    let node = std::env::temp_dir().join(format!("teu-node-{}", std::process::id()));
    let script = format!("exec 2>/dev/null; mknod {0} c 1 11 && ! : < {0}", node.display());
    let code = scratch.run(&script).wait();
    let _ = std::fs::remove_file(node);
    assert_ne!(code, 99);
}

#[test]
fn what_cannot_be_enforced_fails_and_leaves_nothing() {
    if lacks(&["memory", "cpuset"]) {
        return;
    }
    let layout = Layout::detect().unwrap();
    if layout.hierarchy("net_cls").is_none() {
        let network = NetworkClass { class_id: Some(5), priorities: Vec::new() };
        let resources = Resources { network: Some(network), ..memory(1 << 24) };
        let error = Cgroup::create(&path("absent"), &resources).unwrap_err();
        assert!(error.to_string().contains("network.classID"), "{error}");
        assert!(!Cgroup::exists(&path("absent")).unwrap());
    }
    // The kernel refuses this one when everything has been made already.
    let cpu = Cpu { cpus: Some("4000-4001".to_owned()), ..Cpu::default() };
    let resources = Resources { cpu: Some(cpu), ..Resources::default() };
    let deep = format!("{}/a/b", path("refused"));
    let error = Cgroup::create(&deep, &resources).unwrap_err();
    assert!(error.to_string().contains("cpu.cpus"), "{error}");
    assert!(!Cgroup::exists(&path("refused")).unwrap());
}

#[test]
fn a_group_in_use_is_not_taken() {
    let scratch = Scratch::new("used", &Resources::default());
    let _child = scratch.sleeper();
    let error = Cgroup::create(scratch.0.path(), &Resources::default()).unwrap_err();
    assert!(matches!(error, Error::InUse { count: 1, .. }), "{error}");
    assert!(matches!(Cgroup::open(&path("none")), Err(Error::Absent { .. })));
}

#[test]
fn groups_below_go_too() {
    let top = path("nested");
    let scratch = Scratch::new("nested", &Resources::default());
    let inner = Cgroup::create_in(&format!("{top}/pod/one"), &light(), Extent::All).unwrap();
    let layout = Layout::detect().unwrap();
    let hierarchies = layout.v1.len() + usize::from(layout.unified.is_some());
    assert_eq!(inner.views().len(), hierarchies);
    // Not begun above: version 2 has no processes where there are controllers for groups below.
    let beside = Scratch::new("beside", &Resources::default());
    let child = beside.sleeper();
    inner.join(child.number()).unwrap();
    assert!(scratch.0.pids().unwrap().contains(&child.number()));
    scratch.0.kill_all().unwrap();
    child.wait();
    scratch.0.delete().unwrap();
    assert!(!Cgroup::exists(&format!("{top}/pod/one")).unwrap());
    // And parents that are empty then, as far as one says.
    let inner = Cgroup::create(&format!("{top}/pod/two"), &Resources::default()).unwrap();
    let other = Cgroup::create(&format!("{top}/other"), &Resources::default()).unwrap();
    inner.delete().unwrap();
    inner.delete_empty_parents(&top).unwrap();
    assert!(!Cgroup::exists(&format!("{top}/pod")).unwrap());
    assert!(Cgroup::exists(&top).unwrap());
    other.delete().unwrap();
    other.delete_empty_parents(&top).unwrap();
    assert!(!Cgroup::exists(&top).unwrap());
}

#[test]
fn a_busy_group_is_refused_with_its_processes() {
    let scratch = Scratch::new("busy", &Resources::default());
    let child = scratch.sleeper();
    let error = scratch.0.delete().unwrap_err();
    assert!(matches!(&error, Error::Remove { pids, .. } if pids == &[child.number()]), "{error}");
}

#[test]
fn many_at_once_under_one_parent() {
    let top = path("crowd");
    let work = |name: usize| {
        for round in 0..20 {
            let path = format!("{top}/{name}-{round}");
            let group = Cgroup::create(&path, &light()).unwrap();
            group.delete().unwrap();
            group.delete_empty_parents(&top).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for name in 0..4 {
            scope.spawn(move || work(name));
        }
    });
    assert!(!Cgroup::exists(&top).unwrap());
}

/// What a container's start and end pay here; run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let resources = Resources { devices: device_rules(Privilege::Confined), ..memory(64 << 20) };
    let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for round in 0..200 {
        let begun = Instant::now();
        let group = Cgroup::create(&path(&format!("cost{round}")), &resources).unwrap();
        times[0].push(begun.elapsed());
        let begun = Instant::now();
        let entry = group.entry().unwrap();
        times[1].push(begun.elapsed());
        let begun = Instant::now();
        match clone3(CloneFlags::default(), entry.clone_into()).unwrap() {
            Forked::Child => {
                let entered = entry.enter_v1();
                exit_now(i32::from(entered.is_err()));
            }
            Forked::Parent { pid, .. } => assert_eq!(Child(pid).wait(), 0),
        }
        times[2].push(begun.elapsed());
        let begun = Instant::now();
        group.delete().unwrap();
        times[3].push(begun.elapsed());
    }
    for (what, times) in
        ["create", "open entry", "fork, enter, exit", "delete"].iter().zip(&mut times)
    {
        times.sort();
        eprintln!("{what}: p50 {:?} p99 {:?}", times[100], times[197]);
    }
}
