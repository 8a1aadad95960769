//! Lists of a strategic merge patch: by key, as sets of scalars, or replaced; and their order.

use super::super::{PatchError, go, printed};
use super::{DIRECTIVE, cleaned, cleaned_items, merge_fields};
use serde_json::Value;
use std::mem::discriminant;
use teu_kubernetes::{PatchRule, Schema};

/// How one list is merged.
pub(super) struct Merge<'a> {
    pub(super) rule: &'a PatchRule,
    pub(super) item: Option<&'a Schema>,
    pub(super) is_delete_list: bool,
}

impl Merge<'_> {
    /// Merges a patch's list into the live one.
    pub(super) fn lists(
        &self,
        original: Vec<Value>,
        patch: Vec<Value>,
    ) -> Result<Vec<Value>, PatchError> {
        // Deletions from a list are the same whatever else its field says.
        if self.is_delete_list {
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
        }
        if !self.rule.merge {
            return Ok(cleaned_items(patch));
        }
        if original.is_empty() && patch.is_empty() {
            return Ok(original);
        }
        check_alike(&original, &patch)?;
        let of_objects = original.iter().chain(&patch).any(Value::is_object);
        if !of_objects {
            let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
            for item in original.iter().chain(&patch) {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            return self.in_order(merged, &patch, &original);
        }
        let key = self.rule.merge_key.as_deref().ok_or(PatchError::NoKeyForList)?;
        let (original, patch) = obey_directives(original, patch, key)?;
        let merged = self.by_key(original.clone(), patch.clone(), key)?;
        self.in_order(merged, &patch, &original)
    }

    fn by_key(
        &self,
        mut merged: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
    ) -> Result<Vec<Value>, PatchError> {
        for change in patch {
            let wanted = key_of(&change, key)?.clone();
            let found = merged.iter().position(|item| item.get(key) == Some(&wanted));
            match (found.map(|at| (at, merged[at].take())), change) {
                (Some((at, Value::Object(present))), Value::Object(change)) => {
                    merged[at] = Value::Object(merge_fields(present, change, self.item)?);
                }
                (_, change) => merged.push(cleaned(change)),
            }
        }
        Ok(merged)
    }

    /// Puts a merged list in order: items that `order` names as it says, the others where the live
    /// list has them between those.
    pub(super) fn in_order(
        &self,
        merged: Vec<Value>,
        order: &[Value],
        live: &[Value],
    ) -> Result<Vec<Value>, PatchError> {
        let key = self.rule.merge_key.as_deref();
        let of_objects = merged.iter().any(Value::is_object);
        let rank = |list: &[Value], item: &Value| match key {
            Some(key) if of_objects => list.iter().position(|it| it.get(key) == item.get(key)),
            _ => list.iter().position(|it| it == item),
        };
        if let (true, Some(key)) = (of_objects, key) {
            for item in merged.iter().chain(order) {
                key_of(item, key)?;
            }
        }
        let (mut named, mut others): (Vec<_>, Vec<_>) =
            merged.into_iter().partition(|item| rank(order, item).is_some());
        named.sort_by_key(|item| rank(order, item));
        others.sort_by_key(|item| rank(live, item).unwrap_or(usize::MAX));
        let mut all = Vec::with_capacity(named.len() + others.len());
        let mut others = others.into_iter().peekable();
        for item in named {
            let place = rank(live, &item);
            while let Some(other) = others.peek() {
                let before =
                    matches!((rank(live, other), place), (Some(one), Some(two)) if one < two);
                if !before {
                    break;
                }
                all.extend(others.next());
            }
            all.push(item);
        }
        all.extend(others);
        Ok(all)
    }

    /// The patch's list has to be in the order that `$setElementOrder` declares, and to name nothing
    /// that it does not.
    pub(super) fn check_order(&self, patch: &[Value], order: &[Value]) -> Result<(), PatchError> {
        if patch.is_empty() || order.is_empty() {
            return Ok(());
        }
        let mut rest = order.iter();
        for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
            let mut found = false;
            for declared in rest.by_ref() {
                found = match self.rule.merge_key.as_deref() {
                    Some(key) => key_of(item, key)? == key_of(declared, key)?,
                    None => item == declared,
                };
                if found {
                    break;
                }
            }
            if !found {
                return Err(PatchError::OrderMismatch {
                    patch: printed(&Value::Array(patch.to_vec())),
                    order: printed(&Value::Array(order.to_vec())),
                });
            }
        }
        Ok(())
    }
}

/// Takes the items that are directives out of a patch's list, and does what they say.
fn obey_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let gone = key_of(&item, key)?;
                original.retain(|present| present.get(key) != Some(gone));
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(PatchError::MergeInList),
            _ => {
                return Err(PatchError::Directive {
                    directive: printed(directive),
                    map: printed(&item),
                });
            }
        }
    }
    Ok(if replace { (cleaned_items(plain), Vec::new()) } else { (original, plain) })
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, PatchError> {
    let Value::Object(fields) = item else {
        return Err(PatchError::BadType {
            expected: "map[string]interface {}",
            actual: go::kind(item),
            value: printed(item),
        });
    };
    fields
        .get(key)
        .ok_or_else(|| PatchError::NoMergeKey { map: printed(item), key: key.to_owned() })
}

/// All items of both lists are of one kind, and not lists.
fn check_alike(original: &[Value], patch: &[Value]) -> Result<(), PatchError> {
    let mut items = original.iter().chain(patch);
    let Some(first) = items.next() else { return Ok(()) };
    if first.is_array() {
        return Err(PatchError::ListOfLists);
    }
    if items.all(|item| discriminant(item) == discriminant(first)) {
        return Ok(());
    }
    let both = Value::Array(vec![original.into(), patch.into()]);
    Err(PatchError::MixedList(printed(&both)))
}
