//! Device rules as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
//!
//! The program walks the rules from the last to the first; the first that matches decides, so later
//! rules win. A denial matches when any of the wanted accesses is denied, an allowance when all of
//! them are allowed: together this is what v1's lists do for the orders that occur.

use super::{Kind, Rule};

const BPF_DEVCG_DEV_BLOCK: i32 = 1;
const BPF_DEVCG_DEV_CHAR: i32 = 2;
const ALL_ACCESS: u8 = 7;

/// Registers by their use.
const RESULT: u8 = 0;
const SCRATCH: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Operation codes of `linux/bpf.h`.
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const MOVE_CONST: u8 = 0xb7;
const AND_CONST: u8 = 0x57;
const SHIFT_RIGHT_CONST: u8 = 0x77;
const JUMP_NOT_EQUAL_CONST: u8 = 0x55;
const JUMP_EQUAL_CONST: u8 = 0x15;
const JUMP_NOT_EQUAL: u8 = 0x5d;
const EXIT: u8 = 0x95;

/// One instruction as the kernel lays it out, little end first.
fn instruction(code: u8, dst: u8, src: u8, offset: i16, constant: i32) -> u64 {
    let registers = u64::from(src << 4 | dst);
    u64::from(code)
        | registers << 8
        | u64::from(offset.cast_unsigned()) << 16
        | u64::from(constant.cast_unsigned()) << 32
}

/// The program for rules of which the first may be about everything.
#[must_use]
pub fn build(rules: &[Rule]) -> Vec<u64> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, SCRATCH, 0, 0),
        instruction(MOVE, ACCESS, KIND, 0, 0),
        instruction(SHIFT_RIGHT_CONST, ACCESS, 0, 0, 16),
        instruction(AND_CONST, KIND, 0, 0, 0xffff),
        instruction(LOAD_WORD, MAJOR, SCRATCH, 4, 0),
        instruction(LOAD_WORD, MINOR, SCRATCH, 8, 0),
    ];
    // Without a rule about everything the group starts as its parent is: all allowed.
    let mut otherwise = true;
    for rule in rules.iter().rev() {
        if rule.kind == Kind::All {
            otherwise = rule.allow;
            break;
        }
        program.extend(block(rule));
    }
    program.extend(finish(otherwise));
    program
}

fn finish(allow: bool) -> [u64; 2] {
    [instruction(MOVE_CONST, RESULT, 0, 0, i32::from(allow)), instruction(EXIT, 0, 0, 0, 0)]
}

/// One rule: conditions that jump behind it, then the answer.
fn block(rule: &Rule) -> Vec<u64> {
    let kind = if rule.kind == Kind::Block { BPF_DEVCG_DEV_BLOCK } else { BPF_DEVCG_DEV_CHAR };
    // Conditions: code, destination, source, constant; the jump is filled in afterwards.
    let mut steps = vec![(JUMP_NOT_EQUAL_CONST, KIND, 0, kind)];
    if rule.access != ALL_ACCESS {
        steps.push((MOVE, SCRATCH, ACCESS, 0));
        steps.push((AND_CONST, SCRATCH, 0, i32::from(rule.access)));
        steps.push(match rule.allow {
            true => (JUMP_NOT_EQUAL, SCRATCH, ACCESS, 0),
            false => (JUMP_EQUAL_CONST, SCRATCH, 0, 0),
        });
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            steps.push((JUMP_NOT_EQUAL_CONST, register, 0, number.cast_signed()));
        }
    }
    let answer = finish(rule.allow);
    let length = steps.len() + answer.len();
    let mut block = Vec::with_capacity(length);
    for (at, (code, dst, src, constant)) in steps.into_iter().enumerate() {
        let jumps = matches!(code, JUMP_NOT_EQUAL_CONST | JUMP_EQUAL_CONST | JUMP_NOT_EQUAL);
        let behind = i16::try_from(length - at - 1).expect("a block has at most eight steps");
        block.push(instruction(code, dst, src, if jumps { behind } else { 0 }, constant));
    }
    block.extend(answer);
    block
}
