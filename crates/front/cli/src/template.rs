//! Go's text/template, as far as `--format` needs it, over JSON.
//!
//! Actions, pipelines, variables, `if`/`else if`/`with`/`range` (with `else`, `break`, `continue`),
//! white-space trimming, comments, comparisons, and Docker's functions (`json`, `join`, `table` …).
//! Not there: `define`, `template`, `block`, methods (except `.Label "key"` of a row), complex
//! numbers. A template is a person's own text, its data are not: values are printed, never parsed.
//!
//! Reading order: [`syntax`] makes a tree, [`evaluate`] walks it, [`functions`] is its vocabulary.
//! Every error names line and column. Depth and output are bounded.

use serde_json::Value;
use std::collections::BTreeMap;

mod evaluate;
mod functions;
mod lexer;
mod number;
mod syntax;

/// Why a template did not work.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("template: :{line}:{column}: {message}")]
pub struct TemplateError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Which function table is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The real one.
    Data,
    /// For the header of a `table`: Docker's functions give their argument back.
    Header,
}

/// A template that parsed.
#[derive(Debug)]
pub struct Template {
    source: String,
    nodes: Vec<syntax::Node>,
}

impl Template {
    /// Parses.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let nodes = syntax::parse(source)?;
        Ok(Self { source: source.to_owned(), nodes })
    }

    /// Prints it over data; `labels` answers `.Label "key"`.
    pub fn render(
        &self,
        data: &Value,
        labels: Option<&BTreeMap<String, String>>,
        mode: Mode,
    ) -> Result<String, TemplateError> {
        evaluate::render(&self.source, &self.nodes, data, labels, mode)
    }
}

/// Line and column of a byte offset.
fn error_at(source: &str, offset: usize, message: impl Into<String>) -> TemplateError {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    TemplateError { line, column, message: message.into() }
}

#[cfg(test)]
mod tests;
