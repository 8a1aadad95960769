//! `cargo xtask kubernetes`: writes the table of built-in types anew.
//!
//! Facts come from three places, none of which is copied: the OpenAPI definitions (which types and
//! fields there are, how lists merge), Go's structs (numbers in protobuf, which fields are pointers,
//! defaults), and `extra.txt` for what neither has yet. How to fetch them: `docs/design/kubernetes.md`.

mod definitions;
mod go;
mod table;

use anyhow::{Context, Result, bail};
use std::path::Path;

const EXTRA: &str = include_str!("kubernetes/extra.txt");
const TABLE: &str = "crates/spec/kubernetes/src/types/table.txt";
const USAGE: &str = "usage: cargo xtask kubernetes DEFINITIONS.json GO_SOURCE_DIR";

/// Reads the sources and writes the table; says which fields have no number.
pub fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let [definitions, sources] = arguments else { bail!("{USAGE}") };
    let text = std::fs::read_to_string(definitions)
        .with_context(|| format!("cannot read {definitions}"))?;
    let mut types = definitions::read(&serde_json::from_str(&text)?)?;
    let structs = go::read(Path::new(sources))?;
    let mut missing = go::complete(&mut types, &structs);
    let amended = table::amend(&mut types, EXTRA)?;
    missing.retain(|field| !amended.contains(field));
    let path = root.join(TABLE);
    std::fs::write(&path, table::print(&types))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} types to {TABLE}", types.len());
    for field in &missing {
        println!("no number: {field}");
    }
    Ok(())
}
