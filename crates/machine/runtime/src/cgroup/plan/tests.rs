//! The same limits for a v1, a v2 and a hybrid machine.

use super::super::layout::{Hierarchy, Layout, Unified};
use super::cpu::weight_of_shares;
use super::*;
use teu_oci::runtime::linux::{
    BlockIo, Cpu, HugepageLimit, NetworkClass, Pids, ThrottleDevice, WeightDevice,
};

fn layout(v1: &[&str], v2: Option<&[&str]>) -> Layout {
    Layout {
        v1: v1
            .iter()
            .map(|name| Hierarchy {
                controllers: name.split(',').map(str::to_owned).collect(),
                mount: name.into(),
            })
            .collect(),
        unified: v2.map(|controllers| Unified {
            mount: "unified".into(),
            controllers: controllers.iter().map(ToString::to_string).collect(),
        }),
        systemd: false,
    }
}

fn v1() -> Layout {
    layout(&["cpu,cpuacct", "cpuset", "memory", "blkio", "pids", "hugetlb"], None)
}

fn v2() -> Layout {
    layout(&[], Some(&["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "misc"]))
}

fn hybrid() -> Layout {
    layout(&["cpu", "cpuacct", "cpuset", "memory", "blkio", "pids"], Some(&["hugetlb"]))
}

const UPDATE: Phase = Phase::Update { memory_limit_bytes: None };

/// `place/file=value`, one a setting; alternatives joined by `|`, a `?` where it may be missing.
fn render(layout: &Layout, plan: &Plan) -> Vec<String> {
    let render = |setting: &Setting| {
        let place = match setting.place {
            Place::V1(index) => layout.v1[index].mount.to_string_lossy().into_owned(),
            Place::Unified => "v2".to_owned(),
        };
        let candidates = setting.candidates.iter().map(|(file, value)| format!("{file}={value}"));
        let optional = if setting.optional { "?" } else { "" };
        format!("{place}/{}{optional}", candidates.collect::<Vec<_>>().join("|"))
    };
    plan.settings.iter().map(render).collect()
}

fn check(layout: &Layout, resources: &Resources, phase: Phase, expected: &[&str]) {
    let plan = Plan::new(layout, resources, phase).unwrap();
    assert_eq!(render(layout, &plan), expected);
}

fn refused(layout: &Layout, resources: &Resources, expected: &str) {
    let error = Plan::new(layout, resources, Phase::Create).unwrap_err().to_string();
    assert_eq!(error, expected);
}

fn memory(memory: Memory) -> Resources {
    Resources { memory: Some(memory), ..Resources::default() }
}

use teu_oci::runtime::linux::Memory;

#[test]
fn memory_and_swap() {
    let both = memory(Memory { limit: Some(1000), swap: Some(3000), ..Memory::default() });
    let limit = "memory/memory.limit_in_bytes=1000";
    let swap = "memory/memory.memsw.limit_in_bytes=3000?";
    check(&v1(), &both, Phase::Create, &[limit, swap]);
    check(&v1(), &both, Phase::Update { memory_limit_bytes: Some(500) }, &[swap, limit]);
    check(&v1(), &both, Phase::Update { memory_limit_bytes: Some(5000) }, &[limit, swap]);
    check(&v2(), &both, Phase::Create, &["v2/memory.swap.max=2000?", "v2/memory.max=1000"]);
    let none = memory(Memory { limit: Some(1000), swap: Some(-1), ..Memory::default() });
    check(&v2(), &none, Phase::Create, &["v2/memory.swap.max=max?", "v2/memory.max=1000"]);
    let equal = memory(Memory { limit: Some(1000), swap: Some(1000), ..Memory::default() });
    check(&v2(), &equal, Phase::Create, &["v2/memory.swap.max=0?", "v2/memory.max=1000"]);
    let unlimited = memory(Memory { limit: Some(-1), ..Memory::default() });
    check(
        &v1(),
        &unlimited,
        UPDATE,
        &["memory/memory.memsw.limit_in_bytes=-1?", "memory/memory.limit_in_bytes=-1"],
    );
    check(&v2(), &unlimited, Phase::Create, &["v2/memory.max=max"]);
    check(&v1(), &memory(Memory { limit: Some(0), ..Memory::default() }), UPDATE, &[]);
}

#[test]
fn other_memory() {
    let all = memory(Memory {
        reservation: Some(500),
        kernel: Some(10),
        kernel_tcp: Some(20),
        swappiness: Some(60),
        disable_oom_killer: Some(true),
        ..Memory::default()
    });
    check(
        &v1(),
        &all,
        Phase::Create,
        &[
            "memory/memory.soft_limit_in_bytes=500",
            "memory/memory.kmem.tcp.limit_in_bytes=20",
            "memory/memory.swappiness=60",
            "memory/memory.oom_control=1",
        ],
    );
    let plan = Plan::new(&v2(), &all, Phase::Create).unwrap();
    assert_eq!(render(&v2(), &plan), ["v2/memory.low=500"]);
    assert_eq!(plan.warnings.len(), 4, "{:?}", plan.warnings);
    let mut bad = Memory { swappiness: Some(101), ..Memory::default() };
    refused(&v1(), &memory(bad.clone()), "invalid memory.swappiness: 101 is not between 0 and 100");
    bad = Memory { limit: Some(10), swap: Some(5), ..Memory::default() };
    let text = "invalid memory.swap: memory and swap together (5) are below memory (10)";
    refused(&v1(), &memory(bad), text);
    bad = Memory { swap: Some(5), ..Memory::default() };
    let text = "invalid memory.swap: a limit of swap needs a limit of memory beside it";
    refused(&v2(), &memory(bad), text);
    bad = Memory { limit: Some(-5), ..Memory::default() };
    let text = "invalid memory.limit: -5 is neither a size nor -1 for no limit";
    refused(&v2(), &memory(bad), text);
}

#[test]
fn cpu_time_and_sets() {
    let cpu = |cpu| Resources { cpu: Some(cpu), ..Resources::default() };
    let all = cpu(Cpu {
        shares: Some(1024),
        quota: Some(50_000),
        period: Some(200_000),
        burst: Some(1000),
        cpus: Some("0-1".to_owned()),
        mems: Some("0".to_owned()),
        ..Cpu::default()
    });
    check(
        &v1(),
        &all,
        Phase::Create,
        &[
            "cpu,cpuacct/cpu.shares=1024",
            "cpu,cpuacct/cpu.cfs_period_us=200000",
            "cpu,cpuacct/cpu.cfs_quota_us=50000",
            "cpu,cpuacct/cpu.cfs_burst_us=1000",
            "cpuset/cpuset.cpus=0-1",
            "cpuset/cpuset.mems=0",
        ],
    );
    check(
        &v2(),
        &all,
        Phase::Create,
        &[
            "v2/cpu.weight=100",
            "v2/cpu.max=50000 200000",
            "v2/cpu.max.burst=1000",
            "v2/cpuset.cpus=0-1",
            "v2/cpuset.mems=0",
        ],
    );
    let quota = |quota| cpu(Cpu { quota: Some(quota), ..Cpu::default() });
    check(&v2(), &quota(-1), UPDATE, &["v2/cpu.max=max 100000"]);
    check(&v1(), &quota(-1), UPDATE, &["cpu,cpuacct/cpu.cfs_quota_us=-1"]);
    check(
        &v2(),
        &cpu(Cpu { idle: Some(1), shares: Some(5), ..Cpu::default() }),
        UPDATE,
        &["v2/cpu.idle=1"],
    );
    let realtime = cpu(Cpu { realtime_runtime: Some(950), ..Cpu::default() });
    check(&v1(), &realtime, UPDATE, &["cpu,cpuacct/cpu.rt_runtime_us=950"]);
    let text = "cpu.realtimeRuntime cannot be enforced: this kernel's cpu controller has no \
                cpu.rt_runtime_us";
    refused(&v2(), &realtime, text);
    let text = "invalid cpu.cpus: \"0;1\" is not a list such as 0-3,7";
    refused(&v2(), &cpu(Cpu { cpus: Some("0;1".to_owned()), ..Cpu::default() }), text);
}

#[test]
fn weights_meet_at_their_ends_and_in_the_middle() {
    for (shares, weight) in [(2, 1), (1024, 100), (262_144, 10_000), (300_000, 10_000), (1, 1)] {
        assert_eq!(weight_of_shares(shares), weight, "{shares}");
    }
    let all: Vec<u64> = (2..5000).map(weight_of_shares).collect();
    assert!(all.is_sorted());
}

#[test]
fn processes() {
    let pids = |limit| Resources { pids: Some(Pids { limit }), ..Resources::default() };
    check(&v1(), &pids(100), Phase::Create, &["pids/pids.max=100"]);
    check(&v2(), &pids(-1), UPDATE, &["v2/pids.max=max"]);
    check(&v2(), &pids(0), Phase::Create, &[]);
}

#[test]
fn block_io() {
    let device = |rate| vec![ThrottleDevice { major: 8, minor: 0, rate }];
    let io = Resources {
        block_io: Some(BlockIo {
            weight: Some(500),
            weight_device: vec![WeightDevice {
                major: 8,
                minor: 0,
                weight: Some(10),
                leaf_weight: None,
            }],
            throttle_read_bps_device: device(1000),
            throttle_write_iops_device: device(0),
            ..BlockIo::default()
        }),
        ..Resources::default()
    };
    check(
        &v1(),
        &io,
        Phase::Create,
        &[
            "blkio/blkio.bfq.weight=500|blkio.weight=500?",
            "blkio/blkio.bfq.weight_device=8:0 10|blkio.weight_device=8:0 10?",
            "blkio/blkio.throttle.read_bps_device=8:0 1000",
            "blkio/blkio.throttle.write_iops_device=8:0 0",
        ],
    );
    check(
        &v2(),
        &io,
        Phase::Create,
        &[
            "v2/io.bfq.weight=500|io.weight=4950?",
            "v2/io.bfq.weight=8:0 10|io.weight=8:0 1?",
            "v2/io.max=8:0 rbps=1000 wiops=max",
        ],
    );
    let weight = Some(BlockIo { weight: Some(5), ..BlockIo::default() });
    let text = "invalid blockIO.weight: 5 is not between 10 and 1000";
    refused(&v1(), &Resources { block_io: weight, ..Resources::default() }, text);
}

#[test]
fn huge_pages_are_where_their_controller_is() {
    let pages = |page_size: &str| Resources {
        hugepage_limits: vec![HugepageLimit { page_size: page_size.to_owned(), limit: 4 }],
        ..Resources::default()
    };
    check(
        &v1(),
        &pages("2MB"),
        Phase::Create,
        &["hugetlb/hugetlb.2MB.limit_in_bytes=4", "hugetlb/hugetlb.2MB.rsvd.limit_in_bytes=4?"],
    );
    check(
        &hybrid(),
        &pages("1GB"),
        Phase::Create,
        &["v2/hugetlb.1GB.max=4", "v2/hugetlb.1GB.rsvd.max=4?"],
    );
    for bad in ["", "MB", "../x", "2MB/../../x"] {
        assert!(Plan::new(&v2(), &pages(bad), Phase::Create).is_err(), "{bad}");
    }
    let plan = Plan::new(&hybrid(), &pages("2MB"), Phase::Create).unwrap();
    assert_eq!(plan.unified.into_iter().collect::<Vec<_>>(), ["hugetlb"]);
}

#[test]
fn what_this_machine_lacks_is_named() {
    let bare = layout(&["freezer"], None);
    let text = "memory.limit cannot be enforced: the memory controller is not available on this \
                machine";
    refused(&bare, &memory(Memory { limit: Some(5), ..Memory::default() }), text);
    let network = Resources {
        network: Some(NetworkClass { class_id: Some(7), priorities: Vec::new() }),
        ..Resources::default()
    };
    let text = "network.classID cannot be enforced: the net_cls controller is not available on \
                this machine";
    refused(&v2(), &network, text);
    let pids = Resources { pids: Some(Pids { limit: 5 }), ..Resources::default() };
    let text = "pids.limit cannot be enforced: the pids controller is not available on this \
                machine";
    refused(&bare, &pids, text);
}

#[test]
fn raw_files() {
    let raw = |file: &str| Resources {
        unified: [(file.to_owned(), "1".to_owned())].into(),
        ..Resources::default()
    };
    check(&v2(), &raw("memory.high"), Phase::Create, &["v2/memory.high=1"]);
    check(&hybrid(), &raw("hugetlb.2MB.max"), Phase::Create, &["v2/hugetlb.2MB.max=1"]);
    let text = "unified cannot be enforced: the memory controller is not available on this machine";
    refused(&hybrid(), &raw("memory.high"), text);
    let text = "invalid unified: \"../x.y\" is not the name of a cgroup v2 file";
    refused(&v2(), &raw("../x.y"), text);
    let text = "invalid unified: \"foo.bar\" belongs to no controller of cgroup v2 here";
    refused(&v2(), &raw("foo.bar"), text);
    refused(
        &v1(),
        &raw("cgroup.freeze"),
        "invalid unified: \"cgroup.freeze\" belongs to no controller of cgroup v2 here",
    );
}
