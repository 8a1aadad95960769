//! An expression's tree before it is evaluated: bounded, without what the engine cannot do, and with
//! what it costs.

use super::{CelError, budget, optional};
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue,
    MapEntryExpr, MapExpr,
};
use std::collections::BTreeSet;

/// Levels of a tree; evaluation recurses.
const MAX_LEVELS: usize = 250;

/// Operators in one expression: a chain of them is a tree as deep, and the parser recurses on it.
const MAX_OPERATORS: usize = 400;

/// Questions (`a ? b : c`, `a.?b`) in one expression: the parser goes down a level with each.
const MAX_QUESTIONS: usize = 60;

const ADD: &str = "_+_";
const AND: &str = "_&&_";
const INDEX: &str = "_[_]";
const OPTIONAL_SELECT: &str = "_?._";
const OPTIONAL_INDEX: &str = "_[?_]";

/// Types that admission's mutations are made of; their names say nothing more once they are maps.
const TYPES: [&str; 2] = ["Object", "JSONPatch"];

/// Refuses brackets in brackets and chains beyond a limit, before anything recurses on them.
pub(super) fn check_nesting(text: &str, limit: usize) -> Result<(), CelError> {
    let (mut depth, mut operators, mut questions) = (0_usize, 0_usize, 0_usize);
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for letter in text.chars() {
        if let Some(end) = quote {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                letter if letter == end => quote = None,
                _ => {}
            }
            continue;
        }
        match letter {
            '"' | '\'' => quote = Some(letter),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => questions += 1,
            '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '&' | '|' | '.' => {
                operators += 1;
            }
            _ => {}
        }
        if depth > limit || operators > MAX_OPERATORS || questions > MAX_QUESTIONS {
            return Err(CelError::TooDeep);
        }
    }
    Ok(())
}

/// Makes a tree ready.
pub(super) fn prepare(mut tree: IdedExpr, variables: &[&str]) -> Result<IdedExpr, CelError> {
    let mut scope: BTreeSet<String> = variables.iter().map(|name| (*name).to_owned()).collect();
    walk(&mut tree, &mut scope, 0)?;
    Ok(tree)
}

fn walk(node: &mut IdedExpr, scope: &mut BTreeSet<String>, level: usize) -> Result<(), CelError> {
    if level > MAX_LEVELS {
        return Err(CelError::TooDeep);
    }
    let below = level + 1;
    match &mut node.expr {
        Expr::Unspecified => return Err(CelError::Compile("an empty expression".to_owned())),
        Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !scope.contains(name) && !is_type(name) {
                return Err(CelError::Compile(format!(
                    "ERROR: <input>: undeclared reference to '{name}' (in container '')"
                )));
            }
        }
        Expr::Select(select) => {
            walk(&mut select.operand, scope, below)?;
            // What is selected of something optional is optional.
            if !select.test && is_find(&select.operand) {
                let name = LiteralValue::String(select.field.clone().into());
                let key = IdedExpr { id: node.id, expr: Expr::Literal(name) };
                let args = vec![std::mem::take(&mut *select.operand), key];
                node.expr = call_of(optional::FIND, args);
            }
        }
        Expr::List(list) => {
            for item in &mut list.elements {
                walk(item, scope, below)?;
            }
        }
        Expr::Map(map) => entries(&mut map.entries, scope, below)?,
        Expr::Call(call) => {
            let is_namespace = call.target.as_ref().is_some_and(|it| is_function_space(it));
            if let (Some(target), false) = (&mut call.target, is_namespace) {
                walk(target, scope, below)?;
            }
            for argument in &mut call.args {
                walk(argument, scope, below)?;
            }
            let is_optional = matches!(&*call.func_name, OPTIONAL_SELECT | OPTIONAL_INDEX)
                || call.func_name == INDEX && call.args.first().is_some_and(is_find);
            if is_optional {
                call.func_name = optional::FIND.to_owned();
            }
            let charge = match &*call.func_name {
                ADD => Some(budget::SIZED),
                // Each compiles its pattern.
                "matches" | "find" | "findAll" => Some(budget::COSTLY),
                _ => None,
            };
            if let Some(charge) = charge {
                let charged = std::mem::take(&mut node.expr);
                node.expr = call_of(charge, vec![IdedExpr { id: node.id, expr: charged }]);
            }
        }
        Expr::Comprehension(it) => comprehension(it, scope, below)?,
        Expr::Struct(it) => {
            if !TYPES.contains(&it.type_name.split('.').next().unwrap_or_default()) {
                return Err(CelError::Compile(format!("undeclared type '{}'", it.type_name)));
            }
            let mut fields = std::mem::take(&mut it.entries);
            entries(&mut fields, scope, below)?;
            node.expr = Expr::Map(MapExpr { entries: fields });
        }
    }
    Ok(())
}

/// A loop: each turn costs.
fn comprehension(
    it: &mut ComprehensionExpr,
    scope: &mut BTreeSet<String>,
    below: usize,
) -> Result<(), CelError> {
    walk(&mut it.iter_range, scope, below)?;
    walk(&mut it.accu_init, scope, below)?;
    let names = [Some(it.iter_var.clone()), it.iter_var2.clone(), Some(it.accu_var.clone())];
    let new: Vec<String> =
        names.into_iter().flatten().filter(|name| scope.insert(name.clone())).collect();
    for part in [&mut it.loop_cond, &mut it.loop_step, &mut it.result] {
        walk(part, scope, below)?;
    }
    for name in new {
        scope.remove(&name);
    }
    let id = it.loop_cond.id;
    let tick = IdedExpr { id, expr: call_of(budget::TICK, Vec::new()) };
    let condition = std::mem::take(&mut it.loop_cond);
    it.loop_cond = IdedExpr { id, expr: call_of(AND, vec![tick, condition]) };
    Ok(())
}

fn is_find(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Call(call) if call.func_name == optional::FIND)
}

fn call_of(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}

fn entries(
    entries: &mut [IdedEntryExpr],
    scope: &mut BTreeSet<String>,
    level: usize,
) -> Result<(), CelError> {
    for entry in entries {
        match &mut entry.expr {
            EntryExpr::MapEntry(it) => {
                walk(&mut it.key, scope, level)?;
                walk(&mut it.value, scope, level)?;
            }
            EntryExpr::StructField(it) => {
                walk(&mut it.value, scope, level)?;
                let name = LiteralValue::String(it.field.clone().into());
                entry.expr = EntryExpr::MapEntry(MapEntryExpr {
                    key: IdedExpr { id: entry.id, expr: Expr::Literal(name) },
                    value: std::mem::take(&mut it.value),
                    optional: it.optional,
                });
            }
        }
    }
    Ok(())
}

/// `optional.of(…)`: what stands before the dot is part of the function's name.
fn is_function_space(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name)
        if matches!(&**name, "optional" | "math" | "strings" | "base64" | "sets" | "ip" | "cidr" | "format" | "jsonpatch" | "semver" | "quantity"))
}

/// Names of types, which `type(x) == string` compares with.
pub(super) const TYPE_NAMES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

fn is_type(name: &str) -> bool {
    TYPE_NAMES.contains(&name)
}
