//! All commands. One file each; what they share is here.

use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};

pub mod attach;
pub mod auto_update;
pub mod build;
pub mod builder;
pub mod commit;
pub mod completion;
pub mod compose;
pub mod container;
pub mod copy;
pub mod cp;
pub mod create;
pub mod diff;
pub mod doctor;
pub mod engine;
pub mod events;
pub mod exec;
pub mod exists;
pub mod export;
pub mod generate;
pub mod history;
pub mod image;
pub mod images;
pub mod import;
pub mod info;
pub mod inspect;
pub mod kill;
pub mod kube;
pub mod lazy;
pub mod load;
pub mod login;
pub mod logs;
pub mod network;
pub mod object;
pub mod pause;
pub mod pod;
pub mod port;
pub mod ps;
pub mod pull;
pub mod push;
pub mod referrers;
pub mod registry;
pub mod remote;
pub mod rename;
pub mod restart;
pub mod rm;
pub mod rmi;
pub mod run;
pub mod runtime;
pub mod save;
pub mod search;
pub mod server;
pub mod start;
pub mod stats;
pub mod stop;
pub mod sync;
pub mod system;
pub mod tag;
pub mod top;
pub mod update;
pub mod version;
pub mod volume;
pub mod wait;

/// The top.
pub static ROOT: Command = Command {
    usage: "[OPTIONS] COMMAND",
    ..Command::group("teu", "Containers, images and pods on this machine, without a daemon", ALL)
};

/// Every command of the top, in the order of completion.
pub const ALL: &[&Command] = &[
    &run::RUN,
    &exec::EXEC,
    &ps::PS,
    &build::BUILD,
    &images::IMAGES,
    &load::LOAD,
    &pull::PULL,
    &push::PUSH,
    &login::LOGIN,
    &login::LOGOUT,
    &search::SEARCH,
    &version::VERSION,
    &info::INFO,
    &builder::BUILDER,
    &compose::COMPOSE,
    &container::CONTAINER,
    &image::IMAGE,
    &network::NETWORK,
    &pod::POD,
    &system::SYSTEM,
    &volume::VOLUME,
    &attach::ATTACH,
    &auto_update::AUTO_UPDATE,
    &commit::COMMIT,
    &copy::COPY,
    &remote::LIST_TAGS,
    &remote::DELETE,
    &remote::MANIFEST,
    &sync::SYNC,
    &cp::CP,
    &create::CREATE,
    &diff::DIFF,
    &doctor::DOCTOR,
    &engine::ENGINE,
    &events::EVENTS,
    &export::EXPORT,
    &generate::GENERATE,
    &history::HISTORY,
    &import::IMPORT,
    &inspect::INSPECT,
    &kill::KILL,
    &kube::KUBE,
    &logs::LOGS,
    &pause::PAUSE,
    &port::PORT,
    &registry::REGISTRY,
    &rename::RENAME,
    &restart::RESTART,
    &rm::RM,
    &rmi::RMI,
    &save::SAVE,
    &server::SERVER,
    &start::START,
    &stats::STATS,
    &stop::STOP,
    &tag::TAG,
    &top::TOP,
    &object::UNDO,
    &pause::UNPAUSE,
    &update::UPDATE,
    &wait::WAIT,
    &completion::COMPLETION,
    &completion::COMPLETE,
    &build::WORKER,
    &lazy::LAZY,
    &runtime::RUNTIME,
];

/// The overview's groups.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "Common Commands",
        &[
            "run", "exec", "ps", "build", "pull", "push", "images", "load", "login", "logout",
            "search", "version", "info",
        ],
    ),
    (
        "Management Commands",
        &[
            "builder",
            "compose",
            "container",
            "generate",
            "image",
            "kube",
            "manifest",
            "network",
            "pod",
            "system",
            "volume",
        ],
    ),
    (
        "Commands",
        &[
            "attach",
            "auto-update",
            "commit",
            "copy",
            "cp",
            "delete",
            "list-tags",
            "sync",
            "create",
            "diff",
            "doctor",
            "engine",
            "events",
            "export",
            "history",
            "import",
            "inspect",
            "kill",
            "logs",
            "pause",
            "port",
            "registry",
            "rename",
            "restart",
            "rm",
            "rmi",
            "save",
            "server",
            "start",
            "stats",
            "stop",
            "tag",
            "top",
            "undo",
            "unpause",
            "update",
            "wait",
            "completion",
            "runtime",
        ],
    ),
];

/// `--format` of lists.
pub const FORMAT: Flag = Flag::text(
    "format",
    "string",
    "Format output: 'table', 'table TEMPLATE', 'json', or a Go TEMPLATE",
);
/// `--quiet` of lists.
pub const QUIET: Flag = Flag::switch("quiet", "Only display IDs").short('q');
/// `--no-trunc` of lists.
pub const NO_TRUNC: Flag = Flag::switch("no-trunc", "Don't truncate output");
/// `--filter` of lists.
pub const FILTER: Flag =
    Flag::list("filter", "Filter output based on conditions provided (key=value)").short('f');

/// Does something to each operand, goes on after a failure, and fails at the end if any did. Prints
/// what the action gives.
pub fn each(
    ctx: &Context,
    names: &[String],
    mut act: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<u8> {
    let mut failed = None;
    for name in names {
        match act(name) {
            Ok(Some(line)) => ctx.line(&line)?,
            Ok(None) => {}
            Err(failure) if failure.broken_pipe => return Err(failure),
            Err(failure) => {
                complain(&failure.message);
                if let Some(hint) = failure.hint {
                    hinted(&hint);
                }
                failed = Some(failure.code);
            }
        }
    }
    match failed {
        Some(_) => Err(Failure::silent(1)),
        None => Ok(0),
    }
}

fn hinted(hint: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "hint: {}", crate::text::plain_lines(hint));
}

/// `--filter` as pairs.
pub fn filters(matches: &Matches) -> Result<Vec<(String, String)>> {
    Ok(crate::options::lists::filters(&matches.list("filter"))?)
}

/// Asks before something is removed; yes without a terminal is an explicit `--force`.
pub fn confirm(question: &str) -> Result<bool> {
    use std::io::Write as _;
    let mut err = std::io::stderr();
    let _ = write!(err, "WARNING! {question}\nAre you sure you want to continue? [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
