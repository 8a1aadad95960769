//! Filters against a plain reading of their profile, for every number of every architecture.

use super::docker::{Context, parse};
use super::rules::{ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, NOTIFY, TRACE, TRAP};
use super::simulator::{Call, run};
use super::table::{Numbers, X32_BIT};
use super::*;
use crate::defaults::{capabilities, seccomp_profile};
use teu_oci::runtime::linux::{SyscallArg, SyscallRule};

const EPERM: u32 = ERRNO | 1;
const ENOSYS: u32 = ERRNO | 38;

/// What a profile means for one architecture, read naively: every rule, every condition, in order.
struct Naive<'a> {
    arch: Arch,
    default: u32,
    last: Option<u32>,
    /// Numbers, answer and rule.
    rules: Vec<(Vec<u32>, u32, &'a SyscallRule)>,
}

impl<'a> Naive<'a> {
    fn new(profile: &'a Seccomp, arch: Arch) -> Self {
        let default = code(&profile.default_action, profile.default_errno_ret);
        let numbers = |rule: &SyscallRule| {
            rule.names.iter().filter_map(|name| Numbers::of(name).on(arch)).collect::<Vec<_>>()
        };
        let rule =
            |rule: &'a SyscallRule| (numbers(rule), code(&rule.action, rule.errno_ret), rule);
        let rules: Vec<_> = profile.syscalls.iter().map(rule).collect();
        let last = rules.iter().flat_map(|(numbers, ..)| numbers).max().copied();
        Self { arch, default, last, rules }
    }

    fn is_conditional(&self, number: u32) -> bool {
        self.rules
            .iter()
            .any(|(numbers, _, rule)| !rule.args.is_empty() && numbers.contains(&number))
    }

    fn answer(&self, call: &Call) -> u32 {
        if self.last.is_some_and(|last| call.number > last) && !matches!(self.default, ALLOW | LOG)
        {
            return ENOSYS;
        }
        let mut conditional = None;
        for (numbers, answer, rule) in &self.rules {
            if *answer == self.default || !numbers.contains(&call.number) {
                continue;
            }
            if rule.args.is_empty() {
                return *answer;
            }
            if conditional.is_none() && holds(rule, call, self.arch.is_narrow()) {
                conditional = Some(*answer);
            }
        }
        conditional.unwrap_or(self.default)
    }
}

fn code(name: &str, errno: Option<u32>) -> u32 {
    match name {
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_ERRNO" => ERRNO | errno.unwrap_or(1),
        "SCMP_ACT_LOG" => LOG,
        "SCMP_ACT_TRAP" => TRAP,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        "SCMP_ACT_KILL" => KILL_THREAD,
        other => panic!("{other}"),
    }
}

fn holds(rule: &SyscallRule, call: &Call, narrow: bool) -> bool {
    let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
    let one = |arg: &SyscallArg| {
        let (given, value) = (cut(call.arguments[arg.index as usize]), cut(arg.value));
        match arg.op.as_str() {
            "SCMP_CMP_NE" => given != value,
            "SCMP_CMP_LT" => given < value,
            "SCMP_CMP_LE" => given <= value,
            "SCMP_CMP_EQ" => given == value,
            "SCMP_CMP_GE" => given >= value,
            "SCMP_CMP_GT" => given > value,
            "SCMP_CMP_MASKED_EQ" => given & value == cut(arg.value_two),
            other => panic!("{other}"),
        }
    };
    let mut indexes: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    if indexes.len() < rule.args.len() {
        return rule.args.iter().any(one);
    }
    rule.args.iter().all(one)
}

