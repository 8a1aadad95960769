//! What a profile says about every number of every architecture: before any instruction.

use super::Error;
use super::table::{Arch, Numbers, multiplexed};
use std::collections::BTreeMap;
use teu_oci::runtime::linux::{Seccomp, SyscallArg, SyscallRule};

const ENOSYS: u32 = 38;
const EPERM: u32 = 1;
const MAX_ERRNO: u32 = 4095;

/// Return values of a filter, `SECCOMP_RET_…`.
pub const KILL_PROCESS: u32 = 0x8000_0000;
pub const KILL_THREAD: u32 = 0;
pub const TRAP: u32 = 0x0003_0000;
pub const ERRNO: u32 = 0x0005_0000;
pub const NOTIFY: u32 = 0x7fc0_0000;
pub const TRACE: u32 = 0x7ff0_0000;
pub const LOG: u32 = 0x7ffc_0000;
pub const ALLOW: u32 = 0x7fff_0000;

/// Everything the program decides.
#[derive(Debug)]
pub struct Tables {
    /// The architectures that can run, native first.
    pub arches: Vec<Table>,
    /// What happens to code of another architecture.
    pub foreign: u32,
    /// A rule reports to a listener.
    pub notifies: bool,
}

/// One architecture.
#[derive(Debug)]
pub struct Table {
    /// Which.
    pub arch: Arch,
    /// By number.
    pub answers: BTreeMap<u32, Answer>,
    /// Numbers between.
    pub otherwise: u32,
    /// Numbers above the last.
    pub newer: u32,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Always the same.
    Always(u32),
    /// The first alternative whose conditions all hold, or else the table's `otherwise`.
    Depends(Vec<Alternative>),
}

/// Conditions and the answer where they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// `SECCOMP_RET_…`
    pub answer: u32,
}

/// A comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// 0 to 5.
    pub index: u8,
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: u64,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// After `and` with the mask.
    MaskedEqual {
        mask: u64,
    },
}

/// The tables of a profile.
pub fn tables(profile: &Seccomp, native: Arch) -> Result<Tables, Error> {
    if profile.default_action.is_empty() {
        return Err(Error::Empty);
    }
    let otherwise = action(&profile.default_action, profile.default_errno_ret)?;
    let mut arches = vec![native];
    for name in &profile.architectures {
        let arch = Arch::parse(name).map_err(|_| Error::Architecture(name.clone()))?;
        if let Some(arch) = arch.filter(|arch| arch.runs_on(native) && !arches.contains(arch)) {
            arches.push(arch);
        }
    }
    let mut tables: Vec<Table> = arches
        .into_iter()
        .map(|arch| Table { arch, answers: BTreeMap::new(), otherwise, newer: otherwise })
        .collect();
    let mut last = vec![None; tables.len()];
    let mut effective = 0;
    let mut notifies = otherwise == NOTIFY;
    for rule in &profile.syscalls {
        let answer = action(&rule.action, rule.errno_ret)?;
        for name in &rule.names {
            let alternatives = alternatives(name, rule, answer)?;
            if answer == NOTIFY && name == "write" {
                return Err(Error::NotifyWrite);
            }
            let numbers = Numbers::of(name);
            for (table, last) in tables.iter_mut().zip(&mut last) {
                let Some(number) = numbers.on(table.arch) else { continue };
                *last = Some(number).max(*last);
                if answer != otherwise {
                    effective += 1;
                    notifies |= answer == NOTIFY;
                    table.add(number, &alternatives);
                }
            }
            if answer != otherwise {
                add_multiplexed(&mut tables, name, rule, answer);
            }
        }
    }
    let permits = |answer: u32| matches!(answer & 0xffff_0000, ALLOW | LOG | TRACE);
    if effective == 0 && permits(otherwise) && !profile.syscalls.is_empty() {
        return Err(Error::WithoutEffect { rules: profile.syscalls.len() });
    }
    for (table, last) in tables.iter_mut().zip(last) {
        table.close(last, !permits(otherwise));
    }
    Ok(Tables { arches: tables, foreign: KILL_PROCESS, notifies })
}

