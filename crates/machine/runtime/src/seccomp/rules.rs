//! What a profile says about every number of every architecture: before any instruction.

use super::Error;
use super::table::{Arch, Numbers};
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
    /// By number, ascending.
    pub answers: Vec<(u32, Answer)>,
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
    let mut drafts: Vec<Draft> = arches.into_iter().map(Draft::new).collect();
    let mut rules = Vec::new();
    let mut notifies = otherwise == NOTIFY;
    for rule in &profile.syscalls {
        let answer = action(&rule.action, rule.errno_ret)?;
        let at = rules.len();
        rules.push(alternatives(rule, answer)?);
        let counts = answer != otherwise;
        notifies |= answer == NOTIFY && counts;
        for name in &rule.names {
            if answer == NOTIFY && name == "write" {
                return Err(Error::NotifyWrite);
            }
            let numbers = Numbers::of(name);
            for draft in &mut drafts {
                if let Some(number) = numbers.on(draft.arch) {
                    draft.last = Some(number).max(draft.last);
                    if counts {
                        draft.push(number, at);
                    }
                }
            }
            if counts {
                add_multiplexed(&mut drafts, &mut rules, numbers, answer, rule.args.is_empty());
            }
        }
    }
    let permits = |answer: u32| matches!(answer & 0xffff_0000, ALLOW | LOG | TRACE);
    let effective = drafts.iter().any(|draft| !draft.entries.is_empty());
    if !effective && permits(otherwise) && !profile.syscalls.is_empty() {
        return Err(Error::WithoutEffect { rules: profile.syscalls.len() });
    }
    let newer = if permits(otherwise) { otherwise } else { ERRNO | ENOSYS };
    let table = |draft: Draft| draft.finish(&rules, otherwise, newer);
    let arches = drafts.into_iter().map(table).collect();
    Ok(Tables { arches, foreign: KILL_PROCESS, notifies })
}

/// One architecture while rules are read.
struct Draft {
    arch: Arch,
    /// Numbers and the rules about them, as one word each: quick to sort.
    entries: Vec<u64>,
    /// Largest number that any rule names.
    last: Option<u32>,
}

impl Draft {
    fn new(arch: Arch) -> Self {
        Self { arch, entries: Vec::with_capacity(512), last: None }
    }

    fn push(&mut self, number: u32, rule: usize) {
        self.entries.push(u64::from(number) << 32 | rule as u64 & 0xffff_ffff);
    }

    /// Joins the rules about each number, in their order.
    fn finish(mut self, rules: &[Vec<Alternative>], otherwise: u32, newer: u32) -> Table {
        self.entries.sort_unstable();
        let mut answers: Vec<(u32, Answer)> = Vec::with_capacity(self.entries.len() + 1);
        for entry in self.entries {
            let (number, rule) = ((entry >> 32) as u32, (entry & 0xffff_ffff) as usize);
            let known = answers.last_mut().filter(|(last, _)| *last == number);
            match known {
                Some((_, answer)) => answer.add(&rules[rule]),
                None => {
                    let mut answer = Answer::Depends(Vec::new());
                    answer.add(&rules[rule]);
                    answers.push((number, answer));
                }
            }
        }
        // Above the last number the profile names, calls do not exist, as far as it knows.
        if let Some(last) = self.last
            && answers.last().is_none_or(|(number, _)| *number < last)
        {
            answers.push((last, Answer::Always(otherwise)));
        }
        let newer = if self.last.is_some() { newer } else { otherwise };
        Table { arch: self.arch, answers, otherwise, newer }
    }
}

impl Answer {
    /// Adds a rule: an unconditional one replaces conditional ones and is not replaced.
    fn add(&mut self, alternatives: &[Alternative]) {
        let unconditional = alternatives.iter().find(|a| a.conditions.is_empty());
        match (&mut *self, unconditional) {
            (Self::Always(_), _) => {}
            (_, Some(always)) => *self = Self::Always(always.answer),
            (Self::Depends(known), None) => known.extend_from_slice(alternatives),
        }
    }
}

/// The same call by `socketcall` and `ipc`, whose arguments lie in memory: conditions cannot be
/// checked there, so a conditional permission does not count and a conditional denial always holds.
fn add_multiplexed(
    drafts: &mut [Draft],
    rules: &mut Vec<Vec<Alternative>>,
    numbers: Numbers<'_>,
    answer: u32,
    unconditional: bool,
) {
    let Some((call, value)) = numbers.multiplexed() else { return };
    let Some(draft) = drafts.iter_mut().find(|draft| draft.arch == Arch::X86) else { return };
    if unconditional || !matches!(answer, ALLOW | LOG) {
        let condition = Condition { index: 0, operator: Operator::Equal, value };
        draft.push(call, rules.len());
        rules.push(vec![Alternative { conditions: vec![condition], answer }]);
    }
}

/// One alternative, or several where one argument is compared more than once.
fn alternatives(rule: &SyscallRule, answer: u32) -> Result<Vec<Alternative>, Error> {
    let conditions =
        rule.args.iter().map(|arg| condition(&rule.names, arg)).collect::<Result<Vec<_>, _>>()?;
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

fn condition(names: &[String], arg: &SyscallArg) -> Result<Condition, Error> {
    let index = u8::try_from(arg.index).ok().filter(|index| *index < 6);
    let index =
        index.ok_or_else(|| Error::Argument { name: names.join(", "), index: arg.index })?;
    let (operator, value) = match arg.op.as_str() {
        "SCMP_CMP_NE" => (Operator::NotEqual, arg.value),
        "SCMP_CMP_LT" => (Operator::Less, arg.value),
        "SCMP_CMP_LE" => (Operator::LessOrEqual, arg.value),
        "SCMP_CMP_EQ" => (Operator::Equal, arg.value),
        "SCMP_CMP_GE" => (Operator::GreaterOrEqual, arg.value),
        "SCMP_CMP_GT" => (Operator::Greater, arg.value),
        "SCMP_CMP_MASKED_EQ" => (Operator::MaskedEqual { mask: arg.value }, arg.value_two),
        _ => {
            return Err(Error::Operator { name: names.join(", "), operator: arg.op.clone() });
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
