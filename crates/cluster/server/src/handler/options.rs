//! What a write's query says of how it is meant (`CreateOptions` and its like).

use crate::api::WriteOptions;
use crate::request::Query;
use http::Method;
use teu_api::decode::Strictness;
use teu_api::{Cause, Status};

/// Bytes of the name of a field manager.
const MAX_MANAGER_BYTES: usize = 128;

/// What is wrong with the name of a field manager.
fn manager_faults(name: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if name.len() > MAX_MANAGER_BYTES {
        causes.push(Cause::too_long("fieldManager", MAX_MANAGER_BYTES));
    }
    for (at, bad) in name.char_indices().filter(|(_, char)| char.is_control()) {
        let why = format!("invalid character U+{:04X} (at position {at})", u32::from(bad));
        causes.push(Cause::invalid("fieldManager", &name.into(), why));
    }
    causes
}

/// What a write's query says.
pub(super) fn write_options(
    method: &Method,
    query: &Query,
    agent: &str,
) -> Result<WriteOptions, Status> {
    let mut causes = manager_faults(query.text("fieldManager"));
    for word in query.all("dryRun").filter(|word| *word != "All") {
        causes.push(Cause::unsupported("dryRun", &word.into(), &["All"]));
    }
    let is_dry_run = query.find("dryRun").is_some();
    let word = query.text("fieldValidation");
    let validation = Strictness::parse(word);
    if validation.is_none() {
        let known = ["Ignore", "Strict", "Warn", ""];
        causes.push(Cause::unsupported("fieldValidation", &word.into(), &known));
    }
    let (true, Some(validation)) = (causes.is_empty(), validation) else {
        let kind = match *method {
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            _ => "CreateOptions",
        };
        return Err(Status::invalid("meta.k8s.io", kind, "", causes));
    };
    let manager = match query.text("fieldManager") {
        "" => agent.split('/').next().unwrap_or_default().chars().take(MAX_MANAGER_BYTES).collect(),
        manager => manager.to_owned(),
    };
    Ok(WriteOptions { is_dry_run, manager, is_forced: query.switch("force")?, validation })
}
