//! A configuration laid over an object. Lists by keys and sets keep what only the object has; the
//! order of what both have is the configuration's.

use super::super::element::Element;
use super::{Atom, atom_of, element_of, field_of, is_bare};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use teu_kubernetes::{ListKind, Schema};

/// Merges.
pub(crate) fn merge(live: &Value, applied: &Value, schema: &Schema) -> Value {
    both(live, applied, schema)
}

fn both(live: &Value, applied: &Value, schema: &Schema) -> Value {
    let atom = atom_of(schema, Some(applied));
    if atom.is_atomic() || is_bare(Some(live)) && is_bare(Some(applied)) {
        return applied.clone();
    }
    match (atom, live, applied) {
        (Atom::List(item, kind), Value::Array(old), Value::Array(new)) => {
            Value::Array(lists(old, new, item, kind))
        }
        (Atom::Map(schema, _), Value::Object(old), Value::Object(new)) => {
            Value::Object(maps(old, new, |_| schema))
        }
        (Atom::Struct(shape), Value::Object(old), Value::Object(new)) => {
            Value::Object(maps(old, new, |name| field_of(shape, name)))
        }
        // An empty or absent configuration of something with parts says nothing of them.
        (Atom::List(..) | Atom::Map(..) | Atom::Struct(_), live, Value::Null) => live.clone(),
        (_, _, applied) => applied.clone(),
    }
}

fn maps<'a>(
    live: &Map<String, Value>,
    applied: &Map<String, Value>,
    schema_of: impl Fn(&str) -> &'a Schema,
) -> Map<String, Value> {
    let mut merged = Map::new();
    for (name, value) in live {
        let value = match applied.get(name) {
            Some(new) => both(value, new, schema_of(name)),
            None => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    for (name, value) in applied.iter().filter(|(name, _)| !live.contains_key(*name)) {
        merged.insert(name.clone(), value.clone());
    }
    merged
}

/// Interleaves two lists: each item once, those of the configuration in its order, those that only
/// the object has after what they came after.
fn lists(live: &[Value], applied: &[Value], item: &Schema, kind: &ListKind) -> Vec<Value> {
    let keyed = |items: &'_ [Value]| -> Vec<(Element, usize)> {
        let element = |(at, value)| Some((element_of(item, kind, at, value).ok()?, at));
        items.iter().enumerate().filter_map(element).collect()
    };
    let (old, new) = (keyed(live), keyed(applied));
    let new_at: BTreeMap<&Element, usize> = new.iter().map(|(it, at)| (it, *at)).collect();
    // Nothing for one that is there more than once: the configuration replaces all of them.
    let mut old_at: BTreeMap<&Element, Option<usize>> = BTreeMap::new();
    for (element, at) in &old {
        old_at.entry(element).and_modify(|it| *it = None).or_insert(Some(*at));
    }
    let merged = |element: &Element| {
        let new = new_at.get(element).and_then(|at| applied.get(*at));
        let old = old_at.get(element).and_then(|at| live.get((*at)?));
        match (old, new) {
            (Some(old), Some(new)) => Some(both(old, new, item)),
            (one, other) => other.or(one).cloned(),
        }
    };
    let mut shared = new.iter().map(|(it, _)| it).filter(|it| old_at.contains_key(it));
    let mut next_shared = shared.next();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::with_capacity(old.len().max(new.len()));
    let (mut left, mut right) = (0, 0);
    while left < old.len() || right < new.len() {
        let (mine, theirs) = (old.get(left), new.get(right).map(|(it, _)| it));
        if let Some((element, at)) = mine {
            let is_shared = new_at.contains_key(element);
            if theirs.is_some() && theirs != Some(element) {
                // One of both, but not the next one in the configuration's order.
                if is_shared && next_shared.is_some() && next_shared != Some(element) {
                    left += 1;
                    continue;
                }
            }
            if !is_shared {
                out.extend(live.get(*at).cloned());
                left += 1;
                continue;
            }
            if theirs == Some(element) || done.contains(element) {
                left += 1;
            }
        }
        if let Some(element) = theirs {
            out.extend(merged(element));
            done.insert(element);
            right += 1;
            if next_shared == Some(element) {
                next_shared = shared.next();
            }
        }
    }
    out
}
