//! `teu images`: what can be run.

use super::{FILTER, FORMAT, NO_TRUNC, QUIET, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::short_id;
use crate::time;
use crate::units::human_size;
use teu_images::Image;
use teu_oci::{Digest, Reference};

/// The command.
pub const IMAGES: Command = Command {
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    arity: Arity::AtMost(1),
    flags: &[&[
        Flag::switch("all", "Show all images (there are no hidden ones)").short('a'),
        Flag::switch("digests", "Show digests"),
        FILTER,
        FORMAT,
        NO_TRUNC,
        QUIET,
    ]],
    operands: Completes::Images,
    examples: &[("teu images --filter dangling=true -q", "what teu image prune would remove")],
    ..Command::new("images", "List images", run)
};

/// `image ls`.
pub const LS: Command = Command { name: "ls", aliases: &["list"], ..IMAGES };

const HEADS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let filter = Filter::read(ctx, matches)?;
    let mut images = ctx.images()?.list()?;
    images.retain(|image| filter.keeps(image));
    let published = ctx.images()?.published()?;
    let (whole, quiet) = (matches.switch("no-trunc"), matches.switch("quiet"));
    let now = time::now_ns();
    let mut rows = Vec::new();
    let mut seen = Vec::new();
    for image in &images {
        if quiet && seen.contains(&&image.id) {
            continue;
        }
        seen.push(&image.id);
        let names: Vec<&Reference> =
            image.names.iter().filter(|name| filter.keeps_name(name)).collect();
        if image.names.is_empty() || quiet {
            rows.push(row(image, None, whole, now));
        } else {
            rows.extend(names.into_iter().map(|name| {
                // Only what a registry has can be pulled by its digest.
                let digest = published.digest(name).map_or("<none>", Digest::as_str);
                row(image, Some(name), whole, now).field("Digest", digest)
            }));
        }
    }
    let mut shown = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
    if matches.switch("digests") {
        shown.insert(2, "Digest");
    }
    let listing = Listing { heads: HEADS, shown: &shown, quiet: "ID", rows };
    let format = matches.nonempty("format");
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

fn row(image: &Image, name: Option<&Reference>, whole: bool, now_ns: i64) -> Row {
    let id = if whole { image.id.as_str() } else { short_id(image.id.as_str()) };
    let none = || "<none>".to_owned();
    let created = image.created.as_deref().and_then(time::parse);
    Row::new()
        .field("Containers", "N/A")
        .field("CreatedAt", created.map_or_else(|| "N/A".to_owned(), time::listed))
        .field("CreatedSince", created.map_or_else(|| "N/A".to_owned(), |ns| time::ago(ns, now_ns)))
        .field("Digest", "<none>")
        .field("ID", id)
        .field("Repository", name.map_or_else(none, Reference::familiar_name))
        .field("SharedSize", "N/A")
        .field("Size", human_size(image.size_bytes, 3))
        .field("Tag", name.and_then(|name| name.tag.clone()).unwrap_or_else(none))
        .field("UniqueSize", "N/A")
}

/// Which images.
#[derive(Debug, Default)]
struct Filter {
    dangling: Option<bool>,
    labels: Vec<(String, Option<String>)>,
    before_ns: Option<i64>,
    since_ns: Option<i64>,
    patterns: Vec<String>,
}

impl Filter {
    fn read(ctx: &Context, matches: &Matches) -> Result<Self> {
        let mut filter = Self::default();
        let now = time::now_ns();
        let created = |name: &str| -> Result<Option<i64>> {
            let image = super::tag::find(ctx, name)?;
            Ok(image.created.as_deref().and_then(time::parse))
        };
        for (key, value) in filters(matches)? {
            match key.as_str() {
                "dangling" => {
                    let flag = crate::options::boolean(&value);
                    filter.dangling = Some(flag.ok_or_else(|| {
                        Failure::new(format!("invalid filter 'dangling={value}'"))
                    })?);
                }
                "label" => filter.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value, None),
                }),
                "before" => filter.before_ns = created(&value)?,
                "since" => filter.since_ns = created(&value)?,
                "until" => filter.before_ns = Some(time::instant(&value, now)?),
                "reference" => filter.patterns.push(value),
                other => {
                    return Err(Failure::new(format!("invalid filter '{other}'"))
                        .hint("dangling, label, before, since, until and reference are known"));
                }
            }
        }
        if let Some(name) = matches.operands.first() {
            filter.patterns.push(name.clone());
        }
        Ok(filter)
    }

    fn keeps(&self, image: &Image) -> bool {
        let created = image.created.as_deref().and_then(time::parse).unwrap_or(0);
        let labels = &image.config.config.labels;
        self.dangling.is_none_or(|dangling| dangling == image.names.is_empty())
            && self.before_ns.is_none_or(|before| created < before)
            && self.since_ns.is_none_or(|since| created > since)
            && self.labels.iter().all(|(key, value)| {
                labels
                    .get(key)
                    .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            })
            && (self.patterns.is_empty() || image.names.iter().any(|name| self.keeps_name(name)))
    }

    fn keeps_name(&self, name: &Reference) -> bool {
        self.patterns.is_empty()
            || self.patterns.iter().any(|pattern| {
                let tagged = name.familiar();
                glob(pattern, &tagged)
                    || glob(pattern, &name.familiar_name())
                    || glob(pattern, &name.to_string())
                    || glob(pattern, &name.name())
            })
    }
}

/// `*` and `?` do not cross a slash, as Go's path.Match.
fn glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => {
            let ends =
                text.char_indices().take_while(|(_, c)| *c != '/').map(|(i, c)| i + c.len_utf8());
            std::iter::once(0).chain(ends).any(|end| glob(rest, &text[end..]))
        }
        _ => match text.chars().next() {
            Some(c) if c == first || (first == '?' && c != '/') => {
                glob(rest, &text[c.len_utf8()..])
            }
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("busy*", "busybox", true),
            ("busy*", "busybox:latest", true),
            ("*", "a/b", false),
            ("*/b", "a/b", true),
            ("b?x", "box", true),
            ("box", "boxes", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
