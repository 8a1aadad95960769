//! MutatingAdmissionPolicy: changes of objects in CEL, as configurations that are merged or as JSON
//! patches.

use super::Request;
use super::policy::{Around, Common, compile, refusal, scope, text};
use crate::apply::merge_configuration;
use crate::cel::{CelError, Program};
use crate::patch;
use crate::status::Status;
use serde_json::Value;

/// A policy, compiled.
#[derive(Debug, Clone)]
pub struct Mutator {
    common: Common,
    mutations: Vec<Mutation>,
}

#[derive(Debug, Clone)]
struct Mutation {
    is_patch: bool,
    text: String,
    program: Result<Program, CelError>,
}

impl Mutator {
    /// Reads and compiles a policy.
    pub fn read(policy: &Value) -> Self {
        let mutation = |it: &Value| {
            let is_patch = it["patchType"] == "JSONPatch";
            let part = if is_patch { "jsonPatch" } else { "applyConfiguration" };
            let text = text(&it[part], "expression").to_owned();
            Mutation { is_patch, program: compile(&text), text }
        };
        let mutations = policy["spec"]["mutations"].as_array().into_iter().flatten();
        Self { common: Common::read(policy), mutations: mutations.map(mutation).collect() }
    }

    /// What cannot be compiled, with its field.
    pub fn faults(&self) -> Vec<(String, CelError)> {
        let mut faults = self.common.faults();
        for (at, mutation) in self.mutations.iter().enumerate() {
            let part = if mutation.is_patch { "jsonPatch" } else { "applyConfiguration" };
            if let Err(error) = &mutation.program {
                faults.push((format!("spec.mutations[{at}].{part}.expression"), error.clone()));
            }
        }
        faults
    }

    /// The object as the policy wants it; nothing if it is not concerned.
    pub fn mutate(
        &self,
        binding: &Value,
        request: &Request<'_>,
        around: Around<'_>,
    ) -> Result<Option<Value>, Status> {
        let deny = |why: String| {
            let (name, bound) = (&self.common.name, crate::object::name(binding));
            let message = format!("policy '{name}' with binding '{bound}' denied request: {why}");
            refusal(request, &message, "")
        };
        let Some(object) = request.object else { return Ok(None) };
        match self.common.applies(&scope(request, around)) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) if self.common.is_lenient => return Ok(None),
            Err(error) => return Err(deny(error)),
        }
        let mut object = object.clone();
        for mutation in &self.mutations {
            let changed = Request { object: Some(&object), ..*request };
            let mut scope = scope(&changed, around);
            self.common.add_variables(&mut scope);
            let said =
                mutation.program.as_ref().map_err(Clone::clone).and_then(|it| it.json(&scope));
            let mutated = said
                .map_err(|error| {
                    format!("expression '{}' resulted in error: {error}", mutation.text.trim())
                })
                .and_then(|said| mutation.take(object.clone(), &said, request));
            match mutated {
                Ok(mutated) => object = mutated,
                Err(_) if self.common.is_lenient => {}
                Err(error) => return Err(deny(error)),
            }
        }
        Ok(Some(object))
    }
}

impl Mutation {
    fn take(
        &self,
        mut object: Value,
        said: &Value,
        request: &Request<'_>,
    ) -> Result<Value, String> {
        if self.is_patch {
            patch::json(&mut object, said).map_err(|error| error.to_string())?;
            return Ok(object);
        }
        let fixed = ["apiVersion", "kind", "metadata"];
        let names = said.get("metadata").and_then(Value::as_object);
        let touches_identity = said
            .as_object()
            .is_some_and(|fields| fields.contains_key(fixed[0]) || fields.contains_key(fixed[1]))
            || names.is_some_and(|names| {
                ["name", "namespace", "uid", "generateName"]
                    .iter()
                    .any(|name| names.contains_key(*name))
            });
        if touches_identity {
            return Err(
                "an apply configuration may not change what identifies an object".to_owned()
            );
        }
        merge_configuration(&object, said, request.schema)
    }
}
