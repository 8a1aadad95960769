//! `teu version`.

use super::FORMAT;
use super::inspect::pretty;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::parse;
use crate::template::Mode;
use serde_json::{Value, json};

/// The command.
pub const VERSION: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[Flag { short: Some('f'), ..FORMAT }]],
    examples: &[("teu version --format '{{.Client.Version}}'", "for scripts")],
    ..Command::new("version", "Show the version of Teu and of the system below it", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let value = document();
    match matches.nonempty("format") {
        None => {
            let text = |key: &str| value["Client"][key].as_str().unwrap_or_default().to_owned();
            ctx.print(&format!(
                "Teu\n Version:     {}\n OS/Arch:     {}\n Kernel:      {}\n OCI runtime: {}\n OCI image:   {}\n",
                text("Version"),
                format_args!("{}/{}", text("Os"), text("Arch")),
                text("KernelVersion"),
                text("RuntimeSpec"),
                text("ImageSpec"),
            ))?;
        }
        Some("json") => ctx.line(&value.to_string())?,
        Some("pretty") => ctx.print(&pretty(&value)?)?,
        Some(format) => {
            let text = parse(format)?.render(&value, None, Mode::Data);
            let text =
                text.map_err(|error| Failure::new(format!("template parsing error: {error}")))?;
            ctx.line(&text)?;
        }
    }
    Ok(0)
}

/// There is one program; scripts that ask for `.Client` or `.Server` get the same answer.
fn document() -> Value {
    let platform = teu_oci::Platform::host();
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let part = json!({
        "Platform": { "Name": "Teu" },
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": "",
        "Os": platform.os,
        "Arch": platform.architecture,
        "KernelVersion": kernel,
        "RuntimeSpec": "1.2.0",
        "ImageSpec": "1.1.0",
    });
    json!({ "Client": part, "Server": part })
}