impl Table {
    /// Adds a rule: an unconditional one replaces conditional ones and is not replaced.
    fn add(&mut self, number: u32, alternatives: &[Alternative]) {
        let unconditional = alternatives.iter().find(|a| a.conditions.is_empty());
        let entry = self.answers.entry(number).or_insert_with(|| Answer::Depends(Vec::new()));
        match (entry, unconditional) {
            (Answer::Always(_), _) => {}
            (entry, Some(always)) => *entry = Answer::Always(always.answer),
            (Answer::Depends(known), None) => known.extend_from_slice(alternatives),
        }
    }

    /// Above the last number the profile names, calls do not exist, as far as it knows.
    fn close(&mut self, last: Option<u32>, restricts: bool) {
        if let (true, Some(last)) = (restricts, last) {
            self.newer = ERRNO | ENOSYS;
            self.answers.entry(last).or_insert(Answer::Always(self.otherwise));
        }
    }
}

/// The same call by `socketcall` and `ipc`, whose arguments lie in memory: conditions cannot be
/// checked there, so a conditional permission does not count and a conditional denial always holds.
fn add_multiplexed(tables: &mut [Table], name: &str, rule: &SyscallRule, answer: u32) {
    let Some(table) = tables.iter_mut().find(|table| table.arch == Arch::X86) else { return };
    let Some((call, value)) = multiplexed(name) else { return };
    if !rule.args.is_empty() && matches!(answer, ALLOW | LOG) {
        return;
    }
    let condition = Condition { index: 0, operator: Operator::Equal, value };
    table.add(call, &[Alternative { conditions: vec![condition], answer }]);
}

/// One alternative, or several where one argument is compared more than once.
fn alternatives(name: &str, rule: &SyscallRule, answer: u32) -> Result<Vec<Alternative>, Error> {
    let conditions =
        rule.args.iter().map(|arg| condition(name, arg)).collect::<Result<Vec<_>, _>>()?;
    let repeated = conditions
        .iter()
        .enumerate()
        .any(|(at, one)| conditions[..at].iter().any(|other| other.index == one.index));
    if repeated {
        let alone = |condition| Alternative { conditions: vec![condition], answer };
        return Ok(conditions.into_iter().map(alone).collect());
    }
    Ok(vec![Alternative { conditions, answer }])
}

fn condition(name: &str, arg: &SyscallArg) -> Result<Condition, Error> {
    let index = u8::try_from(arg.index).ok().filter(|index| *index < 6);
    let index = index.ok_or_else(|| Error::Argument { name: name.to_owned(), index: arg.index })?;
    let (operator, value) = match arg.op.as_str() {
        "SCMP_CMP_NE" => (Operator::NotEqual, arg.value),
        "SCMP_CMP_LT" => (Operator::Less, arg.value),
        "SCMP_CMP_LE" => (Operator::LessOrEqual, arg.value),
        "SCMP_CMP_EQ" => (Operator::Equal, arg.value),
        "SCMP_CMP_GE" => (Operator::GreaterOrEqual, arg.value),
        "SCMP_CMP_GT" => (Operator::Greater, arg.value),
        "SCMP_CMP_MASKED_EQ" => (Operator::MaskedEqual { mask: arg.value }, arg.value_two),
        _ => {
            return Err(Error::Operator { name: name.to_owned(), operator: arg.op.clone() });
        }
    };
    Ok(Condition { index, operator, value })
}

/// libseccomp's name of an action, with its number.
fn action(name: &str, data: Option<u32>) -> Result<u32, Error> {
    let errno = data.unwrap_or(EPERM);
    if errno > MAX_ERRNO {
        return Err(Error::Errno(errno));
    }
    Ok(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        "SCMP_ACT_TRAP" => TRAP,
        "SCMP_ACT_ERRNO" => ERRNO | errno,
        "SCMP_ACT_TRACE" => TRACE | errno,
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_LOG" => LOG,
        "SCMP_ACT_NOTIFY" => NOTIFY,
        _ => return Err(Error::Action(name.to_owned())),
    })
}
