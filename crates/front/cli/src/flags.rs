//! Commands and flags as data: one definition gives parsing, help, completion and their tests.
//!
//! Why not an argument-parsing library: the command line promised here is Docker's, whose rules are
//! pflag's (flags anywhere, or only before the first operand; `-itd`, `-p8080:80`, `--rm=false`;
//! messages that scripts compare). And a tree of eighty commands is built by others at every start,
//! while these tables are constants: nothing is built, so `run` pays nothing for `network`.
//!
//! Parsing is done twice: [`parse`](parse::parse) checks what was typed against the tables and gives
//! [`Matches`]; each command then turns those into the request of the crate below.

use crate::context::Context;
use crate::failure::Result;

pub mod help;
pub mod parse;
pub mod suggest;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=true`/`=false`.
    Switch,
    /// One text; the word names it in the help.
    Text(&'static str),
    /// A whole number.
    Integer,
    /// A text, any number of times.
    List(&'static str),
    /// Nothing, or `=TEXT`; the second word is what nothing means.
    Optional(&'static str, &'static str),
}

/// What the shell offers behind a flag or as an operand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completes {
    /// Nothing known.
    #[default]
    Nothing,
    /// Files.
    Files,
    /// Containers, whatever their state.
    Containers,
    /// Containers that run.
    Running,
    /// Containers that do not run.
    Stopped,
    /// Images.
    Images,
    /// Networks.
    Networks,
    /// Volumes.
    Volumes,
    /// Pods.
    Pods,
    /// These words.
    Words(&'static [&'static str]),
}

/// One flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// `name` of `--name`.
    pub long: &'static str,
    /// `n` of `-n`.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// One sentence without a full stop.
    pub help: &'static str,
    /// What the shell offers.
    pub completes: Completes,
    /// Understood but not shown.
    pub hidden: bool,
}

impl Flag {
    const fn new(long: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { long, short: None, kind, help, completes: Completes::Nothing, hidden: false }
    }

    /// A flag that is there or not.
    pub const fn switch(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Switch, help)
    }

    /// A flag with a text.
    pub const fn text(long: &'static str, what: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Text(what), help)
    }

    /// A flag with a number.
    pub const fn integer(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Integer, help)
    }

    /// A flag that may be repeated.
    pub const fn list(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::List("list"), help)
    }

    /// With a short form.
    #[must_use]
    pub const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    /// With completion.
    #[must_use]
    pub const fn completes(mut self, completes: Completes) -> Self {
        self.completes = completes;
        self
    }

    /// Not in the help.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The flag as an error names it: `-n, --name`.
    pub fn title(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.long),
            None => format!("--{}", self.long),
        }
    }
}

/// How many operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
    /// So many or fewer.
    AtMost(usize),
    /// Between.
    Between(usize, usize),
}

/// Where flags may stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Anywhere before `--`.
    #[default]
    Anywhere,
    /// Before the first operand only: the rest belongs to the container.
    FlagsFirst,
}

/// What a command does.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// It acts, and gives the exit code.
    Run(fn(&Context, &Matches) -> Result<u8>),
    /// It holds others.
    Group(&'static [&'static Command]),
}

/// One command.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its word.
    pub name: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// One sentence without a full stop.
    pub about: &'static str,
    /// What follows the name: `[OPTIONS] IMAGE`.
    pub usage: &'static str,
    /// How many operands.
    pub arity: Arity,
    /// Where flags may stand.
    pub order: Order,
    /// Its flags, in groups that commands share.
    pub flags: &'static [&'static [Flag]],
    /// Command lines and what they are for.
    pub examples: &'static [(&'static str, &'static str)],
    /// What the shell offers as operands.
    pub operands: Completes,
    /// What it does.
    pub action: Action,
}

impl Command {
    /// A command without flags and operands, to be filled in.
    pub const fn new(
        name: &'static str,
        about: &'static str,
        run: fn(&Context, &Matches) -> Result<u8>,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            about,
            usage: "",
            arity: Arity::Exactly(0),
            order: Order::Anywhere,
            flags: &[],
            examples: &[],
            operands: Completes::Nothing,
            action: Action::Run(run),
        }
    }

    /// A command that holds others.
    pub const fn group(
        name: &'static str,
        about: &'static str,
        commands: &'static [&'static Command],
    ) -> Self {
        Self {
            name,
            aliases: &[],
            about,
            usage: "COMMAND",
            arity: Arity::AtLeast(0),
            order: Order::FlagsFirst,
            flags: &[],
            examples: &[],
            operands: Completes::Nothing,
            action: Action::Group(commands),
        }
    }

    /// All its flags.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.flags.iter().flat_map(|group| group.iter())
    }

    /// Says whether the word means this command.
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What was typed, checked against the tables.
#[derive(Debug, Clone)]
pub struct Matches {
    /// The command.
    pub command: &'static Command,
    /// Its words: `teu container run`.
    pub path: String,
    /// Flags in the order typed; switches hold `true` or `false`.
    pub values: Vec<(&'static Flag, String)>,
    /// The rest.
    pub operands: Vec<String>,
    /// Flags of the groups that hold the command, typed before its word.
    pub outer: Vec<(&'static Flag, String)>,
}

impl Matches {
    /// Whether a switch is on.
    pub fn switch(&self, long: &str) -> bool {
        self.text(long) == Some("true")
    }

    /// Whether the flag was typed at all.
    pub fn given(&self, long: &str) -> bool {
        self.text(long).is_some()
    }

    /// The last value typed.
    pub fn text(&self, long: &str) -> Option<&str> {
        debug_assert!(
            self.command.all_flags().any(|flag| flag.long == long),
            "--{long} is no flag of {}",
            self.path
        );
        let mut values = self.values.iter().rev();
        values.find(|(flag, _)| flag.long == long).map(|(_, value)| value.as_str())
    }

    /// The last value of a flag of a group.
    pub fn outer_text(&self, long: &str) -> Option<&str> {
        let mut values = self.outer.iter().rev();
        values.find(|(flag, _)| flag.long == long).map(|(_, value)| value.as_str())
    }

    /// All values of a flag of a group.
    pub fn outer_list(&self, long: &str) -> Vec<&str> {
        let values = self.outer.iter().filter(|(flag, _)| flag.long == long);
        values.map(|(_, value)| value.as_str()).collect()
    }

    /// The last value that is not empty.
    pub fn nonempty(&self, long: &str) -> Option<&str> {
        self.text(long).filter(|text| !text.is_empty())
    }

    /// All values typed.
    pub fn list(&self, long: &str) -> Vec<&str> {
        debug_assert!(self.command.all_flags().any(|flag| flag.long == long), "--{long}");
        let values = self.values.iter().filter(|(flag, _)| flag.long == long);
        values.map(|(_, value)| value.as_str()).collect()
    }

    /// A number; the parser has already seen that it is one.
    pub fn integer(&self, long: &str) -> Option<i64> {
        self.text(long).and_then(|text| text.parse().ok())
    }

    /// Operand by position.
    pub fn operand(&self, index: usize) -> &str {
        self.operands.get(index).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests;