/// Values at which conditions change.
fn interesting(profile: &Seccomp) -> Vec<u64> {
    let mut values = vec![0, 1, 40, u64::MAX, 1 << 32, (1 << 32) - 1, 1 << 63];
    for arg in profile.syscalls.iter().flat_map(|rule| &rule.args) {
        for value in [arg.value, arg.value_two, arg.value | 1 << 40] {
            values.extend([value.wrapping_sub(1), value, value.wrapping_add(1)]);
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// Compares filter and naive reading for all numbers there could be.
fn check_all(profile: &Seccomp, native: Arch) -> (usize, usize) {
    let filter = compile_for(profile, native).unwrap();
    let values = interesting(profile);
    let mut most_steps = 0;
    for arch in [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm] {
        let name = format!("SCMP_ARCH_{arch:?}").to_uppercase();
        if !arch.runs_on(native) || (arch != native && !profile.architectures.contains(&name)) {
            continue;
        }
        let naive = Naive::new(profile, arch);
        let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
        for number in (0..1024).chain([0x0f_0000, 0x0f_0001, 0x0f_0005, 0x0f_0007]) {
            // x86-64's own numbers end where x32's begin.
            let number = number | bit;
            let conditional = naive.is_conditional(number);
            let values = if conditional { &values[..] } else { &values[..1] };
            for first in values {
                for second in values.iter().take(if conditional { 40 } else { 1 }) {
                    let mask = if arch.is_narrow() { 0xffff_ffff } else { u64::MAX };
                    let arguments = [*first & mask, *second & mask, 7, 0, *second & mask, 5];
                    let call = Call::new(arch, number, &arguments);
                    let (answer, steps) = run(filter.instructions(), &call);
                    let wanted = naive.answer(&call);
                    assert_eq!(answer, wanted, "{arch:?} {number:#x} {arguments:x?}");
                    most_steps = most_steps.max(steps);
                }
            }
        }
    }
    (filter.instructions().len(), most_steps)
}

#[test]
fn the_default_profile_answers_as_it_is_written() {
    for capabilities in [capabilities::defaults(), capabilities::all(), Vec::new()] {
        let profile = seccomp_profile(&capabilities);
        let (length, steps) = check_all(&profile, Arch::X86_64);
        // libseccomp takes more than 1500 instructions for this profile, and walks a list of them.
        assert!(length < 450, "{length} instructions");
        assert!(steps < 25, "{steps} steps");
    }
    let mut arm = seccomp_profile(&capabilities::defaults());
    arm.architectures = vec!["SCMP_ARCH_AARCH64".to_owned(), "SCMP_ARCH_ARM".to_owned()];
    check_all(&arm, Arch::Aarch64);
}

fn rule(names: &[&str], action: &str, args: &[(u32, &str, u64, u64)]) -> SyscallRule {
    let arg = |(index, op, value, value_two): &(u32, &str, u64, u64)| SyscallArg {
        index: *index,
        value: *value,
        value_two: *value_two,
        op: format!("SCMP_CMP_{op}"),
    };
    SyscallRule {
        names: names.iter().map(ToString::to_string).collect(),
        action: format!("SCMP_ACT_{action}"),
        errno_ret: None,
        args: args.iter().map(arg).collect(),
    }
}

fn profile(default: &str, syscalls: Vec<SyscallRule>) -> Seccomp {
    Seccomp {
        default_action: format!("SCMP_ACT_{default}"),
        architectures: ["X86_64", "X86", "X32"].map(|arch| format!("SCMP_ARCH_{arch}")).to_vec(),
        syscalls,
        ..Seccomp::default()
    }
}

#[test]
fn every_operator_on_both_halves() {
    let values = [0, 5, 0xffff_ffff, 0x1_0000_0000, 0x5_0000_0005, u64::MAX];
    for operator in ["NE", "LT", "LE", "EQ", "GE", "GT"] {
        for value in values {
            let rules = vec![rule(&["read", "dup"], "ALLOW", &[(0, operator, value, 0)])];
            check_all(&profile("ERRNO", rules), Arch::X86_64);
            let rules = vec![
                rule(&["read"], "ALLOW", &[(0, operator, value, 0), (1, "EQ", 5, 0)]),
                rule(&["read"], "ALLOW", &[(4, operator, value, 0)]),
                rule(&["write"], "ALLOW", &[]),
            ];
            check_all(&profile("KILL_PROCESS", rules), Arch::X86_64);
        }
    }
    for (mask, value) in [(0x7e02_0000, 0), (0xff00, 0x500), (0xf_0000_000f, 0x5_0000_0005)] {
        let rules = vec![rule(&["clone"], "ALLOW", &[(0, "MASKED_EQ", mask, value)])];
        check_all(&profile("ERRNO", rules), Arch::X86_64);
    }
}

#[test]
fn alternatives_on_one_argument() {
    let rules = vec![
        rule(&["socket"], "ALLOW", &[(0, "LT", 12, 0)]),
        rule(&["socket"], "ALLOW", &[(0, "EQ", 16, 0)]),
        rule(&["socket"], "ALLOW", &[(0, "EQ", 17, 0)]),
        rule(&["socket"], "ALLOW", &[(0, "GT", 0xffff_fff0, 0)]),
        rule(&["personality"], "ALLOW", &[(0, "NE", 7, 0), (0, "GT", 9, 0)]),
        rule(&["dup"], "ALLOW", &[(0, "GE", 1 << 40, 0)]),
        rule(&["dup"], "ALLOW", &[(0, "EQ", 3, 0)]),
        rule(&["dup2"], "ALLOW", &[(0, "LE", u64::MAX, 0)]),
        rule(&["dup2"], "ALLOW", &[(0, "LT", 0, 0)]),
        rule(&["dup3"], "ALLOW", &[(0, "LT", 0, 0)]),
        rule(&["dup3"], "ALLOW", &[(0, "LT", 0, 0)]),
        rule(&["read"], "LOG", &[(0, "EQ", 1, 0)]),
        rule(&["read"], "ALLOW", &[(1, "EQ", 1, 0)]),
        rule(&["write"], "TRAP", &[(0, "EQ", 1, 0)]),
        rule(&["write"], "ALLOW", &[]),
    ];
    check_all(&profile("ERRNO", rules.clone()), Arch::X86_64);
    check_all(&profile("KILL", rules), Arch::X86_64);
}

#[test]
fn a_list_of_denials() {
    let rules = vec![
        rule(&["mount", "ptrace", "no_such_call"], "ERRNO", &[]),
        rule(&["clone"], "KILL_PROCESS", &[(0, "MASKED_EQ", 0x1000_0000, 0x1000_0000)]),
        rule(&["reboot"], "TRAP", &[]),
    ];
    let profile = profile("ALLOW", rules);
    check_all(&profile, Arch::X86_64);
    let filter = compile_for(&profile, Arch::X86_64).unwrap();
    // Newer calls are allowed as everything is.
    let call = Call::new(Arch::X86_64, 900, &[]);
    assert_eq!(run(filter.instructions(), &call).0, ALLOW);
}

#[test]
fn many_scattered_rules_need_far_jumps() {
    // Every second number with two conditions: thousands of instructions.
    let names: Vec<&str> = (0..330).step_by(2).filter_map(name_of).collect();
    let mut rules = vec![rule(&names, "ALLOW", &[(0, "EQ", 0x1_0000_0001, 0), (1, "GE", 5, 0)])];
    rules.push(rule(&["write", "open"], "TRAP", &[]));
    let mut profile = profile("ERRNO", rules);
    profile.architectures.truncate(1);
    let (length, _) = check_all(&profile, Arch::X86_64);
    assert!(length > 500, "{length}");
}

/// A name of an x86-64 number.
fn name_of(number: u32) -> Option<&'static str> {
    let list = include_str!("table/numbers.rs");
    let names = list.split('"').skip(1).step_by(2);
    names.into_iter().find(|name| Numbers::of(name).on(Arch::X86_64) == Some(number))
}

#[test]
fn architectures() {
    let answer = |filter: &Filter, audit: u32, number: u32| {
        run(filter.instructions(), &Call { number, audit, arguments: [0; 6] }).0
    };
    let mut profile = profile("ERRNO", vec![rule(&["read"], "ALLOW", &[])]);
    let filter = compile_for(&profile, Arch::X86_64).unwrap();
    assert_eq!(answer(&filter, Arch::X86_64.audit(), 0), ALLOW);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), 1), ENOSYS);
    assert_eq!(answer(&filter, Arch::X86.audit(), 3), ALLOW);
    assert_eq!(answer(&filter, Arch::X86.audit(), 0), EPERM);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), X32_BIT), ALLOW);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), X32_BIT | 1), ENOSYS);
    assert_eq!(answer(&filter, Arch::Aarch64.audit(), 63), KILL_PROCESS);
    // Without a list only the machine's own: an x32 number is foreign, a skipped call is not.
    profile.architectures.clear();
    let filter = compile_for(&profile, Arch::X86_64).unwrap();
    assert_eq!(answer(&filter, Arch::X86.audit(), 3), KILL_PROCESS);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), X32_BIT), KILL_PROCESS);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), u32::MAX), ENOSYS);
    assert_eq!(answer(&filter, Arch::X86_64.audit(), 0), ALLOW);
}

