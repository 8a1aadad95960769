//! Rules, and the program made of them, run by a small machine.

use super::*;
use teu_oci::runtime::linux::DeviceRule;

fn rule(
    allow: bool,
    kind: &str,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> DeviceRule {
    DeviceRule { allow, kind: Some(kind.to_owned()), major, minor, access: Some(access.to_owned()) }
}

#[test]
fn lines_of_v1() {
    let check = |rule: DeviceRule, expected: &str| {
        assert_eq!(Rule::parse(&rule).unwrap().line(), expected);
    };
    check(rule(true, "c", Some(1), Some(3), "rwm"), "c 1:3 rwm");
    check(rule(true, "c", Some(136), None, "mr"), "c 136:* rm");
    check(rule(true, "b", Some(-1), Some(-1), "m"), "b *:* m");
    check(rule(false, "a", None, None, "rwm"), "a");
    check(DeviceRule::default(), "a");
    for bad in [
        rule(true, "x", None, None, "r"),
        rule(true, "c", None, None, "rx"),
        rule(true, "c", Some(-2), None, "r"),
        rule(true, "c", None, Some(1 << 32), "r"),
    ] {
        assert!(Rule::parse(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn rules_about_everything_void_those_before() {
    let rules = [
        rule(true, "c", Some(9), Some(9), "rwm"),
        rule(false, "a", None, None, "rwm"),
        rule(true, "c", Some(10), Some(200), "rw"),
    ];
    let lines: Vec<String> = effective(&rules).unwrap().iter().map(Rule::line).collect();
    assert_eq!(lines[..2], ["a", "c 10:200 rw"]);
    assert!(lines.contains(&"c 1:3 rwm".to_owned()) && !lines.contains(&"c 9:9 rwm".to_owned()));
    assert!(needed(&rules));
    assert!(!needed(&[rule(true, "a", None, None, "rwm")]));
    assert!(!needed(&[]));
    assert!(effective(&vec![rule(true, "c", None, None, "r"); 501]).is_err());
}

/// Runs the instructions that `program` makes.
fn run(program: &[u64], kind: u32, access: u32, major: u32, minor: u32) -> u64 {
    let context = [access << 16 | kind, major, minor];
    let (mut registers, mut at) = ([0_u64; 11], 0_usize);
    for _ in 0..4096 {
        let word = program[at];
        let dst = (word >> 8 & 15) as usize;
        let src = (word >> 12 & 15) as usize;
        let offset = (word >> 16) as u16;
        let constant = u64::from((word >> 32) as u32);
        at += 1;
        let jump = match word as u8 {
            0x61 => {
                registers[dst] = u64::from(context[usize::from(offset) / 4]);
                false
            }
            0xbf => {
                registers[dst] = registers[src];
                false
            }
            0xb7 => {
                registers[dst] = constant;
                false
            }
            0x57 => {
                registers[dst] &= constant;
                false
            }
            0x77 => {
                registers[dst] >>= constant;
                false
            }
            0x55 => registers[dst] as u32 != constant as u32,
            0x15 => registers[dst] as u32 == constant as u32,
            0x5d => registers[dst] != registers[src],
            0x95 => return registers[0],
            code => panic!("code {code:#x}"),
        };
        if jump {
            at += usize::from(offset);
        }
    }
    panic!("does not end")
}

#[test]
fn the_program_decides_as_the_rules_say() {
    let rules = [
        rule(false, "a", None, None, "rwm"),
        rule(true, "b", Some(8), None, "r"),
        rule(true, "c", Some(10), Some(200), "rwm"),
        rule(false, "c", Some(10), Some(200), "w"),
    ];
    let program = program::build(&effective(&rules).unwrap());
    let (block, character) = (1, 2);
    for (kind, access, major, minor, expected) in [
        (character, 2, 1, 3, 1),
        (character, 6, 1, 3, 1),
        (character, 1, 99, 99, 1),
        (block, 1, 99, 99, 1),
        (character, 2, 99, 99, 0),
        (block, 2, 8, 5, 1),
        (block, 4, 8, 5, 0),
        (block, 6, 8, 5, 0),
        (character, 2, 10, 200, 1),
        (character, 4, 10, 200, 0),
        (character, 6, 10, 200, 0),
        (character, 2, 136, 12345, 1),
        (block, 2, 1, 3, 0),
    ] {
        let found = run(&program, kind, access, major, minor);
        assert_eq!(found, expected, "{kind} {access} {major}:{minor}");
    }
    let open = program::build(&effective(&[rule(false, "b", Some(8), None, "w")]).unwrap());
    assert_eq!(run(&open, block, 4, 8, 0), 0);
    assert_eq!(run(&open, block, 4, 9, 0), 1);
}

/// Exit code of a shell in the group's v2 directory.
fn run_inside(group: &Cgroup, script: &str) -> std::process::ExitStatus {
    // The shell moves itself before the command.
    let procs = group.directory(Place::Unified).join("cgroup.procs");
    let script = format!("echo 0 > {} && exec sh -c '{script}'", procs.display());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).stderr(std::process::Stdio::null()).status().unwrap()
}

#[test]
fn the_kernel_takes_the_program_and_obeys_it() {
    let path = format!("/teu-test-{}-bpf", std::process::id());
    let group = Cgroup::create(&path, &teu_oci::runtime::Resources::default()).unwrap();
    if group.unified().is_none() {
        return;
    }
    let kmsg = ": < /dev/kmsg";
    let null = ": < /dev/null";
    let confined = effective(&[rule(false, "a", None, None, "rwm")]).unwrap();
    assert!(run_inside(&group, kmsg).success());
    apply_unified(&group, &confined, true).unwrap();
    assert!(!run_inside(&group, kmsg).success());
    assert!(run_inside(&group, null).success());
    // A second time replaces the first: what was denied is allowed now.
    let wider = [rule(false, "a", None, None, "rwm"), rule(true, "c", Some(1), Some(11), "r")];
    apply_unified(&group, &effective(&wider).unwrap(), true).unwrap();
    assert!(run_inside(&group, kmsg).success());
    assert!(!run_inside(&group, ": >> /dev/kmsg").success());
    apply_unified(&group, &confined, true).unwrap();
    assert!(!run_inside(&group, kmsg).success());
    apply_unified(&group, &[], false).unwrap();
    assert!(run_inside(&group, kmsg).success());
    // As many rules as are taken make a program the kernel takes.
    let many: Vec<DeviceRule> =
        (0..480).map(|minor| rule(true, "b", Some(7), Some(minor), "r")).collect();
    let many = [vec![rule(false, "a", None, None, "rwm")], many].concat();
    apply_unified(&group, &effective(&many).unwrap(), true).unwrap();
    group.delete().unwrap();
}
