//! Definitions: defaults, faults, conditions.

use super::{crontabs, version};
use crate::crd::conditions::{Taken, condition, is_established, settle};
use crate::crd::{check, check_update};
use serde_json::{Value, json};

fn faults(definition: &Value) -> Vec<String> {
    check(definition).into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
}

#[test]
fn defaults() {
    let definition = crontabs(json!({"type": "object"}));
    let names = &definition["spec"]["names"];
    assert_eq!(
        (&names["singular"], &names["listKind"]),
        (&json!("crontab"), &json!("CronTabList"))
    );
    assert_eq!(definition["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(faults(&definition), [""; 0]);
}

#[test]
fn names_and_versions() {
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut definition = crontabs(json!({"type": "object"}));
        change(&mut definition);
        let faults = faults(&definition);
        assert!(faults.iter().any(|it| it.starts_with(expected)), "{expected}\n{faults:#?}");
    };
    check(
        &|d| d["metadata"]["name"] = json!("x"),
        "metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group",
    );
    check(
        &|d| d["spec"]["group"] = json!("example"),
        "spec.group: Invalid value: \"example\": should be a domain with at least one dot",
    );
    check(&|d| d["spec"]["group"] = json!(""), "spec.group: Required value");
    check(
        &|d| d["spec"]["group"] = json!("x.k8s.io"),
        "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation",
    );
    check(
        &|d| d["spec"]["scope"] = json!("World"),
        "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
    );
    check(
        &|d| d["spec"]["names"]["plural"] = json!("Cron"),
        "spec.names.plural: Invalid value: \"Cron\": a DNS-1035 label must consist of",
    );
    check(
        &|d| d["spec"]["names"]["kind"] = json!("9"),
        "spec.names.kind: Invalid value: \"9\": may have mixed case, but should otherwise match:",
    );
    check(
        &|d| d["spec"]["names"]["listKind"] = json!("CronTab"),
        "spec.names.listKind: Invalid value: \"CronTab\": kind and listKind may not be the same",
    );
    check(
        &|d| d["spec"]["names"]["shortNames"] = json!(["A"]),
        "spec.names.shortNames[0]: Invalid value: \"A\"",
    );
    check(&|d| version(d)["storage"] = json!(false), "spec.versions: Invalid value: [");
    check(&|d| version(d)["name"] = json!("V1"), "spec.versions[0].name: Invalid value: \"V1\"");
    check(
        &|d| version(d)["schema"] = json!(null),
        "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
    );
    check(
        &|d| d["spec"]["conversion"] = json!({"strategy": "Webhook"}),
        "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook",
    );
    check(
        &|d| d["spec"]["preserveUnknownFields"] = json!(true),
        "spec.preserveUnknownFields: Invalid value: true: cannot set to true",
    );
    check(
        &|d| version(d)["additionalPrinterColumns"] = json!([{"name": "X", "type": "x"}]),
        "spec.versions[0].additionalPrinterColumns[0].type: Invalid value: \"x\": must be one of",
    );
    check(
        &|d| version(d)["subresources"] = json!({"scale": {"specReplicasPath": ".x"}}),
        "spec.versions[0].subresources.scale.specReplicasPath: Invalid value: \".x\": should be a json path under .spec",
    );
    check(
        &|d| version(d)["selectableFields"] = json!([{"jsonPath": ".spec.nothing"}]),
        "spec.versions[0].selectableFields[0].jsonPath: Invalid value: \".spec.nothing\": does not refer to a valid field",
    );
}

const AT: &str = "spec.versions[0].schema.openAPIV3Schema.properties[spec]";

fn refused(spec: Value, expected: &str) {
    let faults = faults(&crontabs(spec));
    let expected = format!("{AT}{expected}");
    assert!(faults.iter().any(|it| it.starts_with(&expected)), "{expected}\n{faults:#?}");
}

fn object(fields: Value) -> Value {
    json!({"type": "object", "properties": fields})
}

#[test]
fn types_and_extensions() {
    let check = refused;
    check(json!({}), ".type: Required value: must not be empty for specified object fields");
    check(json!({"type": "frob"}), ".type: Unsupported value: \"frob\"");
    check(json!({"type": "array"}), ".items: Required value: must be specified");
    check(
        json!({"type": "array", "items": {}}),
        ".items.type: Required value: must not be empty for specified array items",
    );
    check(
        json!({"type": "object", "additionalProperties": false}),
        ".additionalProperties: Forbidden: additionalProperties cannot be set to false",
    );
    check(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    );
    check(
        json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
        ".uniqueItems: Forbidden: uniqueItems cannot be set to true since",
    );
    check(json!({"$ref": "#/x", "type": "object"}), ".$ref: Forbidden: $ref is not supported");
    check(
        json!({"type": "string", "x-kubernetes-int-or-string": true}),
        ".type: Invalid value: \"string\": must be empty if x-kubernetes-int-or-string is true",
    );
    check(
        json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without",
    );
    check(
        json!({"type": "string", "x-kubernetes-list-type": "set"}),
        ".type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified",
    );
    check(
        json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
        ".x-kubernetes-list-map-keys: Required value: must not be empty if",
    );
    check(
        json!({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
        ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
    );
}

#[test]
fn values_and_rules() {
    let check = refused;
    check(
        object(json!({"a": {"type": "string", "pattern": "("}})),
        ".properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't",
    );
    check(
        json!({"type": "object", "anyOf": [{"properties": {"a": {"type": "string", "minLength": 1}}}]}),
        ".anyOf[0].properties[a].type: Forbidden: must be empty to be structural",
    );
    check(
        object(json!({"a": {"type": "integer", "default": "x"}})),
        ".properties[a].default: Invalid value: \"string\":",
    );
    check(
        json!({"type": "object", "default": {"x": 1}, "properties": {}}),
        ".default: Invalid value: {\"x\":1}: must not have unknown fields",
    );
    check(
        json!({"type": "object", "x-kubernetes-validations": [{"rule": "self. >"}]}),
        ".x-kubernetes-validations[0].rule: Invalid value: \"self. >\": compilation failed:",
    );
    check(
        json!({"type": "object", "x-kubernetes-validations": [{"rule": "true", "messageExpression": "nothing"}]}),
        ".x-kubernetes-validations[0].messageExpression: Invalid value: \"nothing\": messageExpression compilation failed",
    );
    check(
        json!({"type": "object", "x-kubernetes-validations": [{"rule": "Frob{x: 1}.x == 1"}]}),
        ".x-kubernetes-validations[0].rule: Invalid value:",
    );
    let mut deep = json!({"type": "object"});
    for _ in 0..90 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    assert!(faults(&crontabs(deep)).iter().any(|it| it.contains("must not be nested more than")));
    let fine = object(json!({
        "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "any": {"x-kubernetes-preserve-unknown-fields": true},
        "map": {"type": "object", "additionalProperties": {"type": "integer", "default": 1}},
    }));
    assert_eq!(faults(&crontabs(fine)), [""; 0]);
}

#[test]
fn changes() {
    let mut old = crontabs(json!({"type": "object"}));
    settle(&mut old, &Taken::default(), 0);
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut new = old.clone();
        change(&mut new);
        let causes = check_update(&new, &old);
        let faults: Vec<String> =
            causes.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
        assert!(faults.iter().any(|it| it.starts_with(expected)), "{expected}\n{faults:#?}");
    };
    assert!(check_update(&old, &old).is_empty());
    check(
        &|d| d["spec"]["scope"] = json!("Cluster"),
        "spec.scope: Invalid value: \"Cluster\": field is immutable",
    );
    check(
        &|d| version(d)["name"] = json!("v2"),
        "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions",
    );
}

#[test]
fn settling() {
    let mut one = crontabs(json!({"type": "object"}));
    assert!(settle(&mut one, &Taken::default(), 1_000_000_000) && is_established(&one));
    let is = |definition: &Value, kind: &str| {
        let said = condition(definition, kind).cloned().unwrap_or_default();
        format!("{} {} {}", said["status"], said["reason"], said["message"])
    };
    assert_eq!(is(&one, "NamesAccepted"), r#""True" "NoConflicts" "no conflicts found""#);
    assert_eq!(
        is(&one, "Established"),
        r#""True" "InitialNamesAccepted" "the initial names have been accepted""#
    );
    assert_eq!(one["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(one["status"]["acceptedNames"]["listKind"], "CronTabList");
    // Settled again, nothing changes, not even times.
    let again = one.clone();
    settle(&mut one, &Taken::default(), 2_000_000_000);
    assert_eq!(one, again);
    let mut two = crontabs(json!({"type": "object"}));
    two["metadata"]["name"] = json!("tabs.stable.example.com");
    two["spec"]["names"] = json!({"plural": "tabs", "singular": "tab", "kind": "CronTab", "listKind": "TabList", "shortNames": ["ct"]});
    let taken =
        Taken::of(std::slice::from_ref(&one), "stable.example.com", "tabs.stable.example.com");
    assert!(!settle(&mut two, &taken, 0) && !is_established(&two));
    assert_eq!(
        is(&two, "NamesAccepted"),
        r#""False" "ShortNamesConflict" "\"ct\" is already in use""#
    );
    assert_eq!(is(&two, "Established"), r#""False" "NotAccepted" "not all names are accepted""#);
    assert_eq!(
        two["status"]["acceptedNames"],
        json!({"plural": "tabs", "singular": "tab", "listKind": "TabList"})
    );
    // In another group, or by itself, nothing is in the way.
    assert!(settle(&mut two, &Taken::of(std::slice::from_ref(&one), "other.example.com", "x"), 0));
    assert!(
        Taken::of(&[one], "stable.example.com", "crontabs.stable.example.com").kinds.is_empty()
    );
    let mut own = crontabs(json!({"type": "object"}));
    own["spec"]["group"] = json!("x.k8s.io");
    own["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "https://example.com/1"});
    settle(&mut own, &Taken::default(), 0);
    let approved = is(&own, "KubernetesAPIApprovalPolicyConformant");
    assert_eq!(approved, r#""True" "ApprovedAnnotation" "approved in https://example.com/1""#);
}
