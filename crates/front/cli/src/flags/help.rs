//! The help of a command, from the tables: Docker's layout, folded to the terminal's width.

use super::parse::GLOBAL;
use super::{Action, Command, Flag, Kind};
use std::fmt::Write as _;

/// Narrowest width that is folded to.
const WIDTH_MIN: usize = 40;

/// `Usage:  teu run [OPTIONS] IMAGE …`
pub fn usage_line(command: &Command, path: &str) -> String {
    format!("Usage:  {path} {}", command.usage).trim_end().to_owned()
}

/// The whole page.
pub fn page(command: &Command, path: &str, width: usize) -> String {
    let mut out = format!("{}\n\n", usage_line(command, path));
    fold(&mut out, command.about, 0, width);
    if !command.aliases.is_empty() {
        let parent = path.rsplit_once(' ').map_or("", |(parent, _)| parent);
        let names = std::iter::once(command.name).chain(command.aliases.iter().copied());
        let names: Vec<String> = names.map(|name| format!("{parent} {name}")).collect();
        let _ = write!(out, "\nAliases:\n  {}\n", names.join(", "));
    }
    if !command.examples.is_empty() {
        out.push_str("\nExamples:\n");
        let longest = command.examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
        for (line, why) in command.examples {
            if why.is_empty() {
                let _ = writeln!(out, "  {line}");
            } else if longest + why.len() + 6 <= width.max(WIDTH_MIN) {
                let _ = writeln!(out, "  {line:longest$}  # {why}");
            } else {
                let _ = writeln!(out, "  # {why}\n  {line}");
            }
        }
    }
    if let Action::Group(commands) = command.action {
        out.push_str("\nCommands:\n");
        list(&mut out, commands.iter().copied(), width);
    }
    let flags: Vec<&Flag> = command.all_flags().filter(|flag| !flag.hidden).collect();
    options(&mut out, "Options", &flags, width);
    options(&mut out, "Global options", &GLOBAL.iter().collect::<Vec<_>>(), width);
    if matches!(command.action, Action::Group(_)) {
        let _ = write!(out, "\nRun '{path} COMMAND --help' for more information on a command.\n");
    }
    out
}

/// The first page: commands in groups.
pub fn overview(
    root: &Command,
    groups: &[(&str, &[&str])],
    commands: &[&'static Command],
    width: usize,
) -> String {
    let mut out = format!("{}\n\n{}\n", usage_line(root, root.name), root.about);
    for (title, names) in groups {
        let _ = write!(out, "\n{title}:\n");
        let named = |name: &&str| commands.iter().copied().find(|command| command.name == *name);
        list(&mut out, names.iter().filter_map(named), width);
    }
    options(&mut out, "Global options", &GLOBAL.iter().collect::<Vec<_>>(), width);
    out.push_str("\nRun 'teu COMMAND --help' for more information on a command.\n");
    out
}

fn list<'a>(out: &mut String, commands: impl Iterator<Item = &'a Command>, width: usize) {
    let commands: Vec<&Command> = commands.collect();
    let longest = commands.iter().map(|command| command.name.len()).max().unwrap_or(0);
    for command in commands {
        let _ = write!(out, "  {:longest$}  ", command.name);
        fold(out, command.about, longest + 4, width);
    }
}

fn options(out: &mut String, title: &str, flags: &[&Flag], width: usize) {
    if flags.is_empty() {
        return;
    }
    let mut sorted: Vec<&&Flag> = flags.iter().collect();
    sorted.sort_by_key(|flag| flag.long);
    let head = |flag: &Flag| {
        let short = flag.short.map_or_else(|| "    ".to_owned(), |s| format!("-{s}, "));
        match flag.kind {
            Kind::Switch | Kind::Optional(..) => format!("  {short}--{}", flag.long),
            Kind::Integer => format!("  {short}--{} int", flag.long),
            Kind::Text(what) | Kind::List(what) => format!("  {short}--{} {what}", flag.long),
        }
    };
    let longest = sorted.iter().map(|flag| head(flag).len()).max().unwrap_or(0);
    let _ = write!(out, "\n{title}:\n");
    for flag in sorted {
        let _ = write!(out, "{:longest$}   ", head(flag));
        fold(out, flag.help, longest + 3, width);
    }
}

/// Writes words in the column that begins at `indent`.
fn fold(out: &mut String, text: &str, indent: usize, width: usize) {
    let room = width.max(WIDTH_MIN).saturating_sub(indent).max(20);
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.len() > room {
            let _ = write!(out, "\n{:indent$}", "");
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.len();
    }
    out.push('\n');
}
