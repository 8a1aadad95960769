//! Default classes: of storage for claims, of ingress controllers for ingresses.

use crate::object::{child_mut, text};
use serde_json::Value;

const STORAGE: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];
const INGRESS: &str = "ingressclass.kubernetes.io/is-default-class";

fn is_marked(class: &Value, annotation: &str) -> bool {
    text(class, &["metadata", "annotations", annotation]) == Some("true")
}

/// Gives a new claim that names no class the default one: the youngest, then the first by name.
pub fn fill_claim(claim: &mut Value, classes: &[Value]) {
    let beta = ["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"];
    let is_said = claim["spec"].get("storageClassName").is_some_and(|it| !it.is_null());
    if is_said || text(claim, &beta).is_some() {
        return;
    }
    let mut marked: Vec<&Value> =
        classes.iter().filter(|class| STORAGE.iter().any(|it| is_marked(class, it))).collect();
    let age = |class: &Value| {
        text(class, &["metadata", "creationTimestamp"]).unwrap_or_default().to_owned()
    };
    marked.sort_by(|one, other| {
        age(other)
            .cmp(&age(one))
            .then_with(|| crate::object::name(one).cmp(crate::object::name(other)))
    });
    if let Some(class) = marked.first() {
        let name = crate::object::name(class).to_owned();
        child_mut(claim, "spec").insert("storageClassName".to_owned(), name.into());
    }
}

/// Gives a new ingress that names no class the default one; there may be one only.
pub fn fill_ingress(ingress: &mut Value, classes: &[Value]) -> Result<(), String> {
    let old = ["metadata", "annotations", "kubernetes.io/ingress.class"];
    let is_said = ingress["spec"].get("ingressClassName").is_some_and(|it| !it.is_null());
    if is_said || text(ingress, &old).is_some() {
        return Ok(());
    }
    let marked: Vec<&Value> = classes.iter().filter(|class| is_marked(class, INGRESS)).collect();
    match marked.as_slice() {
        [] => Ok(()),
        [class] => {
            let name = crate::object::name(class).to_owned();
            child_mut(ingress, "spec").insert("ingressClassName".to_owned(), name.into());
            Ok(())
        }
        many => Err(format!("{} default IngressClasses were found, only 1 allowed", many.len())),
    }
}
