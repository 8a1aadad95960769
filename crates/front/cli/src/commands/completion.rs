//! `teu completion SHELL`: scripts that ask the hidden `teu __complete` what fits; so the tables of
//! [`crate::flags`] and the state on disk answer, and no script knows a flag.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Action, Arity, Command, Completes, Flag, Kind, Matches, Order};
use teu_containers::list::ListOptions;
use teu_containers::state::Status;

/// The command.
pub const COMPLETION: Command = Command {
    usage: "bash|zsh|fish",
    arity: Arity::Exactly(1),
    operands: Completes::Words(&["bash", "fish", "zsh"]),
    examples: &[
        ("teu completion bash > /etc/bash_completion.d/teu", ""),
        ("teu completion fish > ~/.config/fish/completions/teu.fish", ""),
    ],
    ..Command::new("completion", "Generate the autocompletion script for a shell", completion)
};

/// What the scripts call: words typed so far, the last one unfinished.
pub const COMPLETE: Command = Command {
    usage: "WORD...",
    arity: Arity::AtLeast(0),
    order: Order::FlagsFirst,
    ..Command::new("__complete", "Complete a command line", complete)
};

const BASH: &str = r#"# bash completion for teu
_teu() {
    local cur words IFS=$'\n'
    words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=($(teu __complete -- "${words[@]}" 2>/dev/null | cut -f1))
    if [ "${COMPREPLY[0]}" = ":files" ]; then
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        compopt -o filenames
    fi
}
complete -F _teu teu
"#;

const ZSH: &str = r#"#compdef teu
_teu() {
    local -a found
    local line
    while IFS= read -r line; do
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done < <(teu __complete -- "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)
    if [[ "${found[1]}" == '\:files'* ]]; then
        _files
    else
        _describe 'teu' found
    fi
}
compdef _teu teu
"#;

const FISH: &str = r#"# fish completion for teu
function __teu_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (teu __complete -- $words[2..] 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c teu -f -a '(__teu_complete)'
"#;

fn completion(ctx: &Context, matches: &Matches) -> Result<u8> {
    let script = match matches.operand(0) {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        other => {
            return Err(
                Failure::new(format!("no completion for {other:?}")).hint("bash, zsh or fish")
            );
        }
    };
    ctx.print(script)?;
    Ok(0)
}

/// What fits at the end of a line.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    /// These words, with what they mean.
    Words(Vec<(String, String)>),
    /// Names of a kind.
    Names(Completes),
}

fn complete(ctx: &Context, matches: &Matches) -> Result<u8> {
    let (last, before) = match matches.operands.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", &[][..]),
    };
    let offers = match offer(&super::ROOT, before, last) {
        Offer::Words(words) => words,
        Offer::Names(Completes::Files) => vec![(":files".to_owned(), String::new())],
        Offer::Names(kind) => {
            // A shell must never see an error here.
            let names = names(ctx, kind).unwrap_or_default();
            names.into_iter().map(|name| (name, String::new())).collect()
        }
    };
    let typed = last.split_once('=').filter(|_| last.starts_with("--")).map_or(last, |(_, v)| v);
    let mut out = String::new();
    for (word, about) in offers {
        if word == ":files" || word.starts_with(typed) {
            out.push_str(&format!("{word}\t{about}\n"));
        }
    }
    ctx.print(&out)?;
    Ok(0)
}

fn offer(root: &'static Command, before: &[String], last: &str) -> Offer {
    let mut command = root;
    let mut words = before.iter();
    let mut operands = 0;
    let mut open: Option<&'static Flag> = None;
    while let Some(word) = words.next() {
        if let Some(flag) = flag(command, word) {
            if takes_value(flag) && !word.contains('=') && words.next().is_none() {
                open = Some(flag);
            }
        } else if !word.starts_with('-') {
            match command.action {
                Action::Group(commands) => {
                    match commands.iter().find(|command| command.is_called(word)) {
                        Some(found) => command = found,
                        None => return Offer::Words(Vec::new()),
                    }
                }
                Action::Run(_) => operands += 1,
            }
        }
    }
    if let Some(flag) = open {
        return value(flag);
    }
    if let Some((name, _)) = last.split_once('=').filter(|_| last.starts_with("--")) {
        return flag(command, name).map_or(Offer::Words(Vec::new()), value);
    }
    let flags_end = command.order == Order::FlagsFirst && operands > 0;
    if last.starts_with('-') && !flags_end {
        let shown = command.all_flags().filter(|flag| !flag.hidden);
        let flags = shown.map(|flag| (format!("--{}", flag.long), flag.help.to_owned()));
        return Offer::Words(flags.collect());
    }
    match command.action {
        Action::Group(commands) => {
            let shown = commands.iter().filter(|command| !command.name.starts_with('_'));
            Offer::Words(shown.map(|c| (c.name.to_owned(), c.about.to_owned())).collect())
        }
        Action::Run(_) if flags_end => Offer::Names(Completes::Files),
        Action::Run(_) => match command.operands {
            Completes::Words(words) => words_of(words),
            kind => Offer::Names(kind),
        },
    }
}

fn flag(command: &'static Command, word: &str) -> Option<&'static Flag> {
    let all = || command.all_flags().chain(crate::flags::parse::GLOBAL.iter());
    match word.strip_prefix("--") {
        Some(long) => {
            let long = long.split('=').next().unwrap_or(long);
            all().find(|flag| flag.long == long)
        }
        // Of `-it` the last letter may take a value.
        None => {
            let letter = word.strip_prefix('-')?.chars().last()?;
            all().find(|flag| flag.short == Some(letter))
        }
    }
}

fn takes_value(flag: &Flag) -> bool {
    !matches!(flag.kind, Kind::Switch | Kind::Optional(..))
}

fn value(flag: &'static Flag) -> Offer {
    match flag.completes {
        Completes::Words(words) => words_of(words),
        kind => Offer::Names(kind),
    }
}

fn words_of(words: &[&str]) -> Offer {
    Offer::Words(words.iter().map(|word| ((*word).to_owned(), String::new())).collect())
}

fn names(ctx: &Context, kind: Completes) -> Result<Vec<String>> {
    let containers = |keep: fn(Status) -> bool| -> Result<Vec<String>> {
        let options = ListOptions { all: true, ..ListOptions::default() };
        let all = ctx.containers()?.list(&options)?;
        Ok(all.into_iter().filter(|c| keep(c.state.status)).map(|c| c.name).collect())
    };
    let runs = |status| matches!(status, Status::Running | Status::Paused | Status::Restarting);
    Ok(match kind {
        Completes::Containers => containers(|_| true)?,
        Completes::Running => containers(runs)?,
        Completes::Stopped => containers(|status| {
            !matches!(status, Status::Running | Status::Paused | Status::Restarting)
        })?,
        Completes::Images => {
            let images = ctx.images()?.list()?;
            images.iter().flat_map(|image| image.names.iter().map(|name| name.familiar())).collect()
        }
        Completes::Networks => {
            ctx.networks()?.list()?.into_iter().map(|network| network.name).collect()
        }
        Completes::Volumes => {
            let volumes = ctx.containers()?.volumes().list()?;
            volumes.iter().map(|volume| volume.name().to_owned()).collect()
        }
        Completes::Pods => {
            ctx.containers()?.list_pods(&[])?.into_iter().map(|pod| pod.name).collect()
        }
        Completes::Nothing | Completes::Files | Completes::Words(_) => Vec::new(),
    })
}

#[cfg(test)]
mod tests;
