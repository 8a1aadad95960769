//! `x-kubernetes-validations`: rules in CEL on one value of a custom object.

use crate::cel::{CelError, Input, Program, Variables};
use crate::status::{Cause, CauseKind};
use serde_json::Value;
use teu_kubernetes::Schema;

const VARIABLES: [&str; 2] = ["self", "oldSelf"];

/// A rule, compiled.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written.
    pub text: String,
    program: Result<Program, CelError>,
    message: String,
    message_program: Option<Result<Program, CelError>>,
    reason: String,
    field_path: String,
    /// Whether it looks at the old value, and so holds for changes only.
    is_transition: bool,
    optional_old: bool,
}

/// What a rule looks at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) value: &'a Value,
    pub(super) old: Option<&'a Value>,
    pub(super) schema: &'a Schema,
    /// `object`, `array`, …
    pub(super) kind: &'a str,
    pub(super) path: &'a str,
}

impl Rule {
    /// Reads one.
    pub fn read(rule: &Value) -> Self {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let message_expression = text("messageExpression");
        let compile = |text: &str| Program::compile(text, &VARIABLES);
        Self {
            text: text("rule").to_owned(),
            program: compile(text("rule")),
            message: text("message").trim().to_owned(),
            message_program: (!message_expression.trim().is_empty())
                .then(|| compile(message_expression)),
            reason: text("reason").to_owned(),
            field_path: text("fieldPath").to_owned(),
            is_transition: mentions_old(text("rule")),
            optional_old: rule.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// Why it, or its message, cannot be compiled.
    pub fn compile_errors(&self) -> (Option<&CelError>, Option<&CelError>) {
        let message = self.message_program.as_ref().and_then(|it| it.as_ref().err());
        (self.program.as_ref().err(), message)
    }

    /// Whether it holds for changes only.
    pub fn is_transition(&self) -> bool {
        self.is_transition
    }

    pub(super) fn check(&self, subject: Subject<'_>) -> Option<Cause> {
        let path = subject.path;
        let shown = Value::from(subject.kind);
        let program = match &self.program {
            Ok(program) => program,
            Err(error) => {
                return Some(Cause::invalid(path, &shown, format!("rule compile error: {error}")));
            }
        };
        let mut variables = Variables::default();
        variables.set("self", Input::Typed(subject.value, subject.schema));
        let old = subject.old.map(|old| Input::Typed(old, subject.schema));
        if self.optional_old {
            variables.set_optional("oldSelf", old);
        } else if self.is_transition {
            // Without an old value there is no transition.
            variables.set("oldSelf", old?);
        }
        match program.holds(&variables) {
            Ok(true) => None,
            Ok(false) => Some(self.failure(&variables, subject, &shown)),
            Err(CelError::Budget) => Some(Cause::invalid(
                path,
                &shown,
                "validation failed due to running out of cost budget, no further validation rules will be run",
            )),
            Err(error) => Some(Cause::invalid(
                path,
                &shown,
                format!("{error} evaluating rule: {}", self.label()),
            )),
        }
    }

    fn label(&self) -> &str {
        if self.message.is_empty() { &self.text } else { &self.message }
    }

    fn failure(&self, variables: &Variables, subject: Subject<'_>, shown: &Value) -> Cause {
        let computed = self.message_program.as_ref().and_then(|it| it.as_ref().ok());
        let computed = computed.and_then(|program| program.text(variables).ok());
        let computed = computed.map(|text| text.trim().to_owned()).filter(|text| is_message(text));
        let message = computed.unwrap_or_else(|| match &*self.message {
            "" => format!("failed rule: {}", self.text.trim()),
            message => message.to_owned(),
        });
        let path = format!("{}{}", subject.path, self.field_path);
        let path = path.trim_start_matches('.');
        match &*self.reason {
            "FieldValueForbidden" => Cause::forbidden(path, &message),
            "FieldValueRequired" => Cause::required(path, &message),
            "FieldValueDuplicate" => {
                Cause { reason: CauseKind::FieldValueDuplicate, ..Cause::duplicate(path, shown) }
            }
            _ => Cause::invalid(path, shown, message),
        }
    }
}

/// Bytes of a computed message.
const MAX_MESSAGE_BYTES: usize = 5 << 10;

fn is_message(text: &str) -> bool {
    !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_BYTES
}

/// Whether `oldSelf` is among a rule's words.
fn mentions_old(text: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == "oldSelf")
}
