//! The table's lines: printed from facts, and read back for what is kept by hand.
//!
//! `= TYPE [atomic|any|KIND]` begins a type; `NAME NUMBERS SHAPE [FLAG…]` is a field. The reader of
//! the product is `crates/spec/kubernetes/src/types/line.rs`.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Types by name.
pub type Types = BTreeMap<String, Type>;

/// A type's facts.
#[derive(Debug, Default)]
pub struct Type {
    /// `atomic`, or what stands for a type without fields.
    pub flags: Vec<String>,
    /// Fields by name.
    pub fields: BTreeMap<String, Field>,
}

/// A field's facts.
#[derive(Debug, Default, Clone)]
pub struct Field {
    /// Numbers in protobuf, from the outermost message that JSON leaves out; empty for none.
    pub numbers: Vec<u16>,
    /// `string`, `[]@io.k8s…`.
    pub shape: String,
    /// Everything else, as printed.
    pub flags: Vec<String>,
}

/// The whole table.
pub fn print(types: &Types) -> String {
    let mut out =
        String::from("# Written by `cargo xtask kubernetes`; see docs/design/kubernetes.md.\n");
    for (name, made) in types {
        let _ = write!(out, "= {name}");
        for flag in &made.flags {
            let _ = write!(out, " {flag}");
        }
        out.push('\n');
        for (field, facts) in &made.fields {
            let numbers: Vec<String> = facts.numbers.iter().map(u16::to_string).collect();
            let numbers = if numbers.is_empty() { "0".to_owned() } else { numbers.join(".") };
            let _ = write!(out, "{field} {numbers} {}", facts.shape);
            for flag in &facts.flags {
                let _ = write!(out, " {flag}");
            }
            out.push('\n');
        }
    }
    out
}

/// Adds what is kept by hand: whole types, or a field's numbers and flags (`-` for a known shape).
/// Answers the fields that it spoke of.
pub fn amend(types: &mut Types, text: &str) -> Result<Vec<String>> {
    let mut current = None;
    let mut seen = Vec::new();
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut words = line.split(' ').map(str::to_owned);
        let first = words.next().unwrap_or_default();
        if first == "=" {
            let name = words.next().context("a type without a name")?;
            let made = types.entry(name.clone()).or_default();
            let flags: Vec<String> = words.collect();
            if !flags.is_empty() {
                made.flags = flags;
            }
            current = Some(name);
            continue;
        }
        let (Some(name), Some(numbers), Some(shape)) = (&current, words.next(), words.next())
        else {
            bail!("extra.txt: cannot read '{line}'")
        };
        let numbers: Vec<u16> = numbers.split('.').filter_map(|part| part.parse().ok()).collect();
        let field = types.entry(name.clone()).or_default().fields.entry(first.clone()).or_default();
        field.numbers = numbers.into_iter().filter(|number| *number > 0).collect();
        if shape != "-" {
            field.shape = shape;
        }
        field.flags.extend(words);
        if field.shape.is_empty() {
            bail!("extra.txt: {name}.{first} is not in the definitions and has no shape");
        }
        seen.push(format!("{name}.{first}"));
    }
    Ok(seen)
}
