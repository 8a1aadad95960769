//! The rules of definitions themselves.

use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use teu_api::crd::{check, check_update, fill};
use teu_api::kinds::meta::{self, Place};
use teu_api::kinds::name;
use teu_api::row::keep_untouchable;
use teu_api::{Cause, Column, Rules, Target};

/// Definitions: what `teu_api::crd` says of them, over the columns of whatever the kind has otherwise.
pub struct Definitions(pub Arc<dyn Rules>);

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Definitions")
    }
}

impl Rules for Definitions {
    fn default(&self, object: &mut Value) {
        fill(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, target: Target<'_>) -> bool {
        keep_untouchable(true, object, old, target);
        if target != Target::Object {
            meta::keep_for_part(object, old);
        }
        target == Target::Object && object.get("spec") != old.get("spec")
    }

    fn validate_create(&self, object: &Value) -> Vec<Cause> {
        let mut causes = meta::faults(object, Place::Cluster, name::subdomain_name);
        causes.extend(check(object));
        causes
    }

    fn validate_update(&self, object: &Value, old: &Value, target: Target<'_>) -> Vec<Cause> {
        let mut causes = meta::change_faults(object, old);
        if target == Target::Object {
            causes.extend(check_update(object, old));
        }
        causes
    }

    fn selectable(&self) -> &[&'static str] {
        self.0.selectable()
    }

    fn field<'a>(&self, object: &'a Value, field: &str) -> Option<Cow<'a, str>> {
        self.0.field(object, field)
    }

    fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    fn cells(&self, object: &Value, now: i64) -> Vec<Value> {
        self.0.cells(object, now)
    }

    fn has_status(&self) -> bool {
        true
    }
}
