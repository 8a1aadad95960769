//! Files on top of each other. Compose spec, "Merge and override".
//!
//! Works on canonical trees, so there is one form of everything: mappings merge key by key, lists are
//! appended and entries that are the same replaced, scalars give way. `!reset` takes away what was
//! there, `!override` replaces it.

use crate::node::{Map, Mark, Node, Value};
use crate::schema::{Field, Kind, Merge, Object, Unique};
use std::collections::HashMap;

/// `over` on top of `base`; both are of this kind.
pub fn merge(base: Node, over: Node, object: &'static Object) -> Node {
    merged(base, over, &Kind::Object(object), Merge::Auto, Unique::No)
}

/// What `!reset` leaves of a tree by itself, and lists without doubles.
pub fn settle(node: Node, object: &'static Object) -> Node {
    let at = node.at.clone();
    let empty = Node::empty_map(&at);
    merge(empty, node, object)
}

fn merged(base: Node, over: Node, kind: &Kind, how: Merge, unique: Unique) -> Node {
    let replaces = over.mark == Mark::Override || how == Merge::Replace;
    if replaces || other_driver(&base, &over, how) {
        return settled(over, kind, unique);
    }
    let kind = settled_kind(kind);
    let (at, mark) = (over.at.clone(), Mark::None);
    match (base.value, over.value) {
        (Value::Map(base), Value::Map(over)) => {
            Node { value: Value::Map(maps(base, over, kind)), at, mark }
        }
        (Value::List(mut base), Value::List(over)) => {
            base.extend(over);
            Node { value: Value::List(distinct(base, unique)), at, mark }
        }
        (_, value) => settled(Node { value, at, mark }, kind, unique),
    }
}

/// A value alone: nested resets go, entries of lists that are the same become one.
fn settled(node: Node, kind: &Kind, unique: Unique) -> Node {
    let kind = settled_kind(kind);
    let value = match node.value {
        Value::Map(over) => Value::Map(maps(Map::new(), over, kind)),
        Value::List(list) => Value::List(distinct(list, unique)),
        other => other,
    };
    Node { value, at: node.at, mark: Mark::None }
}

fn settled_kind(kind: &Kind) -> &Kind {
    match kind {
        Kind::Short(_, inner) => settled_kind(inner),
        kind => kind,
    }
}

fn other_driver(base: &Node, over: &Node, how: Merge) -> bool {
    let (base, over) = (base.get_text("driver"), over.get_text("driver"));
    how == Merge::SameDriver && base.is_some() && over.is_some() && base != over
}

fn maps(mut base: Map, over: Map, kind: &Kind) -> Map {
    let any = Field { name: "", kind: Kind::Any, merge: Merge::Auto, unique: Unique::No };
    for (key, value) in over {
        if value.mark == Mark::Reset {
            base.shift_remove(&key);
            continue;
        }
        let field = match kind {
            Kind::Object(object) => object.field(&key).copied().unwrap_or(any),
            Kind::Map(inner, _) => Field { kind: **inner, ..any },
            _ => any,
        };
        let value = match base.get(&key) {
            Some(_) if key.starts_with("x-") => value,
            // An attachment without settings says nothing against one that has some.
            Some(before) if value.is_null() && value.mark == Mark::None => before.clone(),
            Some(before) => merged(before.clone(), value, &field.kind, field.merge, field.unique),
            None => settled(value, &field.kind, field.unique),
        };
        base.insert(key, value);
    }
    match kind {
        Kind::Object(object) => in_order(base, object),
        Kind::Map(..) | Kind::Pairs(_) => {
            base.sort_keys();
            base
        }
        _ => base,
    }
}

/// Fields in the table's order, `x-…` behind them.
fn in_order(mut map: Map, object: &'static Object) -> Map {
    let mut out = Map::with_capacity(map.len());
    for field in object.fields {
        if let Some((key, value)) = map.shift_remove_entry(field.name) {
            out.insert(key, value);
        }
    }
    map.sort_keys();
    out.extend(map);
    out
}

/// Entries that are the same: the later one, at the place of the first.
fn distinct(list: Vec<Node>, unique: Unique) -> Vec<Node> {
    if unique == Unique::No {
        return list;
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut out: Vec<Node> = Vec::with_capacity(list.len());
    for item in list {
        let key = identity(&item, unique);
        match key.as_ref().and_then(|key| places.get(key)) {
            Some(&place) => out[place] = item,
            None => {
                if let Some(key) = key {
                    places.insert(key, out.len());
                }
                out.push(item);
            }
        }
    }
    out
}

fn identity(node: &Node, unique: Unique) -> Option<String> {
    let field = |name: &str| node.get(name).and_then(Node::scalar);
    match unique {
        Unique::No => None,
        Unique::Whole => node.scalar(),
        Unique::Field(name) => field(name),
        Unique::Port => {
            let host = field("host_ip").unwrap_or_else(|| "0.0.0.0".to_owned());
            let published = field("published").unwrap_or_default();
            let protocol = field("protocol").unwrap_or_else(|| "tcp".to_owned());
            Some(format!("{host}:{published}:{}/{protocol}", field("target")?))
        }
        Unique::Granted(directory) => {
            let source = field("source")?;
            Some(field("target").unwrap_or_else(|| format!("{directory}/{source}")))
        }
    }
}

#[cfg(test)]
mod tests;