#[test]
fn sockets_by_the_back_door() {
    let x86 = |filter: &Filter, call: u32, first: u64| {
        run(filter.instructions(), &Call::new(Arch::X86, call, &[first])).0
    };
    let rules = vec![
        rule(&["connect", "shmat"], "ALLOW", &[]),
        rule(&["socket"], "ALLOW", &[(0, "EQ", 1, 0)]),
    ];
    let filter = compile_for(&profile("ERRNO", rules), Arch::X86_64).unwrap();
    assert_eq!(x86(&filter, 102, 3), ALLOW);
    assert_eq!(x86(&filter, 102, 1), EPERM, "a condition on memory does not hold");
    assert_eq!(x86(&filter, 117, 21), ALLOW);
    assert_eq!(x86(&filter, 117, 22), EPERM);
    let rules = vec![rule(&["socket"], "ERRNO", &[(0, "EQ", 40, 0)])];
    let filter = compile_for(&profile("ALLOW", rules), Arch::X86_64).unwrap();
    assert_eq!(x86(&filter, 102, 1), EPERM);
    assert_eq!(x86(&filter, 102, 2), ALLOW);
}

#[test]
fn what_is_refused() {
    let check = |profile: Seccomp, expected: Error| {
        assert_eq!(compile_for(&profile, Arch::X86_64).unwrap_err(), expected);
    };
    check(Seccomp::default(), Error::Empty);
    let bad = rule(&["read"], "ALOW", &[]);
    check(profile("ERRNO", vec![bad]), Error::Action("SCMP_ACT_ALOW".into()));
    check(profile("NO", Vec::new()), Error::Action("SCMP_ACT_NO".into()));
    let typo = rule(&["mont", "ptracee"], "ERRNO", &[]);
    check(profile("ALLOW", vec![typo]), Error::WithoutEffect { rules: 1 });
    let index = rule(&["read"], "ALLOW", &[(6, "EQ", 0, 0)]);
    check(profile("ERRNO", vec![index]), Error::Argument { name: "read".into(), index: 6 });
    let operator = rule(&["read"], "ALLOW", &[(0, "XX", 0, 0)]);
    let operator_error = Error::Operator { name: "read".into(), operator: "SCMP_CMP_XX".into() };
    check(profile("ERRNO", vec![operator]), operator_error);
    let mut errno = profile("ERRNO", Vec::new());
    errno.default_errno_ret = Some(4096);
    check(errno, Error::Errno(4096));
    let mut arch = profile("ERRNO", Vec::new());
    arch.architectures.push("SCMP_ARCH_VAX".into());
    check(arch, Error::Architecture("SCMP_ARCH_VAX".into()));
    let mut flag = profile("ERRNO", Vec::new());
    flag.flags.push("SECCOMP_FILTER_FLAG_NEW".into());
    check(flag, Error::Flag("SECCOMP_FILTER_FLAG_NEW".into()));
    check(profile("ERRNO", vec![rule(&["read"], "NOTIFY", &[])]), Error::NoListener);
    check(profile("ERRNO", vec![rule(&["write"], "NOTIFY", &[])]), Error::NotifyWrite);
}

