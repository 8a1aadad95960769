//! All built-in kinds: each has rules, and they agree with what is said of it elsewhere.

use super::{find, rules};
use teu_kubernetes::resources;

#[test]
fn every_stored_kind_has_rules() {
    let missing: Vec<String> = resources()
        .iter()
        .filter(|one| !one.storage().is_empty())
        .filter(|one| find(&one.group, &one.version, &one.kind).is_none())
        .map(teu_kubernetes::Resource::qualified)
        .filter(|name| !name.starts_with("customresourcedefinitions"))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn status_is_apart_where_it_is_served_apart() {
    for one in resources().iter().filter(|one| !one.storage().is_empty()) {
        let served = one.subresources.iter().any(|below| below.name == "status");
        if find(&one.group, &one.version, &one.kind).is_some() {
            let rules = rules(&one.group, &one.version, &one.kind);
            assert_eq!(rules.has_status(), served, "{}", one.qualified());
        }
    }
}

#[test]
fn cells_are_as_many_as_columns() {
    for one in resources() {
        let rules = rules(&one.group, &one.version, &one.kind);
        let empty = serde_json::json!({"metadata": {"name": "a"}});
        assert_eq!(rules.cells(&empty, 0).len(), rules.columns().len(), "{}", one.kind);
    }
}
