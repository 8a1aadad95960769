//! `teu inspect`: everything about any object, as JSON or through a template.

use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::parse;
use crate::template::Mode;
use serde_json::Value;

mod omitted;

/// Flags of every `inspect`.
pub const INSPECT_FLAGS: &[Flag] =
    &[Flag::text("format", "string", "'json' or a Go TEMPLATE").short('f')];

/// The command.
pub const INSPECT: Command = Command {
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    arity: Arity::AtLeast(1),
    flags: &[
        INSPECT_FLAGS,
        &[
            Flag::switch("size", "Display total file sizes if the type is container").short('s'),
            Flag::text("type", "string", "Only inspect objects of the given type")
                .completes(Completes::Words(&["container", "image", "network", "pod", "volume"])),
        ],
        super::remote::PLACE_FLAGS,
        crate::registry::REGISTRY_FLAGS,
    ],
    operands: Completes::Containers,
    examples: &[
        ("teu inspect -f '{{.State.Status}}' web", "one field"),
        ("teu inspect -f '{{json .NetworkSettings.Networks}}' web", "a part as JSON"),
        ("teu inspect docker://localhost:5000/app", "an image in a registry"),
        ("teu inspect --type image debian", "an image, not a container of that name"),
    ],
    ..Command::new("inspect", "Return low-level information on Docker objects", run)
};

/// A kind of object: its name, and how one is looked up (`None` when there is none).
pub type Kind = (&'static str, fn(&Context, &str, bool) -> Result<Option<Value>>);

const KINDS: &[Kind] = &[
    ("container", super::container::look_up),
    ("image", super::image::look_up),
    ("network", super::network::look_up),
    ("volume", super::volume::look_up),
    ("pod", super::pod::look_up),
];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    if let [only] = &matches.operands[..]
        && super::remote::is_place(only)
    {
        return super::remote::inspect(ctx, matches);
    }
    let wanted = matches.nonempty("type");
    let kinds: Vec<Kind> = match wanted {
        None => KINDS.to_vec(),
        Some(wanted) => KINDS.iter().filter(|(name, _)| *name == wanted).copied().collect(),
    };
    if let (Some(wanted), true) = (wanted, kinds.is_empty()) {
        return Err(Failure::new(format!("{wanted:?} is not a valid value for --type"))
            .hint("container, image, network, pod or volume"));
    }
    show(ctx, matches, &kinds, matches.switch("size"))
}

/// Prints the operands as the kinds find them.
pub fn show(ctx: &Context, matches: &Matches, kinds: &[Kind], size: bool) -> Result<u8> {
    let template = match matches.nonempty("format") {
        None | Some("json") => None,
        Some(format) => Some(parse(format)?),
    };
    let mut found = Vec::new();
    let mut failed = false;
    for name in &matches.operands {
        match first(ctx, kinds, name, size) {
            Ok(value) => found.push(value),
            Err(failure) => {
                complain(&failure.message);
                failed = true;
            }
        }
    }
    match template {
        None if matches.nonempty("format") == Some("json") => {
            for (_, value) in &found {
                ctx.line(&value.to_string())?;
            }
        }
        None => {
            let values = found.into_iter().map(|(_, value)| value).collect();
            ctx.print(&pretty(&Value::Array(values))?)?;
        }
        Some(template) => {
            for (kind, value) in found {
                let text = template
                    .render(&omitted::filled(kind, value), None, Mode::Data)
                    .map_err(|error| Failure::new(format!("template parsing error: {error}")))?;
                ctx.line(&text)?;
            }
        }
    }
    match failed {
        true => Err(Failure::silent(1)),
        false => Ok(0),
    }
}

/// Indented by four, as Docker's.
pub fn pretty(value: &Value) -> Result<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(value, &mut serializer)?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes)?)
}

fn first(ctx: &Context, kinds: &[Kind], name: &str, size: bool) -> Result<(&'static str, Value)> {
    for (kind, look_up) in kinds {
        if let Some(value) = look_up(ctx, name, size)? {
            return Ok((kind, value));
        }
    }
    let what = match kinds {
        [(kind, _)] => format!("No such {kind}"),
        _ => "No such object".to_owned(),
    };
    Err(Failure::new(format!("{what}: {name}")))
}
