//! What lists print: tables, JSON lines, templates.
//!
//! A [`Listing`] is rows of named fields. By default it is a table of some of them; `--format` makes
//! it `json` (an object a line), `table TEMPLATE` or `TEMPLATE` (Go's, see [`crate::template`]).
//! Cells come from strangers and are made plain; on a terminal the widest cells give way so that a
//! row stays a line, elsewhere nothing is cut.

use crate::failure::{Failure, Result};
use crate::template::{Mode, Template};
use crate::text::{columns, ellipsis, plain, plain_lines};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Spaces between two columns.
const GAP: usize = 3;
/// Narrowest column, as Docker's tab writer has it.
const COLUMN_MIN: usize = 10;
/// What a cell is never cut below on a terminal.
const CELL_MIN: usize = 12;

/// One row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    fields: Map<String, Value>,
    labels: BTreeMap<String, String>,
}

impl Row {
    /// An empty row.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// With labels: a field `Labels`, and `.Label "key"` for templates.
    #[must_use]
    pub fn labels(mut self, labels: &BTreeMap<String, String>) -> Self {
        let text: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        labels.clone_into(&mut self.labels);
        self.field("Labels", text.join(","))
    }

    fn cell(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some(Value::String(text)) => plain(text).into_owned(),
            Some(Value::Null) | None => String::new(),
            Some(other) => plain(&other.to_string()).into_owned(),
        }
    }
}

/// Rows with a way to show them.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Every field with its head.
    pub heads: &'a [(&'a str, &'a str)],
    /// The fields of the default table.
    pub shown: &'a [&'a str],
    /// The field that `--quiet` leaves.
    pub quiet: &'a str,
    /// The rows.
    pub rows: Vec<Row>,
}

/// How it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style<'a> {
    /// `--format`.
    pub format: Option<&'a str>,
    /// `--quiet`.
    pub quiet: bool,
    /// `--no-trunc`: no cell gives way.
    pub whole: bool,
    /// Columns of the terminal, where there is one.
    pub width: Option<usize>,
}

impl Listing<'_> {
    /// The whole text.
    pub fn render(&self, style: Style<'_>) -> Result<String> {
        let text = match style.format.map(str::trim_start) {
            None | Some("" | "table") if style.quiet => self.column(),
            None | Some("" | "table") => self.table(self.shown, style),
            Some("json" | "{{json .}}") => self.json(),
            Some(format) => match format.strip_prefix("table") {
                Some(template) if template.starts_with([' ', '\t', '\\', '{']) => {
                    self.templated_table(template.trim_start(), style)?
                }
                _ => self.templated(format)?,
            },
        };
        Ok(match style.width {
            Some(_) => plain_lines(&text).into_owned(),
            None => text,
        })
    }

    fn column(&self) -> String {
        self.rows.iter().map(|row| row.cell(self.quiet) + "\n").collect()
    }

    fn table(&self, shown: &[&str], style: Style<'_>) -> String {
        let head = |name: &&str| {
            let head = self.heads.iter().find(|(field, _)| field == name);
            head.map_or_else(|| name.to_uppercase(), |(_, head)| (*head).to_owned())
        };
        let mut rows: Vec<Vec<String>> = vec![shown.iter().map(head).collect()];
        for row in &self.rows {
            rows.push(shown.iter().map(|name| row.cell(name)).collect());
        }
        if let (Some(width), false) = (style.width, style.whole) {
            fit(&mut rows, width);
        }
        align(&rows)
    }

    fn json(&self) -> String {
        let lines = self.rows.iter().map(|row| Value::Object(row.fields.clone()).to_string());
        lines.map(|line| line + "\n").collect()
    }

    fn templated(&self, format: &str) -> Result<String> {
        let template = parse(format)?;
        let mut out = String::new();
        for row in &self.rows {
            out.push_str(&render(&template, row, Mode::Data)?);
            out.push('\n');
        }
        Ok(out)
    }

    fn templated_table(&self, format: &str, style: Style<'_>) -> Result<String> {
        let template = parse(format)?;
        let mut head = Row::new();
        for (field, title) in self.heads {
            head = head.field(field, *title);
        }
        let mut rows = Vec::with_capacity(self.rows.len() + 1);
        let cells = |text: String| -> Vec<String> {
            text.split('\t').map(|cell| plain(cell).into_owned()).collect()
        };
        rows.push(cells(render(&template, &head, Mode::Header)?));
        for row in &self.rows {
            for line in render(&template, row, Mode::Data)?.split('\n') {
                rows.push(cells(line.to_owned()));
            }
        }
        if let (Some(width), false) = (style.width, style.whole) {
            fit(&mut rows, width);
        }
        Ok(align(&rows))
    }
}

/// Parses a template whose `\t` and `\n` a shell has left alone.
pub fn parse(format: &str) -> Result<Template> {
    let source = format.replace("\\t", "\t").replace("\\n", "\n");
    Template::parse(&source).map_err(|error| {
        Failure::new(format!("template parsing error: {error}"))
            .hint("--format takes json, table TEMPLATE, or a Go template such as '{{.ID}}'")
    })
}

fn render(template: &Template, row: &Row, mode: Mode) -> Result<String> {
    let data = Value::Object(row.fields.clone());
    template.render(&data, Some(&row.labels), mode).map_err(|error| {
        let names: Vec<String> = row.fields.keys().map(|name| format!(".{name}")).collect();
        Failure::new(format!("template parsing error: {error}"))
            .hint(format!("the fields here are {}", names.join(" ")))
    })
}

/// Lines up cells; the last of a row is not padded.
pub fn align(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().take(row.len().saturating_sub(1)).enumerate() {
            if widths.len() <= index {
                widths.push(COLUMN_MIN);
            }
            widths[index] = widths[index].max(columns(cell) + GAP);
        }
    }
    let mut out = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if index + 1 < row.len() {
                out.extend(std::iter::repeat_n(' ', widths[index] - columns(cell)));
            }
        }
        out.push('\n');
    }
    out
}

/// Cuts the widest columns, one character at a time in effect, until a row fits the terminal. The
/// first column (the id) is left alone.
fn fit(rows: &mut [Vec<String>], width: usize) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; count];
    for row in rows.iter() {
        for (index, cell) in row.iter().enumerate() {
            widths[index] = widths[index].max(columns(cell));
        }
    }
    let padded = |widths: &[usize]| -> usize {
        let last = widths.last().copied().unwrap_or(0);
        let others = &widths[..widths.len().saturating_sub(1)];
        others.iter().map(|width| (width + GAP).max(COLUMN_MIN)).sum::<usize>() + last
    };
    while padded(&widths) > width {
        let widest = (1..count).filter(|&i| widths[i] > CELL_MIN).max_by_key(|&i| widths[i]);
        let Some(widest) = widest else { break };
        widths[widest] -= 1;
    }
    for row in rows {
        for (cell, &limit) in row.iter_mut().zip(&widths) {
            if columns(cell) > limit {
                *cell = ellipsis(cell, limit);
            }
        }
    }
}

#[cfg(test)]
mod tests;
