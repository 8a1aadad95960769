//! What was typed becomes [`Matches`], by pflag's rules and with its messages.

use super::suggest::nearest;
use super::{Action, Arity, Command, Flag, Kind, Matches, Order};

/// Why the line was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// No such flag.
    #[error("unknown flag: --{name}")]
    UnknownFlag {
        /// As typed.
        name: String,
        /// One that looks like it.
        near: Option<String>,
    },
    /// No such letter.
    #[error("unknown shorthand flag: '{letter}' in {word}")]
    UnknownLetter {
        /// The letter.
        letter: char,
        /// The word it stands in.
        word: String,
    },
    /// It takes a value and has none.
    #[error("flag needs an argument: {0}")]
    NeedsValue(String),
    /// `--=x`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// No boolean, or no number.
    #[error("invalid argument {value:?} for \"{flag}\" flag: {wanted}")]
    Value {
        /// As typed.
        value: String,
        /// The flag.
        flag: String,
        /// What it should be.
        wanted: String,
    },
    /// No such command.
    #[error("unknown command: {path} {word}")]
    UnknownCommand {
        /// What stands before it.
        path: String,
        /// As typed.
        word: String,
        /// One that looks like it.
        near: Option<String>,
    },
    /// Too few or too many operands.
    #[error("'{path}' {wanted}")]
    Operands {
        /// The command.
        path: String,
        /// `requires at least 1 argument`
        wanted: String,
    },
}

/// What the line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// To run a command.
    Run(Matches),
    /// To explain one.
    Help(&'static Command, String),
}

/// A line that failed, with the command it failed in.
#[derive(Debug)]
pub struct Failed {
    /// The innermost command recognised.
    pub command: &'static Command,
    /// Its words.
    pub path: String,
    /// Why.
    pub error: UsageError,
}

/// Flags that every command understands.
pub const GLOBAL: &[Flag] = &[
    Flag::text("root", "dir", "Keep everything of this instance beneath DIR (or set TEU_ROOT)"),
    Flag::switch("debug", "Show the home, the exit code and how long it took").short('D'),
];

/// Parses the words behind the program's name.
pub fn parse(root: &'static Command, words: &[String]) -> Result<Parsed, Failed> {
    let mut parser = Parser {
        command: root,
        path: root.name.to_owned(),
        values: Vec::new(),
        operands: Vec::new(),
        outer: Vec::new(),
        help: false,
    };
    match parser.run(words) {
        Err(error) => Err(Failed { command: parser.command, path: parser.path, error }),
        Ok(()) if parser.help => Ok(Parsed::Help(parser.command, parser.path)),
        Ok(()) => match (parser.command.action, parser.operands.first()) {
            (Action::Group(_), _) => Ok(Parsed::Help(parser.command, parser.path)),
            (Action::Run(_), _) => Ok(Parsed::Run(Matches {
                command: parser.command,
                path: parser.path,
                values: parser.values,
                operands: parser.operands,
                outer: parser.outer,
            })),
        },
    }
}

struct Parser {
    command: &'static Command,
    path: String,
    values: Vec<(&'static Flag, String)>,
    operands: Vec<String>,
    outer: Vec<(&'static Flag, String)>,
    help: bool,
}

impl Parser {
    fn run(&mut self, words: &[String]) -> Result<(), UsageError> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                self.operands.extend(rest.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                self.long(long, &mut rest)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.letters(word, &mut rest)?;
            } else if let Action::Group(commands) = self.command.action {
                self.descend(commands, word)?;
            } else {
                self.operands.push(word.clone());
                if self.command.order == Order::FlagsFirst {
                    self.operands.extend(rest.by_ref().cloned());
                }
            }
            if self.help {
                return Ok(());
            }
        }
        match self.command.action {
            Action::Run(_) => self.check_operands(),
            Action::Group(_) => Ok(()),
        }
    }

