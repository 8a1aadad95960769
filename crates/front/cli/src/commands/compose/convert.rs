//! `teu compose convert`: the project as objects of another system.

use super::{failed, project};
use crate::context::{Context, warn};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_compose::convert::{ecs, kubernetes};
use teu_compose::yaml::emit;

/// The command.
pub const CONVERT: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::text("output", "string", "Save to file (default to stdout)")
            .short('o')
            .completes(Completes::Files),
        Flag::text("to", "string", "What to convert to (kubernetes|ecs)")
            .completes(Completes::Words(&["kubernetes", "ecs"])),
    ]],
    examples: &[("teu compose convert --to kubernetes -o shop.yaml", "for kubectl apply -f")],
    ..Command::new(
        "convert",
        "Convert the project to Kubernetes objects or an ECS task definition",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, true).map_err(failed)?;
    let (converted, yaml) = match matches.nonempty("to") {
        Some("kubernetes" | "k8s") => {
            (kubernetes::convert(&project, &|path| std::fs::read(path)), true)
        }
        Some("ecs") => (ecs::convert(&project), false),
        Some(other) => {
            return Err(
                Failure::new(format!("cannot convert to {other:?}")).hint("kubernetes or ecs")
            );
        }
        None => return Err(Failure::new("--to is needed").hint("kubernetes or ecs")),
    };
    converted.warnings.iter().for_each(|warning| warn(warning));
    let text = match yaml {
        true => converted.objects.iter().map(emit).collect::<Vec<_>>().join("---\n"),
        false => {
            let all = converted.objects.iter().map(serde_json::to_string_pretty);
            all.collect::<std::result::Result<Vec<_>, _>>()?.join("\n") + "\n"
        }
    };
    match matches.nonempty("output") {
        None | Some("-") => ctx.print(&text)?,
        Some(path) => std::fs::write(path, text).doing(|| format!("write {path}"))?,
    }
    Ok(0)
}
