//! The table is whole, and says what is known of some types.

use super::{Line, ShapeText, flags, lines, names, number, type_schema};
use crate::schema::{Field, ListKind, Scalar, Shape};
use crate::{Schema, resources};

const CORE: &str = "io.k8s.api.core.v1";

fn field(name: &str, field: &str) -> &'static Field {
    let schema: &'static Schema = Box::leak(Box::new(type_schema(name).expect("a type")));
    schema.as_struct().and_then(|shape| shape.field(field)).expect("a field")
}

#[test]
fn every_resource_and_every_list_has_a_type() {
    for resource in resources() {
        let name = &*resource.type_name;
        assert!(type_schema(name).is_some(), "{name}");
        if resource.has_verb("list") {
            let list = name.replace(&*resource.kind, &resource.list_kind);
            assert!(type_schema(&list).is_some(), "{list}");
        }
    }
}

#[test]
fn every_line_is_understood() {
    fn check(text: ShapeText, line: &Line) {
        match text {
            ShapeText::List(inner) | ShapeText::Map(inner) => check(ShapeText::parse(inner), line),
            ShapeText::Type(name) => assert!(number(name).is_some(), "{name} in {line:?}"),
            ShapeText::Scalar(name) => assert!(super::build::scalar(name).is_some(), "{line:?}"),
        }
    }
    let mut sorted: Vec<&str> = names().collect();
    sorted.sort_unstable();
    assert!(sorted.iter().copied().eq(names()), "sorted by name");
    for at in 0..u16::try_from(sorted.len()).expect("few") {
        let mut last = "";
        for line in lines(at) {
            assert!(last < line.name, "{}: {last} before {}", sorted[usize::from(at)], line.name);
            last = line.name;
            check(line.shape, &line);
            if let Some(text) = line.value("default") {
                assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{line:?}");
            }
        }
        assert!(flags(at).split(' ').count() <= 1);
    }
}

#[test]
fn fields_merge_as_the_api_says() {
    let ports = field(&format!("{CORE}.Container"), "ports");
    let Shape::List(list) = &ports.schema.shape else { panic!("a list") };
    let keys = ["containerPort".into(), "protocol".into()];
    assert_eq!(list.kind, ListKind::Map(keys.to_vec()));
    assert_eq!(ports.patch.merge_key.as_deref(), Some("containerPort"));
    let protocol = list.item.as_struct().and_then(|shape| shape.field("protocol"));
    assert_eq!(protocol.and_then(|field| field.default.clone()), Some("TCP".into()));

    let volumes = field(&format!("{CORE}.PodSpec"), "volumes");
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
    let strategy = field("io.k8s.api.apps.v1.DeploymentSpec", "strategy");
    assert!(!strategy.patch.merge && strategy.patch.retain_keys);
    let selector = field("io.k8s.api.apps.v1.DeploymentSpec", "selector");
    assert!(selector.required && selector.schema.as_struct().is_some_and(|shape| shape.atomic));
    let claim = field(&format!("{CORE}.PersistentVolumeSpec"), "claimRef");
    assert!(
        claim.schema.as_struct().is_some_and(|shape| !shape.atomic && !shape.fields.is_empty())
    );
    let other = field(&format!("{CORE}.ObjectReference"), "name");
    assert!(!other.required);
    assert!(field("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", "selector").patch.replace);
    let finalizers = field("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers");
    let Shape::List(list) = &finalizers.schema.shape else { panic!("a list") };
    assert_eq!(list.kind, ListKind::Set);
    let selector = field(&format!("{CORE}.ServiceSpec"), "selector");
    assert!(matches!(&selector.schema.shape, Shape::Map(map) if map.atomic));
}

#[test]
fn scalars_are_of_their_kind() {
    let check = |name: &str, of: &str, expected: Scalar| {
        assert_eq!(field(name, of).schema.shape, Shape::Scalar(expected), "{name}.{of}");
    };
    check("io.k8s.api.core.v1.ServicePort", "targetPort", Scalar::IntOrString);
    check("io.k8s.api.core.v1.EmptyDirVolumeSource", "sizeLimit", Scalar::Quantity);
    check("io.k8s.api.coordination.v1.LeaseSpec", "renewTime", Scalar::MicroTime);
    check("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp", Scalar::Time);
    check("io.k8s.api.certificates.v1.CertificateSigningRequestSpec", "request", Scalar::Bytes);
}

#[test]
fn a_type_may_contain_itself() {
    let name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let props = type_schema(name).expect("a type");
    let not = props.child("not").and_then(|not| not.child("not")).expect("not.not");
    assert_eq!(not.resolve(), props.resolve());
    assert_eq!(props.child("items").map(|items| &items.resolve().shape), Some(&Shape::Any));
}
