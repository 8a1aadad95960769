//! ValidatingAdmissionPolicy: rules in CEL about requests.

use super::Request;
use crate::cel::{CelError, Input, Program, Variables};
use crate::status::{Cause, CauseKind, Status};
use serde_json::{Map, Value, json};

/// What expressions may name.
const NAMES: [&str; 6] =
    ["object", "oldObject", "request", "params", "namespaceObject", "variables"];

/// Bytes of a computed message.
const MAX_MESSAGE_BYTES: usize = 5 << 10;

/// Bytes of an audit annotation's value.
const MAX_ANNOTATION_BYTES: usize = 10 << 10;

type Compiled = Result<Program, CelError>;

/// The parts that both kinds of policies have.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) name: String,
    pub(super) conditions: Vec<(String, Compiled)>,
    pub(super) variables: Vec<(String, Compiled)>,
    pub(super) is_lenient: bool,
}

/// A policy, compiled.
#[derive(Debug, Clone)]
pub struct Policy {
    common: Common,
    validations: Vec<Validation>,
    annotations: Vec<(String, Compiled)>,
}

#[derive(Debug, Clone)]
struct Validation {
    text: String,
    program: Compiled,
    message: String,
    message_program: Option<Compiled>,
    reason: String,
}

/// What a request brings along beside itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    /// The object that the binding refers to.
    pub params: Option<&'a Value>,
    /// The request's namespace.
    pub namespace: Option<&'a Value>,
}

/// What a policy says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// The refusal.
    pub denied: Option<Status>,
    /// Told to the client.
    pub warnings: Vec<String>,
    /// For the audit log.
    pub annotations: Vec<(String, String)>,
}

pub(super) fn compile(text: &str) -> Compiled {
    Program::compile(text, &NAMES)
}

fn items<'a>(policy: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    policy["spec"][name].as_array().into_iter().flatten()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

impl Common {
    pub(super) fn read(policy: &Value) -> Self {
        let named = |name: &'static str| {
            items(policy, name)
                .map(|it| (text(it, "name").to_owned(), compile(text(it, "expression"))))
                .collect()
        };
        Self {
            name: crate::object::name(policy).to_owned(),
            conditions: named("matchConditions"),
            variables: named("variables"),
            is_lenient: policy["spec"]["failurePolicy"] == "Ignore",
        }
    }

    /// The policy's own variables, each of which may name those before it. One that fails is not
    /// there, and whoever names it fails.
    pub(super) fn add_variables(&self, scope: &mut Variables) {
        let mut found = Vec::with_capacity(self.variables.len());
        for (name, program) in &self.variables {
            if let Ok(value) = program.as_ref().map_err(Clone::clone).and_then(|it| it.run(scope)) {
                found.push((name.clone(), value));
                scope.set_group("variables", &found);
            }
        }
    }

    /// What cannot be compiled, with its field.
    pub(super) fn faults(&self) -> Vec<(String, CelError)> {
        let lists = [("matchConditions", &self.conditions), ("variables", &self.variables)];
        let each = lists.into_iter().flat_map(|(list, programs)| {
            let programs = programs.iter().enumerate();
            programs
                .map(move |(at, (_, program))| (format!("spec.{list}[{at}].expression"), program))
        });
        each.filter_map(|(field, program)| Some((field, program.as_ref().err()?.clone()))).collect()
    }

    /// Whether all conditions hold; an error is the first that fails if none says no.
    pub(super) fn applies(&self, scope: &Variables) -> Result<bool, String> {
        conditions_hold(&self.conditions, scope)
    }
}

/// What expressions see.
pub(super) fn scope(request: &Request<'_>, around: Around<'_>) -> Variables {
    let mut scope = Variables::default();
    let typed = |value| Input::Typed(value, request.schema);
    let null = Value::Null;
    scope.set("object", request.object.map_or(Input::Plain(&null), typed));
    scope.set("oldObject", request.old.map_or(Input::Plain(&null), typed));
    scope.set("request", Input::Plain(&request.attributes("")));
    scope.set("params", Input::Plain(around.params.unwrap_or(&null)));
    scope.set("namespaceObject", Input::Plain(around.namespace.unwrap_or(&null)));
    scope.set_group("variables", &[]);
    scope
}

/// Whether all match conditions hold. One that says no wins over one that fails.
pub(super) fn conditions_hold(
    conditions: &[(String, Compiled)],
    scope: &Variables,
) -> Result<bool, String> {
    let mut failed = None;
    for (name, program) in conditions {
        match program.as_ref().map_err(Clone::clone).and_then(|it| it.holds(scope)) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => {
                failed.get_or_insert_with(|| format!("matchCondition {name:?}: {error}"));
            }
        }
    }
    failed.map_or(Ok(true), Err)
}

impl Policy {
    /// Reads and compiles a policy.
    pub fn read(policy: &Value) -> Self {
        let validation = |it: &Value| Validation {
            text: text(it, "expression").to_owned(),
            program: compile(text(it, "expression")),
            message: text(it, "message").trim().to_owned(),
            message_program: (!text(it, "messageExpression").is_empty())
                .then(|| compile(text(it, "messageExpression"))),
            reason: text(it, "reason").to_owned(),
        };
        let annotation =
            |it: &Value| (text(it, "key").to_owned(), compile(text(it, "valueExpression")));
        Self {
            common: Common::read(policy),
            validations: items(policy, "validations").map(validation).collect(),
            annotations: items(policy, "auditAnnotations").map(annotation).collect(),
        }
    }

