//! Instructions for the tables: written from the end, so that every jump is to something known.
//!
//! Jumps over more than 255 instructions do not exist with a condition; a far answer is repeated
//! near by, a far branch is reached by an unconditional jump.

use super::rules::{Alternative, Answer, Condition, ERRNO, Operator, Table, Tables};
use super::table::{Arch, X32_BIT};
use teu_sys::seccomp::Instruction;

mod ranges;

use ranges::Ranges;

/// Operation codes: load a word, and with a constant, return, and jumps against a constant.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_GREATER_OR_EQUAL: u16 = 0x35;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What a tracer writes to skip a call; not an x32 number though its bit is set.
const SKIPPED: u32 = u32::MAX;
const ENOSYS: u32 = 38;

/// An answer farther away than this is written again rather than jumped to.
const REPEATED: usize = 200;

/// A place in the program, counted from its end.
type Label = usize;

/// The program, last instruction first.
#[derive(Default)]
struct Code {
    reversed: Vec<Instruction>,
    /// Where each answer was written last.
    answers: Vec<(u32, Label)>,
}

/// What neighbouring numbers have in common.
enum Run<'a> {
    Always(u32),
    Depends(&'a [Alternative]),
}

/// Begins a run, unless the one before goes on.
fn add<'a>(runs: &mut Vec<(u32, Run<'a>)>, start: u32, run: Run<'a>) {
    match (runs.last(), &run) {
        (Some((_, Run::Always(known))), Run::Always(new)) if known == new => {}
        _ => runs.push((start, run)),
    }
}

/// The whole program.
pub fn build(tables: &Tables) -> Vec<Instruction> {
    let mut code = Code::default();
    let x32 = tables.arches.iter().find(|table| table.arch == Arch::X32);
    let mut entries = Vec::new();
    for table in tables.arches.iter().filter(|table| table.arch != Arch::X32).rev() {
        let mut cuts = code.cuts(table, 0);
        if table.arch == Arch::X86_64 {
            cuts.retain(|(start, _)| *start < X32_BIT);
            match x32 {
                Some(x32) => cuts.extend(code.cuts(x32, X32_BIT)),
                None => {
                    cuts.push((X32_BIT, code.answer(tables.foreign)));
                    cuts.push((SKIPPED, code.answer(ERRNO | ENOSYS)));
                }
            }
        }
        let found = code.search(&cuts);
        code.fall_to(found);
        let start = code.push(LOAD, NUMBER);
        entries.push((table.arch.audit(), start));
    }
    // The native architecture was written last and is asked first.
    let mut otherwise = code.answer(tables.foreign);
    for (audit, start) in entries {
        otherwise = code.branch(IF_EQUAL, audit, start, otherwise);
    }
    code.fall_to(otherwise);
    code.push(LOAD, ARCH);
    code.reversed.reverse();
    code.reversed
}

