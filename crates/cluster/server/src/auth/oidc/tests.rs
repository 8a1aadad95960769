//! Tokens whose signature is good, and what else has to be.

use super::*;
use serde_json::json;

const FILE: &str = "
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: 'https://id.example', audiences: [teu, other], audienceMatchPolicy: MatchAny}
  claimValidationRules: [{claim: hd, requiredValue: example.com}]
  claimMappings:
    username: {claim: email, prefix: 'oidc:'}
    groups: {claim: groups, prefix: ''}
    uid: {claim: sub}
";

fn issuers() -> Issuers {
    Issuers::parse(FILE.as_bytes()).expect("a configuration")
}

#[test]
fn who_a_token_is_for_and_when() {
    let issuers = issuers();
    let good = json!({ "exp": 1000, "nbf": 900, "aud": ["x", "teu"], "hd": "example.com" });
    let check = |field: &str, value: Value, wanted: bool| {
        let mut claims = good.clone();
        claims[field] = value;
        assert_eq!(issuers.all[0].is_for_us(&claims, 950), wanted, "{claims}");
    };
    check("aud", json!("teu"), true);
    check("aud", json!("teuton"), false);
    check("aud", json!([]), false);
    check("aud", Value::Null, false);
    check("exp", json!(950), false);
    check("exp", Value::Null, false);
    check("exp", json!("9999"), false);
    check("nbf", json!(955), true);
    check("nbf", json!(970), false);
    check("hd", json!("evil.example"), false);
    check("hd", Value::Null, false);
}

#[test]
fn names_are_the_issuers_and_never_the_clusters() {
    let mut issuers = issuers();
    let issuer = &mut issuers.all[0];
    let claims = json!({ "email": "a@b", "sub": "1", "groups": ["dev", "system:masters"] });
    let user = issuer.user(&claims).expect("a user");
    assert_eq!((&*user.name, &*user.uid), ("oidc:a@b", "1"));
    assert_eq!(user.groups, ["dev", "system:authenticated"]);
    let unverified = json!({ "email": "a@b", "email_verified": false });
    assert_eq!(issuer.user(&unverified), None);
    assert_eq!(issuer.user(&json!({ "sub": "1" })), None);
    issuer.username.prefix = String::new();
    assert_eq!(issuer.user(&json!({ "email": "system:admin" })), None);
    assert_eq!(issuer.user(&json!({ "email": "" })), None);
}

#[test]
fn what_would_let_somebody_in_by_mistake_is_refused() {
    let check = |from: &str, to: &str, wanted: &str| {
        let text = FILE.replace(from, to);
        assert_ne!(text, FILE);
        let (at, why) = Issuers::parse(text.as_bytes()).expect_err("a refusal");
        assert!(format!("{at}: {why}").contains(wanted), "{at}: {why}");
    };
    check("https://id", "http://id", "jwt[0]: the issuer's URL has to be https");
    check("audiences: [teu, other]", "audiences: []", "no audience");
    check("{claim: email, prefix: 'oidc:'}", "{expression: 'claims.email'}", "not known here");
    check("{claim: email, prefix: 'oidc:'}", "{claim: email}", "has a prefix");
    check("claimValidationRules", "userValidationRules", "not known here");
    check("requiredValue: example.com", "expression: x", "not known here");
    check("https://id.example", crate::auth::accounts::ISSUER, "the cluster itself");
}
