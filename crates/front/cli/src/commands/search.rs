//! `teu search`: repositories of a registry by name. Docker Hub's search where a registry has it,
//! else the catalog.

use super::{FILTER, FORMAT, NO_TRUNC, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::registry::{Choices, client};
use crate::text::ellipsis;
use serde::Deserialize;
use teu_images::remote::{Purpose, Repository};
use teu_oci::Reference;

/// The command.
pub const SEARCH: Command = Command {
    usage: "[OPTIONS] [REGISTRY/]TERM",
    arity: Arity::Exactly(1),
    flags: &[
        &[
            FILTER,
            FORMAT,
            Flag::integer("limit", "Max number of search results (default 25)"),
            NO_TRUNC,
        ],
        crate::registry::REGISTRY_FLAGS,
    ],
    examples: &[("teu search localhost:5000/app", "repositories with app in their name")],
    ..Command::new("search", "Search a registry for images", run)
};

const HEADS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
];
/// Characters of a description.
const DESCRIPTION: usize = 45;
const LIMIT: usize = 25;

#[derive(Deserialize, Default)]
struct Answer {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let (registry, term) = split(matches.operand(0));
    let limit = match matches.nonempty("limit").map(str::parse).transpose()? {
        None | Some(0) => LIMIT,
        Some(limit) => limit,
    };
    let client = client(&Choices::of(matches, "")?)?;
    // The repository is only there to have a registry.
    let name: Reference = format!("{registry}/search").parse()?;
    let repository = client.repository(&name, Purpose::Write)?;
    let mut found = results(&repository, &registry, &term, limit)?;
    for (key, value) in filters(matches)? {
        match key.as_str() {
            "stars" => {
                let least: u64 = value.parse()?;
                found.retain(|one| one.star_count >= least);
            }
            "is-official" => {
                let wanted = crate::options::boolean(&value);
                let wanted = wanted
                    .ok_or_else(|| Failure::new(format!("invalid filter 'is-official={value}'")))?;
                found.retain(|one| one.is_official == wanted);
            }
            "is-automated" => {}
            other => return Err(Failure::new(format!("invalid filter '{other}'"))),
        }
    }
    found.truncate(limit);
    let whole = matches.switch("no-trunc");
    let rows = found.iter().map(|one| row(one, whole)).collect();
    let shown = ["Name", "Description", "StarCount", "IsOfficial"];
    let listing = Listing { heads: HEADS, shown: &shown, quiet: "Name", rows };
    ctx.list(&listing, Style { format: matches.nonempty("format"), whole, ..Style::default() })?;
    Ok(0)
}

fn split(text: &str) -> (String, String) {
    match text.split_once('/') {
        Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => {
            (host.to_owned(), rest.to_owned())
        }
        _ => ("docker.io".to_owned(), text.to_owned()),
    }
}

fn results(
    repository: &Repository,
    registry: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<Found>> {
    if let Some(bytes) = repository.search(term, limit)? {
        return Ok(serde_json::from_slice::<Answer>(&bytes)?.results);
    }
    let names = repository.catalog()?.into_iter().filter(|name| name.contains(term));
    let found = names.map(|name| Found {
        name: format!("{registry}/{name}"),
        description: None,
        star_count: 0,
        is_official: false,
    });
    Ok(found.collect())
}

fn row(one: &Found, whole: bool) -> Row {
    let text = one.description.clone().unwrap_or_default().replace(['\n', '\r'], " ");
    let text = if whole { text } else { ellipsis(&text, DESCRIPTION) };
    Row::new()
        .field("Name", one.name.as_str())
        .field("Description", text)
        .field("StarCount", one.star_count.to_string())
        .field("IsOfficial", if one.is_official { "[OK]" } else { "" })
        .field("IsAutomated", "")
}
