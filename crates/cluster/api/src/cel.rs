//! CEL: expressions over objects, in rules of custom resources, admission policies and webhooks'
//! conditions.
//!
//! The engine is the crate `cel` with Kubernetes' functions (`kube-cel`). What it lacks to meet
//! strangers is here: an expression is bounded in bytes and nesting before it is parsed; its tree is
//! looked through and rewritten (`Object{…}` becomes a map, which is what mutations are made of); every
//! turn of a loop and every sum costs of a budget, so that no expression runs away with time or
//! memory.

mod budget;
mod convert;
mod optional;
mod prepare;
#[cfg(test)]
mod tests;

pub use budget::Together;
pub use convert::Input;
pub(crate) use convert::RESERVED;

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::parser::{Expression, Parser};
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// Bytes of an expression.
pub const MAX_BYTES: usize = 10 << 10;

/// Brackets in brackets.
const MAX_NESTING: usize = 32;

/// The parser's stack: enough for [`MAX_BYTES`] within the limits, whatever the compiler made of it.
const PARSER_STACK_BYTES: usize = 64 << 20;

/// Why an expression cannot be used, or did not give what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// Too long.
    #[error("the expression has more than {MAX_BYTES} bytes")]
    TooLong,
    /// Too deep.
    #[error("the expression is nested more than {MAX_NESTING} levels deep")]
    TooDeep,
    /// It cannot be parsed, or names what there is not.
    #[error("compilation failed: {0}")]
    Compile(String),
    /// It costs too much.
    #[error("call cost exceeds limit")]
    Budget,
    /// It failed.
    #[error("{0}")]
    Run(String),
    /// It gave something else than it should.
    #[error("expected {expected}, got {actual}")]
    Type {
        /// What should come.
        expected: &'static str,
        /// What came.
        actual: String,
    },
}

/// An expression, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Program {
    expression: Expression,
}

/// Names and what they stand for.
#[derive(Debug, Clone, Default)]
pub struct Variables(Vec<(String, CelValue)>);

/// Functions that every evaluation shares.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut context = Context::default();
    context.register_all();
    budget::register(&mut context);
    optional::register(&mut context);
    // A type is its name here: `type(x) == string`.
    context.add_function("type", |value: CelValue| kind(&value));
    for name in prepare::TYPE_NAMES {
        context.add_variable_from_value(name, name.to_owned());
    }
    context
});

impl Variables {
    /// With one more.
    pub fn set(&mut self, name: &str, input: Input<'_>) {
        self.put(name, input.to_cel());
    }

    /// With one that may be absent: CEL's optional.
    pub fn set_optional(&mut self, name: &str, input: Option<Input<'_>>) {
        let value = optional::of(input.map(Input::to_cel));
        self.put(name, value);
    }

    /// With a map of what expressions gave.
    pub fn set_group(&mut self, name: &str, members: &[(String, CelValue)]) {
        let member = |(name, value): &(String, CelValue)| {
            (Key::String(Arc::new(name.clone())), value.clone())
        };
        let map = Arc::new(members.iter().map(member).collect());
        self.put(name, CelValue::Map(Map { map }));
    }

    /// With what an expression gave.
    pub fn put(&mut self, name: &str, value: CelValue) {
        self.0.retain(|(other, _)| other != name);
        self.0.push((name.to_owned(), value));
    }
}

impl Program {
    /// Reads an expression that may name these variables.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, CelError> {
        if text.len() > MAX_BYTES {
            return Err(CelError::TooLong);
        }
        prepare::check_nesting(text, MAX_NESTING)?;
        let work = || {
            let parser = Parser::new().max_recursion_depth(u16::MAX).enable_optional_syntax(true);
            let parsed =
                parser.parse(text).map_err(|error| CelError::Compile(error.to_string()))?;
            prepare::prepare(parsed, variables)
        };
        // The parser's frames are large: it has a stack of its own, of which only what is used costs.
        let expression = std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
            match builder.spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(parsed)) => parsed,
                Ok(Err(_)) => Err(CelError::Compile("the parser gave up".to_owned())),
                Err(error) => Err(CelError::Compile(error.to_string())),
            }
        })?;
        Ok(Self { expression })
    }

    /// Evaluates it.
    pub fn run(&self, variables: &Variables) -> Result<CelValue, CelError> {
        let mut context = FUNCTIONS.new_inner_scope();
        for (name, value) in &variables.0 {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        budget::begin();
        let result = CelValue::resolve(&self.expression, &context);
        match result {
            Ok(_) | Err(_) if budget::is_spent() => Err(CelError::Budget),
            Ok(value) => Ok(value),
            Err(error) => Err(CelError::Run(worded(&error))),
        }
    }

    /// Evaluates a condition.
    pub fn holds(&self, variables: &Variables) -> Result<bool, CelError> {
        match self.run(variables)? {
            CelValue::Bool(value) => Ok(value),
            other => Err(CelError::Type { expected: "bool", actual: kind(&other) }),
        }
    }

    /// Evaluates to text.
    pub fn text(&self, variables: &Variables) -> Result<String, CelError> {
        match self.run(variables)? {
            CelValue::String(text) => Ok(text.to_string()),
            other => Err(CelError::Type { expected: "string", actual: kind(&other) }),
        }
    }

    /// Evaluates to a JSON value.
    pub fn json(&self, variables: &Variables) -> Result<Value, CelError> {
        convert::to_json(&self.run(variables)?)
    }
}

/// A value's type, as CEL names it.
fn kind(value: &CelValue) -> String {
    match value {
        CelValue::Float(_) => "double".to_owned(),
        CelValue::Null => "null_type".to_owned(),
        CelValue::Timestamp(_) => "google.protobuf.Timestamp".to_owned(),
        CelValue::Duration(_) => "google.protobuf.Duration".to_owned(),
        other => other.type_of().to_string(),
    }
}

/// Errors in the words of Kubernetes' engine, where they are common.
fn worded(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => {
            format!("undeclared reference to '{name}' (in container '')")
        }
        ExecutionError::NoSuchOverload => "no such overload".to_owned(),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::IndexOutOfBounds(at) => format!("index out of bounds: {at:?}"),
        other => other.to_string(),
    }
}