    /// What cannot be compiled, with its field.
    pub fn faults(&self) -> Vec<(String, CelError)> {
        let mut faults = self.common.faults();
        let mut add = |field: String, program: &Compiled| {
            if let Err(error) = program {
                faults.push((field, error.clone()));
            }
        };
        for (at, validation) in self.validations.iter().enumerate() {
            add(format!("spec.validations[{at}].expression"), &validation.program);
            if let Some(program) = &validation.message_program {
                add(format!("spec.validations[{at}].messageExpression"), program);
            }
        }
        for (at, (_, program)) in self.annotations.iter().enumerate() {
            add(format!("spec.auditAnnotations[{at}].valueExpression"), program);
        }
        faults
    }

    /// Judges a request that the policy's and the binding's constraints take.
    pub fn judge(&self, binding: &Value, request: &Request<'_>, around: Around<'_>) -> Verdict {
        let mut scope = scope(request, around);
        let mut failures: Vec<(usize, String, &str)> = Vec::new();
        match self.common.applies(&scope) {
            Ok(true) => {}
            Ok(false) => return Verdict::default(),
            Err(_) if self.common.is_lenient => return Verdict::default(),
            Err(error) => failures.push((0, error, "")),
        }
        let mut verdict = Verdict::default();
        if failures.is_empty() {
            self.common.add_variables(&mut scope);
            for (at, validation) in self.validations.iter().enumerate() {
                if let Some(message) = validation.failure(&scope, self.common.is_lenient) {
                    failures.push((at, message, &validation.reason));
                }
            }
            self.annotate(&scope, &mut verdict);
        }
        self.act(binding, request, &failures, &mut verdict);
        verdict
    }

    fn annotate(&self, scope: &Variables, verdict: &mut Verdict) {
        for (key, program) in &self.annotations {
            let value = program.as_ref().map_err(Clone::clone).and_then(|it| it.json(scope));
            if let Ok(Value::String(mut value)) = value {
                let end = (0..=MAX_ANNOTATION_BYTES.min(value.len()))
                    .rev()
                    .find(|at| value.is_char_boundary(*at));
                value.truncate(end.unwrap_or(0));
                verdict.annotations.push((format!("{}/{key}", self.common.name), value));
            }
        }
    }

    /// Does with failures what the binding wants.
    fn act(
        &self,
        binding: &Value,
        request: &Request<'_>,
        failures: &[(usize, String, &str)],
        verdict: &mut Verdict,
    ) {
        let actions = binding["spec"]["validationActions"].as_array();
        let does = |action: &str| {
            actions.is_none_or(|it| {
                it.is_empty() && action == "Deny" || it.iter().any(|it| it == action)
            }) && (actions.is_some() || action == "Deny")
        };
        let bound = crate::object::name(binding);
        let name = &self.common.name;
        let who = format!("ValidatingAdmissionPolicy '{name}' with binding '{bound}'");
        if does("Warn") {
            let warning = |(_, message, _): &(usize, String, &str)| {
                format!("Validation failed for {who}: {message}")
            };
            verdict.warnings.extend(failures.iter().map(warning));
        }
        if does("Audit") && !failures.is_empty() {
            let entry = |(at, message, _): &(usize, String, &str)| json!({"message": message, "policy": name, "binding": bound, "expressionIndex": at, "validationActions": actions});
            let entries: Vec<Value> = failures.iter().map(entry).collect();
            let key = "validation.policy.admission.k8s.io/validation_failure".to_owned();
            verdict.annotations.push((key, Value::from(entries).to_string()));
        }
        if let (true, Some((_, message, reason))) = (does("Deny"), failures.first()) {
            let message = format!("{who} denied request: {message}");
            verdict.denied = Some(refusal(request, &message, reason));
        }
    }
}

/// The refusal with the reason that the policy gives.
pub(super) fn refusal(request: &Request<'_>, message: &str, reason: &str) -> Status {
    let mut status = request.forbidden(message);
    (status.code, status.reason) = match reason {
        "Unauthorized" => (401, "Unauthorized"),
        "Forbidden" => (403, "Forbidden"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    status.causes.push(Cause {
        reason: CauseKind::FieldValueInvalid,
        message: message.to_owned(),
        field: String::new(),
    });
    status
}

impl Validation {
    /// The message, if it does not hold.
    fn failure(&self, scope: &Variables, is_lenient: bool) -> Option<String> {
        match self.program.as_ref().map_err(Clone::clone).and_then(|it| it.holds(scope)) {
            Ok(true) => None,
            Ok(false) => Some(self.text_of(scope)),
            Err(_) if is_lenient => None,
            Err(error) => {
                Some(format!("expression '{}' resulted in error: {error}", self.text.trim()))
            }
        }
    }

    fn text_of(&self, scope: &Variables) -> String {
        let program = self.message_program.as_ref().and_then(|it| it.as_ref().ok());
        let computed = program.and_then(|it| it.text(scope).ok()).map(|it| it.trim().to_owned());
        let is_good = |text: &String| {
            !text.is_empty() && !text.contains('\n') && text.len() <= MAX_MESSAGE_BYTES
        };
        match (computed.filter(is_good), &*self.message) {
            (Some(text), _) => text,
            (None, "") => format!("failed expression: {}", self.text.trim()),
            (None, message) => message.to_owned(),
        }
    }
}

/// Annotations as the audit log has them.
pub fn audit_map(annotations: &[(String, String)]) -> Map<String, Value> {
    annotations.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}