#[test]
fn flags_and_listeners() {
    let mut notify = profile("ERRNO", vec![rule(&["mount"], "NOTIFY", &[])]);
    notify.listener_path = Some("/run/listener".into());
    let filter = compile_for(&notify, Arch::X86_64).unwrap();
    assert!(filter.notifies());
    let call = Call::new(Arch::X86_64, 165, &[]);
    assert_eq!(run(filter.instructions(), &call).0, NOTIFY);
    let mut traced = profile("TRACE", Vec::new());
    traced.default_errno_ret = Some(12);
    traced.flags = vec!["SECCOMP_FILTER_FLAG_LOG".into(), "SECCOMP_FILTER_FLAG_TSYNC".into()];
    let filter = compile_for(&traced, Arch::X86_64).unwrap();
    assert_eq!(run(filter.instructions(), &call).0, TRACE | 12);
    assert_eq!(filter.flags(), sys::FLAG_LOG);
    assert_eq!(compile(&profile("ALLOW", Vec::new())).unwrap().flags(), sys::FLAG_SPEC_ALLOW);
}

#[test]
fn docker_profiles() {
    let json = br#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_S390X", "subArchitectures": null}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {}},
            {"name": "write", "action": "SCMP_ACT_ALLOW"},
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A", "CAP_B"]}},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_A", "CAP_B"]}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
            {"names": ["e"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["f"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["g"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["h"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.19"}},
            {"names": ["i"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}}]}"#;
    let capabilities = ["CAP_A".to_owned()];
    let context = Context { capabilities: &capabilities, architecture: "amd64", kernel: (6, 18) };
    let profile = parse(json, &context).unwrap();
    let names: Vec<&str> =
        profile.syscalls.iter().flat_map(|rule| &rule.names).map(String::as_str).collect();
    assert_eq!(names, ["read", "write", "a", "d", "g"]);
    assert_eq!(profile.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    for (json, expected) in [
        (&b"{}"[..], "the seccomp profile is empty: it has no default action"),
        (b"", "the seccomp profile is no valid JSON: EOF while parsing a value at line 1 column 0"),
        (
            br#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["a"],"archMap":[{"architecture":"b"}]}"#,
            "the seccomp profile has both architectures and archMap, or name and names; use one of each",
        ),
        (
            br#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"includes":{"minKernel":"new"}}]}"#,
            "the seccomp profile wants kernel \"new\", which is no version such as 4.8",
        ),
    ] {
        assert_eq!(parse(json, &context).unwrap_err().to_string(), expected);
    }
    assert!(parse(&vec![b' '; 2 << 20], &context).is_err());
}

#[test]
fn every_name_is_found() {
    let list = include_str!("table/numbers.rs");
    let names: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 450 && names.is_sorted());
    let arches = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm];
    for name in names {
        let numbers = Numbers::of(name);
        assert!(arches.iter().any(|arch| numbers.on(*arch).is_some()), "{name}");
    }
    for (name, expected) in [("accept", (102, 5)), ("shutdown", (102, 13)), ("semop", (117, 1))] {
        assert_eq!(Numbers::of(name).multiplexed(), Some(expected), "{name}");
    }
    assert_eq!(Numbers::of("read").multiplexed(), None);
    assert_eq!(Numbers::of("set_tls").on(Arch::Arm), Some(0x0f_0005));
    assert_eq!(Numbers::of("no_such_call").on(Arch::X86), None);
}