impl Code {
    fn push(&mut self, code: u16, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt: 0, jf: 0, k });
        self.reversed.len() - 1
    }

    /// An instruction that returns; one near the end of what is written so far, or a new one.
    fn answer(&mut self, answer: u32) -> Label {
        self.answer_within(answer, REPEATED)
    }

    fn answer_within(&mut self, answer: u32, limit: usize) -> Label {
        let known = self.answers.iter().position(|(known, _)| *known == answer);
        if let Some((_, label)) = known.map(|at| self.answers[at])
            && self.distance(label) <= limit
        {
            return label;
        }
        let label = self.push(RETURN, answer);
        match known {
            Some(at) => self.answers[at].1 = label,
            None => self.answers.push((answer, label)),
        }
        label
    }

    /// How many instructions lie between the next one and `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label - 1
    }

    /// Something that does what `label` does, at most `limit` instructions away.
    fn near(&mut self, label: Label, limit: usize) -> Label {
        if self.distance(label) <= limit {
            return label;
        }
        let there = self.reversed[label];
        if there.code == RETURN {
            return self.answer_within(there.k, limit);
        }
        let distance =
            u32::try_from(self.distance(label)).expect("a program has 4096 instructions");
        self.push(JUMP, distance)
    }

    /// A jump on the accumulator.
    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // Making the second near may add one instruction before the first.
        let yes = self.near(yes, 254);
        let no = self.near(no, 255);
        let offset = |label| u8::try_from(self.distance(label)).expect("was made near");
        let instruction = Instruction { code, jt: offset(yes), jf: offset(no), k };
        self.reversed.push(instruction);
        self.reversed.len() - 1
    }

    /// Makes sure that falling through leads to `label`.
    fn fall_to(&mut self, label: Label) {
        self.near(label, 0);
    }

    /// Where in the accumulator's range which label follows: starts, ascending, the first being 0.
    fn search(&mut self, cuts: &[(u32, Label)]) -> Label {
        match cuts {
            [] => unreachable!("every range has a start"),
            [(_, label)] => *label,
            cuts => {
                let (low, high) = cuts.split_at(cuts.len() / 2);
                let above = self.search(high);
                let below = self.search(low);
                self.branch(IF_GREATER_OR_EQUAL, high[0].0, above, below)
            }
        }
    }

    /// The ranges of one architecture's numbers, from `first` on.
    fn cuts(&mut self, table: &Table, first: u32) -> Vec<(u32, Label)> {
        let mut runs: Vec<(u32, Run<'_>)> = Vec::new();
        let mut next = first;
        for (number, answer) in &table.answers {
            if *number > next {
                add(&mut runs, next, Run::Always(table.otherwise));
            }
            match answer {
                Answer::Always(answer) => add(&mut runs, *number, Run::Always(*answer)),
                Answer::Depends(list) => add(&mut runs, *number, Run::Depends(list)),
            }
            next = number + 1;
        }
        add(&mut runs, next, Run::Always(table.newer));
        let label = |(start, run)| match run {
            Run::Always(answer) => (start, self.answer(answer)),
            Run::Depends(list) => (start, self.depends(table, list)),
        };
        runs.into_iter().map(label).collect()
    }

    /// Alternatives in their order.
    fn depends(&mut self, table: &Table, list: &[Alternative]) -> Label {
        let narrow = table.arch.is_narrow();
        if let Some((ranges, answer)) = Ranges::of(list, narrow) {
            return self.ranges(&ranges, answer, table.otherwise, narrow);
        }
        let mut next = self.answer(table.otherwise);
        for alternative in list.iter().rev() {
            let mut then = self.answer(alternative.answer);
            for condition in alternative.conditions.iter().rev() {
                then = self.condition(condition, then, next, narrow);
            }
            next = then;
        }
        next
    }

    /// Alternatives that are ranges of one argument: a search instead of a list.
    fn ranges(&mut self, ranges: &Ranges, answer: u32, otherwise: u32, narrow: bool) -> Label {
        let offset = ARGUMENTS + 8 * u32::from(ranges.index);
        let label = |code: &mut Self, inside| code.answer(if inside { answer } else { otherwise });
        let mut cuts: Vec<(u32, Label)> = Vec::new();
        for (start, inside) in &ranges.low {
            let label = label(self, *inside);
            cuts.push((*start, label));
        }
        let found = self.search(&cuts);
        self.fall_to(found);
        let low = self.push(LOAD, offset);
        if narrow {
            return low;
        }
        let high = label(self, ranges.above);
        let test = self.branch(IF_EQUAL, 0, low, high);
        self.fall_to(test);
        self.push(LOAD, offset + 4)
    }

    /// One condition on 64 bits, compared as two halves.
    fn condition(&mut self, condition: &Condition, yes: Label, no: Label, narrow: bool) -> Label {
        let value = condition.value;
        let halves = Halves {
            offset: ARGUMENTS + 8 * u32::from(condition.index),
            low: value as u32,
            high: (value >> 32) as u32,
            narrow,
        };
        match condition.operator {
            Operator::Equal => self.equal(&halves, u64::MAX, yes, no),
            Operator::NotEqual => self.equal(&halves, u64::MAX, no, yes),
            Operator::MaskedEqual { mask } => self.equal(&halves, mask, yes, no),
            Operator::GreaterOrEqual => self.above(&halves, IF_GREATER_OR_EQUAL, yes, no),
            Operator::Greater => self.above(&halves, IF_GREATER, yes, no),
            Operator::Less => self.above(&halves, IF_GREATER_OR_EQUAL, no, yes),
            Operator::LessOrEqual => self.above(&halves, IF_GREATER, no, yes),
        }
    }

    fn equal(&mut self, halves: &Halves, mask: u64, yes: Label, no: Label) -> Label {
        let low = self.equal_half(halves.offset, halves.low, mask as u32, yes, no);
        let mask = (mask >> 32) as u32;
        if halves.narrow || (mask == 0 && halves.high == 0) {
            return low;
        }
        self.equal_half(halves.offset + 4, halves.high, mask, low, no)
    }

    fn equal_half(&mut self, offset: u32, value: u32, mask: u32, yes: Label, no: Label) -> Label {
        let test = self.branch(IF_EQUAL, value, yes, no);
        self.fall_to(test);
        if mask != u32::MAX {
            self.push(AND, mask);
        }
        self.push(LOAD, offset)
    }

    fn above(&mut self, halves: &Halves, code: u16, yes: Label, no: Label) -> Label {
        let test = self.branch(code, halves.low, yes, no);
        self.fall_to(test);
        let low = self.push(LOAD, halves.offset);
        if halves.narrow {
            return low;
        }
        let equal = self.branch(IF_EQUAL, halves.high, low, no);
        let test = self.branch(IF_GREATER, halves.high, yes, equal);
        self.fall_to(test);
        self.push(LOAD, halves.offset + 4)
    }
}

/// Where an argument lies and what it is compared with.
struct Halves {
    offset: u32,
    low: u32,
    high: u32,
    narrow: bool,
}
