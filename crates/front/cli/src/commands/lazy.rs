//! Lazy pulls: the process that serves an image while it comes, and how the other commands start it.
//!
//! It is this program again, in a session of its own, and says one line on its standard output before
//! it lets go of it: that the image can be used, or why not. It ends when the image is whole and no
//! container uses its mount any more. Credentials of the command line go by its environment, which
//! nobody else can read.

use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use teu_images::Lazily;
use teu_oci::{Platform, Reference};

/// `lazy`, started by other commands.
pub const LAZY: Command = Command {
    usage: "NAME",
    arity: Arity::Exactly(1),
    flags: &[&[Flag::text("platform", "string", "Platform of the image")], REGISTRY_FLAGS],
    examples: &[("teu lazy localhost:5000/app:1", "what teu pull --lazy starts")],
    ..Command::new("lazy", "Serve an image while it is pulled", serve)
};

const CREDENTIALS: &str = "TEU_LAZY_CREDENTIALS";
/// Characters of the line.
const LINE_LIMIT: usize = 4000;

/// What the process said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The image can be used; the digest of what its name leads to.
    Ready(String),
    /// It can only be pulled as usual.
    Not(String),
}

/// Starts the process for an image, and waits until the image can be used.
pub fn start(
    ctx: &Context,
    name: &Reference,
    platform: &Platform,
    choices: &Choices,
) -> Result<Started> {
    let mut command = std::process::Command::new("/proc/self/exe");
    if *ctx.home() != teu_containers::Home::system() {
        command.arg("--root").arg(&ctx.home().data);
    }
    command.args(["lazy", "--platform", &platform.to_string()]);
    if let Some(verify) = choices.verify {
        command.arg(format!("--tls-verify={verify}"));
    }
    if let Some(folder) = &choices.certificates {
        command.arg("--cert-dir").arg(folder);
    }
    if let Some(credentials) = &choices.credentials {
        command.env(CREDENTIALS, credentials);
    }
    command.arg(name.to_string()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().doing(|| "start the process for a lazy pull".to_owned())?;
    let out = child.stdout.take().ok_or_else(|| Failure::new("a lazy pull has no output"))?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let line = line.trim_end();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        // It lives on, and is nobody's child once this command has ended.
        "ready" => Ok(Started::Ready(rest.to_owned())),
        "not" => Ok(Started::Not(rest.to_owned())),
        "error" => Err(Failure::new(rest)),
        _ => Err(Failure::new("the process for a lazy pull has ended without a word")),
    }
}

/// Says the line, and lets go of standard output: whoever reads it to its end waits for nothing.
fn say(word: &str, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_control()).take(LINE_LIMIT).collect();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{word} {text}").and_then(|()| out.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

fn serve(ctx: &Context, matches: &Matches) -> Result<u8> {
    // The terminal's signals are not for it. One that leads a session already may stay.
    let _ = rustix::process::setsid();
    match begun(ctx, matches) {
        Ok(Lazily::Here(descriptor)) => say("ready", descriptor.digest.as_str()),
        Ok(Lazily::Not(reason)) => say("not", &reason),
        Ok(Lazily::Serving(serving)) => {
            let digest = serving.descriptor.digest.clone();
            let mut is_ready = false;
            let outcome = serving.run(|| {
                is_ready = true;
                say("ready", digest.as_str());
            });
            match outcome {
                // No FUSE, an old kernel: nobody uses it yet.
                Err(error) if !is_ready => say("not", &error.to_string()),
                outcome => outcome?,
            }
        }
        Err(failure) => {
            say("error", &failure.message);
            return Err(failure);
        }
    }
    Ok(0)
}

fn begun(ctx: &Context, matches: &Matches) -> Result<Lazily> {
    let name: Reference = matches.operand(0).parse()?;
    let platform = match matches.nonempty("platform") {
        Some(text) => text.parse()?,
        None => Platform::host(),
    };
    let mut choices = Choices::of(matches, "")?;
    choices.credentials = std::env::var(CREDENTIALS).ok().or(choices.credentials);
    Ok(Lazily::begin(ctx.images()?, &client(&choices)?, &name, &platform)?)
}
