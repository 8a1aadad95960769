//! What an evaluation may cost: turns of loops and bytes of sums, counted by calls that [`super::prepare`]
//! puts into the expression.
//!
//! The counter is the thread's: an evaluation runs to its end on one thread.

use kube_cel::cel::{Context, ExecutionError, Value};
use std::cell::Cell;

/// Turns of loops of one evaluation.
const BUDGET: u64 = 1_000_000;
/// And of all that one object is judged by together.
const OBJECT_BUDGET: u64 = 10_000_000;

/// Bytes (or items) of a sum that cost as much as one turn of a loop.
const BYTES_A_TICK: usize = 64;

/// Said in each loop's condition; a name that no expression can have.
pub(super) const TICK: &str = "@tick";
/// Around each sum and each growing list.
pub(super) const SIZED: &str = "@sized";

/// Around what compiles a pattern.
pub(super) const COSTLY: &str = "@costly";

/// What that costs, in turns of a loop.
const COSTLY_TICKS: u64 = 500;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// What evaluations that belong together have left; none where each stands for itself.
    static TOGETHER: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Fills the budget, for one evaluation.
pub(super) fn begin() {
    LEFT.set(TOGETHER.get().map_or(BUDGET, |left| left.min(BUDGET)));
}

/// Evaluations that share a budget, as long as this is there: as many as an object has rules and items
/// could run for hours, though none of them does.
#[derive(Debug)]
pub struct Together(());

impl Together {
    /// With a full one.
    pub fn begin() -> Self {
        TOGETHER.set(Some(OBJECT_BUDGET));
        Self(())
    }

    /// Whether all of it is gone.
    pub fn is_spent(&self) -> bool {
        TOGETHER.get() == Some(0)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        TOGETHER.set(None);
    }
}

/// Whether all of it is gone.
pub(super) fn is_spent() -> bool {
    LEFT.get() == 0
}

fn spend(cost: u64) -> Result<(), ExecutionError> {
    LEFT.set(LEFT.get().saturating_sub(cost));
    TOGETHER.set(TOGETHER.get().map(|left| left.saturating_sub(cost)));
    if is_spent() { Err(ExecutionError::function_error(TICK, "too expensive")) } else { Ok(()) }
}

/// Makes the calls known.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function(TICK, || -> Result<Value, ExecutionError> {
        spend(1).map(|()| Value::Bool(true))
    });
    context.add_function(COSTLY, |value: Value| -> Result<Value, ExecutionError> {
        spend(COSTLY_TICKS).map(|()| value)
    });
    context.add_function(SIZED, |value: Value| -> Result<Value, ExecutionError> {
        let size = match &value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) => items.len() * 16,
            _ => 0,
        };
        spend(1 + (size / BYTES_A_TICK) as u64).map(|()| value)
    });
}
