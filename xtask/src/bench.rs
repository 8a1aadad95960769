//! Comparisons with the incumbents, in one run.

use anyhow::Result;
use std::path::Path;

/// Runs the named cases, or all.
pub fn run(_root: &Path, _cases: &[&str]) -> Result<()> {
    anyhow::bail!("in progress")
}
