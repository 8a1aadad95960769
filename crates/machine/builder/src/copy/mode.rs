//! `--chmod`: octal, or the symbols of chmod(1).

/// A change of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeChange {
    /// These.
    Octal(u32),
    /// Clauses, one after another.
    Symbolic(Vec<Clause>),
}

/// `u+rx`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    who: u32,
    operation: Operation,
    permissions: u32,
    /// `X`: execution, of directories and of what somebody can execute already.
    conditional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Remove,
    Set,
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHER: u32 = 0o1007;

impl ModeChange {
    /// Reads it; `None` if it makes no sense.
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok()?;
            return (mode <= 0o7777).then_some(Self::Octal(mode));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let at = part.find(['+', '-', '='])?;
            let who = part[..at].chars().try_fold(0, |who, c| Some(who | of(c)?))?;
            let who = if who == 0 { USER | GROUP | OTHER } else { who };
            let mut rest = &part[at..];
            while let Some(sign) = rest.chars().next() {
                let operation = match sign {
                    '+' => Operation::Add,
                    '-' => Operation::Remove,
                    '=' => Operation::Set,
                    _ => return None,
                };
                rest = &rest[1..];
                let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
                let (mut permissions, mut conditional) = (0, false);
                for c in rest[..end].chars() {
                    permissions |= match c {
                        'r' => 0o444,
                        'w' => 0o222,
                        'x' => 0o111,
                        's' => 0o6000,
                        't' => 0o1000,
                        'X' => {
                            conditional = true;
                            0
                        }
                        _ => return None,
                    };
                }
                clauses.push(Clause { who, operation, permissions, conditional });
                rest = &rest[end..];
            }
        }
        Some(Self::Symbolic(clauses))
    }

    /// The permissions that `mode` becomes.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        let clauses = match self {
            Self::Octal(mode) => return *mode,
            Self::Symbolic(clauses) => clauses,
        };
        clauses.iter().fold(mode, |mode, clause| {
            let executable = directory || mode & 0o111 != 0;
            let extra = if clause.conditional && executable { 0o111 } else { 0 };
            let bits = (clause.permissions | extra) & clause.who;
            match clause.operation {
                Operation::Add => mode | bits,
                Operation::Remove => mode & !bits,
                Operation::Set => mode & !(clause.who & 0o777) | bits,
            }
        })
    }
}

fn of(c: char) -> Option<u32> {
    match c {
        'u' => Some(USER),
        'g' => Some(GROUP),
        'o' => Some(OTHER),
        'a' => Some(USER | GROUP | OTHER),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