    fn descend(
        &mut self,
        commands: &'static [&'static Command],
        word: &str,
    ) -> Result<(), UsageError> {
        if word == "help" {
            self.help = true;
            return Ok(());
        }
        let Some(command) = commands.iter().find(|command| command.is_called(word)) else {
            let names = commands.iter().flat_map(|c| c.aliases.iter().copied().chain([c.name]));
            return Err(UsageError::UnknownCommand {
                path: self.path.clone(),
                word: word.to_owned(),
                near: nearest(word, names).map(str::to_owned),
            });
        };
        // What was typed so far belongs to the group, whatever the command calls its own flags.
        let own = |(flag, _): &(&'static Flag, String)| {
            !GLOBAL.iter().any(|global| global.long == flag.long)
        };
        self.outer.extend(self.values.extract_if(.., |value| own(value)));
        self.command = command;
        self.path.push(' ');
        self.path.push_str(command.name);
        Ok(())
    }

    fn long<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), UsageError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(UsageError::Syntax(format!("--{word}")));
        }
        if name == "help" {
            self.help = true;
            return Ok(());
        }
        let Some(flag) = self.flags().find(|flag| flag.long == name) else {
            let names = self.flags().filter(|flag| !flag.hidden).map(|flag| flag.long);
            return Err(UsageError::UnknownFlag {
                name: name.to_owned(),
                near: nearest(name, names).map(str::to_owned),
            });
        };
        let value = match (flag.kind, value) {
            (_, Some(value)) => value,
            (Kind::Switch, None) => "true".to_owned(),
            (Kind::Optional(_, implied), None) => implied.to_owned(),
            (_, None) => match rest.next() {
                Some(value) => value.clone(),
                None => return Err(UsageError::NeedsValue(format!("--{name}"))),
            },
        };
        self.put(flag, value)
    }

    fn letters<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), UsageError> {
        for (at, letter) in word[1..].char_indices() {
            let behind = &word[1 + at + letter.len_utf8()..];
            let Some(flag) = self.flags().find(|flag| flag.short == Some(letter)) else {
                if letter == 'h' {
                    self.help = true;
                    return Ok(());
                }
                return Err(UsageError::UnknownLetter { letter, word: word.to_owned() });
            };
            if let Some(value) = behind.strip_prefix('=') {
                return self.put(flag, value.to_owned());
            }
            match flag.kind {
                Kind::Switch => self.put(flag, "true".to_owned())?,
                Kind::Optional(_, implied) => self.put(flag, implied.to_owned())?,
                _ if !behind.is_empty() => return self.put(flag, behind.to_owned()),
                _ => match rest.next() {
                    Some(value) => return self.put(flag, value.clone()),
                    None => {
                        return Err(UsageError::NeedsValue(format!("'{letter}' in {word}")));
                    }
                },
            }
        }
        Ok(())
    }

    fn put(&mut self, flag: &'static Flag, value: String) -> Result<(), UsageError> {
        let wrong =
            |wanted: String| UsageError::Value { value: value.clone(), flag: flag.title(), wanted };
        let value = match flag.kind {
            Kind::Switch => match value.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => "true".to_owned(),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => "false".to_owned(),
                _ => {
                    return Err(wrong(format!(
                        "strconv.ParseBool: parsing {value:?}: invalid syntax"
                    )));
                }
            },
            Kind::Integer => match value.parse::<i64>() {
                Ok(number) => number.to_string(),
                Err(_) => {
                    return Err(wrong(format!(
                        "strconv.ParseInt: parsing {value:?}: invalid syntax"
                    )));
                }
            },
            _ => value,
        };
        self.values.push((flag, value));
        Ok(())
    }

    fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.command.all_flags().chain(GLOBAL.iter())
    }

    fn check_operands(&self) -> Result<(), UsageError> {
        let count = self.operands.len();
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        let wanted = match self.command.arity {
            Arity::Exactly(0) if count > 0 => "accepts no arguments".to_owned(),
            Arity::Exactly(n) if count != n => format!("requires {n} {}", plural(n)),
            Arity::AtLeast(n) if count < n => format!("requires at least {n} {}", plural(n)),
            Arity::AtMost(n) if count > n => format!("requires at most {n} {}", plural(n)),
            Arity::Between(low, high) if !(low..=high).contains(&count) => {
                format!("requires at least {low} and at most {high} {}", plural(high))
            }
            _ => return Ok(()),
        };
        Err(UsageError::Operands { path: self.path.clone(), wanted })
    }
}
