//! A machine for classic BPF, for tests: says what a filter answers to a call, and how many steps
//! that took.

use super::table::Arch;
use teu_sys::seccomp::Instruction;

/// What the filter sees of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    pub number: u32,
    pub audit: u32,
    pub arguments: [u64; 6],
}

impl Call {
    pub fn new(arch: Arch, number: u32, arguments: &[u64]) -> Self {
        let mut call = Self { number, audit: arch.audit(), arguments: [0; 6] };
        call.arguments[..arguments.len()].copy_from_slice(arguments);
        call
    }

    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.audit,
            16..64 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
            _ => panic!("offset {offset}"),
        }
    }
}

/// Runs the program; panics where the kernel's verifier would refuse it.
pub fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator) = (0, 0_u32);
    for step in 1.. {
        let instruction = program[at];
        let k = instruction.k;
        let condition = match instruction.code {
            0x20 => {
                accumulator = call.word(k);
                at += 1;
                continue;
            }
            0x54 => {
                accumulator &= k;
                at += 1;
                continue;
            }
            0x06 => return (k, step),
            0x05 => {
                at += 1 + k as usize;
                continue;
            }
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            code => panic!("code {code:#x}"),
        };
        at += 1 + usize::from(if condition { instruction.jt } else { instruction.jf });
    }
    unreachable!()
}
