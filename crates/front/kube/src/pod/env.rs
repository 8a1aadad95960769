//! Variables of a container, and `$(NAME)` in them, in commands and in arguments.

use super::Scope;
use crate::field::{Field, Result};
use crate::manifest::Data;
use crate::quantity;

/// In the order written; later ones win.
pub(super) type Variables = Vec<(String, String)>;

/// `envFrom`, then `env`.
pub(super) fn variables(container: &Field<'_>, scope: &Scope<'_>) -> Result<Variables> {
    let mut variables = Variables::new();
    for from in container.get_list("envFrom")? {
        from.only(&["prefix", "configMapRef", "secretRef"], &[])?;
        let prefix = from.get_text("prefix")?.unwrap_or_default();
        for kind in ["configMapRef", "secretRef"] {
            let Some(source) = from.get(kind) else { continue };
            let Some(data) = object(&source, kind, scope)? else { continue };
            for (key, value) in data {
                set(&mut variables, format!("{prefix}{key}"), text_of(value, &source)?);
            }
        }
    }
    for field in container.get_list("env")? {
        field.only(&["name", "value", "valueFrom"], &[])?;
        let name = field.need("name")?;
        if name.text()?.is_empty() || name.text()?.contains(['=', '\0']) {
            return Err(name.error("is no name of a variable"));
        }
        let value = match (field.get("value"), field.get("valueFrom")) {
            (Some(_), Some(from)) => return Err(from.error("stands beside a value")),
            (Some(value), None) => Some(expand(value.text()?, &variables)),
            (None, Some(from)) => referred(&from, container, scope)?,
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            set(&mut variables, name.text()?.to_owned(), value);
        }
    }
    Ok(variables)
}

fn set(variables: &mut Variables, name: String, value: String) {
    variables.retain(|(other, _)| *other != name);
    variables.push((name, value));
}

fn text_of(value: &[u8], field: &Field<'_>) -> Result<String> {
    String::from_utf8(value.to_vec()).map_err(|_| field.error("a value in it is not text"))
}

/// The object that a reference names; `None` where it may be missing and is.
fn object<'a>(source: &Field<'_>, kind: &str, scope: &Scope<'a>) -> Result<Option<&'a Data>> {
    let secret = kind.starts_with("secret");
    let objects = if secret { &scope.manifest.secrets } else { &scope.manifest.config_maps };
    let name = source.need("name")?;
    match objects.get(name.text()?) {
        Some(data) => Ok(Some(data)),
        None if source.get_switch("optional")? => Ok(None),
        None => {
            let what = if secret { "secret" } else { "config map" };
            Err(name.error(format!(
                "there is no {what} {:?} in the files given (see --configmap)",
                name.text()?
            )))
        }
    }
}

fn referred(from: &Field<'_>, container: &Field<'_>, scope: &Scope<'_>) -> Result<Option<String>> {
    from.only(&["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"], &[])?;
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let Some(source) = from.get(kind) else { continue };
        source.only(&["name", "key", "optional"], &[])?;
        let key = source.need("key")?;
        let Some(data) = object(&source, kind, scope)? else { return Ok(None) };
        return match data.get(key.text()?) {
            Some(value) => text_of(value, &key).map(Some),
            None if source.get_switch("optional")? => Ok(None),
            None => Err(key.error(format!("there is no key {:?}", key.text()?))),
        };
    }
    if let Some(source) = from.get("fieldRef") {
        let path = source.need("fieldPath")?;
        return pod_field(&path, scope).map(Some);
    }
    let source = from.need("resourceFieldRef")?;
    let resource = source.need("resource")?;
    let divisor = source.get_text("divisor")?.unwrap_or_else(|| "1".to_owned());
    let divisor = quantity::milli(&divisor).filter(|&divisor| divisor > 0);
    let divisor = divisor.ok_or_else(|| resource.error("its divisor is no quantity"))?;
    let (kind, name) = resource.text()?.split_once('.').unwrap_or_default();
    let field =
        container.get("resources").and_then(|all| all.get(kind)).and_then(|of| of.get(name));
    let field = field.ok_or_else(|| resource.error("the container says nothing of it"))?;
    let text = field.node().scalar().unwrap_or_default();
    let value = quantity::milli(&text).ok_or_else(|| field.error("is no quantity"))?;
    Ok(Some(value.div_ceil(divisor).to_string()))
}

/// Of what is known before the pod runs.
fn pod_field(path: &Field<'_>, scope: &Scope<'_>) -> Result<String> {
    let text = path.text()?;
    let keyed = |prefix: &str, all: &[(String, String)]| {
        let key = text.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
        let found = all.iter().find(|(name, _)| name == key);
        Some(found.map(|(_, value)| value.clone()).unwrap_or_default())
    };
    let template = scope.template;
    match text {
        "metadata.name" => Ok(scope.name.to_owned()),
        "metadata.namespace" => Ok("default".to_owned()),
        "spec.nodeName" => Ok(scope.choices.node_name.clone()),
        "spec.serviceAccountName" => Ok("default".to_owned()),
        _ => keyed("metadata.labels", &template.labels)
            .or_else(|| keyed("metadata.annotations", &template.annotations))
            .ok_or_else(|| {
                path.error(
                    "is not known before a pod runs: metadata.name, metadata.namespace, \
                     metadata.labels['x'], metadata.annotations['x'] and spec.nodeName are",
                )
            }),
    }
}

/// `$(NAME)` becomes the variable's value, `$$` a dollar; what names none stays.
pub(super) fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let named = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        let known = named.and_then(|(name, after)| {
            let (_, value) = variables.iter().find(|(other, _)| other == name)?;
            Some((value, after))
        });
        match (known, named) {
            (Some((value, after)), _) => {
                out.push_str(value);
                rest = after;
            }
            (None, Some((name, after))) => {
                out.push_str(&format!("$({name})"));
                rest = after;
            }
            (None, None) => out.push('$'),
        }
    }
    out + rest
}
