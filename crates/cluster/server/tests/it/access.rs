//! Roles, tokens, acting as another, and attempts to get more than one has.

use crate::world::World;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use teu_server::time::Wall;

const AUTHZ: &str = "/apis/authorization.k8s.io/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

fn token_of(world: &World, account: &str) -> String {
    world.post(ACCOUNTS, &json!({ "metadata": { "name": account } })).good();
    let request = json!({ "spec": { "expirationSeconds": 600 } });
    let answer = world.post(&format!("{ACCOUNTS}/{account}/token"), &request).good();
    answer["status"]["token"].as_str().expect("a token").to_owned()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn rule(verbs: &[&str], resources: &[&str]) -> Value {
    json!({ "verbs": verbs, "apiGroups": [""], "resources": resources })
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({ "metadata": { "name": name }, "rules": rules })
}

fn binding(name: &str, role: &str, account: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "default", "name": account }],
    })
}

/// A request for `CN=jane`.
const BASE64_REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIS01IRUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWFtRnVaVEJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSApBMElBQko5VHQyL1QwUktBTml1Y0RhTEY5eEE3QUs2VlR0QTZIZjBNdW41RGxoSStJL0MreGN6RUlIaHBvMk93CkR5L1NWN2Vad0lrMWZ0dzc0aWd3ZGZpOTE2eWdBREFLQmdncWhrak9QUVFEQWdOSkFEQkdBaUVBcThqMk9OS0UKaXZPZHprRGdLRVQ1TnFpMFRFMDJBZTBSM3IzdSsyaW5mTmtDSVFEVXo3Slp5VG5wQnhPVmtXbWFraUdCaU0rSAprczFFQkdHVE9VRnZoNWNjRVE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";

const JSON: &str = "Content-Type: application/json";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";

#[test]
fn an_account_may_what_its_roles_allow_and_no_more() {
    let world = World::guarded();
    let token = bearer(&token_of(&world, "robot"));
    let pods = "/api/v1/namespaces/default/pods";
    let ask = |method: &str, path: &str, body: &str| world.ask(method, path, &[&token, JSON], body);
    let refused = ask("GET", pods, "").bad(403);
    assert_eq!(
        refused["message"],
        "pods is forbidden: User \"system:serviceaccount:default:robot\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    // Discovery is for everybody who is known, health for everybody at all.
    ask("GET", "/apis", "").good();
    assert_eq!(world.ask("GET", "/apis", &["X-Nobody: 1"], "").code, 403);
    world.post(ROLES, &role("reader", &[rule(&["get", "list"], &["pods"])])).good();
    world.post(BINDINGS, &binding("reader", "reader", "robot")).good();
    world.until(|| ask("GET", pods, "").code == 200);
    assert_eq!(ask("GET", "/api/v1/pods", "").code, 403);
    assert_eq!(ask("GET", "/api/v1/namespaces/kube-system/pods", "").code, 403);
    assert_eq!(ask("DELETE", &format!("{pods}/x"), "").code, 403);
    let review = json!({ "spec": { "resourceAttributes":
        { "verb": "list", "resource": "pods", "namespace": "default" } } });
    let path = format!("{AUTHZ}/selfsubjectaccessreviews");
    let answer = ask("POST", &path, &review.to_string()).good();
    assert_eq!(answer["status"]["allowed"], true);
    assert_eq!(
        answer["status"]["reason"],
        "RBAC: allowed by RoleBinding \"reader/default\" of Role \"reader\" to ServiceAccount \"robot/default\""
    );
    let rules = json!({ "spec": { "namespace": "default" } });
    let path = format!("{AUTHZ}/selfsubjectrulesreviews");
    let answer = ask("POST", &path, &rules.to_string()).good();
    let found = answer["status"]["resourceRules"].as_array().expect("rules");
    assert!(found.contains(&rule(&["get", "list"], &["pods"])), "{found:?}");
    world.delete(&format!("{BINDINGS}/reader")).good();
    world.until(|| ask("GET", pods, "").code == 403);
}

#[test]
fn a_namespace_is_read_by_who_may_read_in_it() {
    let world = World::guarded();
    let token = bearer(&token_of(&world, "robot"));
    let ask = |method: &str, path: &str| world.ask(method, path, &[&token, JSON], "");
    let refused = ask("GET", "/api/v1/namespaces/default").bad(403);
    assert_eq!(
        refused["message"],
        "namespaces \"default\" is forbidden: User \"system:serviceaccount:default:robot\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"default\""
    );
    let view = json!({
        "metadata": { "name": "view" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "default", "name": "robot" }],
    });
    world.post(BINDINGS, &view).good();
    world.until(|| ask("GET", "/api/v1/namespaces/default").code == 200);
    // No other, not all of them, and nothing else.
    assert_eq!(ask("GET", "/api/v1/namespaces/kube-system").code, 403);
    assert_eq!(ask("GET", "/api/v1/namespaces").code, 403);
    assert_eq!(ask("DELETE", "/api/v1/namespaces/default").code, 403);
    assert_eq!(ask("PUT", "/api/v1/namespaces/default/finalize").code, 403);
}

#[test]
fn nobody_gives_away_more_than_they_have() {
    let world = World::guarded();
    let token = bearer(&token_of(&world, "climber"));
    let ask = |method: &str, path: &str, body: &Value| {
        world.ask(method, path, &[&token, JSON], &body.to_string())
    };
    let writes = json!({
        "verbs": ["create", "update", "get"], "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
    });
    let own = [writes, rule(&["get"], &["pods"])];
    world.post(ROLES, &role("climber", &own)).good();
    world.post(BINDINGS, &binding("climber", "climber", "climber")).good();
    world.post(ROLES, &role("secrets", &[rule(&["get"], &["secrets"])])).good();
    world.until(|| ask("POST", ROLES, &role("small", &own[1..])).code == 201);
    let refused = ask("POST", ROLES, &role("large", &[rule(&["get"], &["secrets"])])).bad(403);
    let message = refused["message"].as_str().expect("a message");
    let held = "is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}";
    assert!(message.ends_with(held), "{message}");
    // Neither by widening a role one may write, nor by binding one that is there.
    let wide = role("small", &[rule(&["*"], &["*"])]);
    ask("PUT", &format!("{ROLES}/small"), &wide).bad(403);
    ask("POST", BINDINGS, &binding("secrets", "secrets", "climber")).bad(403);
    ask("POST", BINDINGS, &binding("nothing", "nothing", "climber")).bad(404);
    let mut everything = binding("all", "cluster-admin", "climber");
    everything["roleRef"]["kind"] = "ClusterRole".into();
    ask("POST", BINDINGS, &everything).bad(403);
    ask("POST", BINDINGS, &binding("small", "small", "climber")).good();
    // Nor by claiming to be another.
    let as_owner = ["Impersonate-User: root", "Impersonate-Group: system:masters", &token];
    let refused = world.ask("GET", "/api/v1/secrets", &as_owner, "").bad(403);
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("cannot impersonate resource \"users\""), "{message}");
}

#[test]
fn tokens_end_with_what_they_are_for() {
    let world = World::guarded();
    let token = token_of(&world, "robot");
    let whoami = |token: &str| {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        world.ask("POST", path, &[&bearer(token), JSON], "{}")
    };
    let user = whoami(&token).good()["status"]["userInfo"].clone();
    assert_eq!(user["username"], "system:serviceaccount:default:robot");
    assert!(
        user["groups"]
            .as_array()
            .is_some_and(|groups| groups.contains(&"system:serviceaccounts".into()))
    );
    let review = |token: &str, audiences: Value| {
        let body = json!({ "spec": { "token": token, "audiences": audiences } });
        world.post("/apis/authentication.k8s.io/v1/tokenreviews", &body).good()["status"].clone()
    };
    assert_eq!(review(&token, json!([]))["authenticated"], true);
    assert!(review(&token, json!(["vault"]))["authenticated"].is_null());
    let request = json!({ "spec": { "audiences": ["vault"] } });
    let other = world.post(&format!("{ACCOUNTS}/robot/token"), &request).good();
    let other = other["status"]["token"].as_str().expect("a token").to_owned();
    assert_eq!(review(&other, json!(["vault"]))["authenticated"], true);
    // It is not for us.
    whoami(&other).bad(401);
    whoami(&format!("{token}x")).bad(401);
    whoami("").bad(401);
    let short = json!({ "spec": { "expirationSeconds": 5 } });
    world.post(&format!("{ACCOUNTS}/robot/token"), &short).bad(422);
    // Another account of the same name is another account.
    world.delete(&format!("{ACCOUNTS}/robot")).good();
    world.until(|| whoami(&token).code == 401);
    token_of(&world, "robot");
    whoami(&token).bad(401);
}

#[test]
fn machines_join_by_tokens_that_end() {
    let world = World::guarded();
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    let secret = |id: &str, ends: &str| {
        json!({
            "metadata": { "name": format!("bootstrap-token-{id}") },
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": id, "token-secret": "0123456789abcdef", "expiration": ends,
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:a,system:masters",
            },
        })
    };
    world.post(secrets, &secret("abcdef", "2999-01-01T00:00:00Z")).good();
    world.post(secrets, &secret("old000", "2001-01-01T00:00:00Z")).good();
    let whoami = |token: &str| {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        world.ask("POST", path, &[&bearer(token), JSON], "{}")
    };
    let user = whoami("abcdef.0123456789abcdef").good()["status"]["userInfo"].clone();
    let groups = json!(["system:bootstrappers", "system:bootstrappers:a", "system:authenticated"]);
    assert_eq!((&user["username"], &user["groups"]), (&"system:bootstrap:abcdef".into(), &groups));
    whoami("abcdef.0123456789abcdee").bad(401);
    whoami("old000.0123456789abcdef").bad(401);
    whoami("nobody.0123456789abcdef").bad(401);
}

#[test]
fn owners_act_as_others_and_see_what_those_see() {
    let world = World::guarded();
    let as_jane = ["Impersonate-User: jane", "Impersonate-Group: readers"];
    assert_eq!(world.ask("GET", "/api/v1/pods", &as_jane, "").code, 403);
    let readers = json!({
        "metadata": { "name": "readers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers" }],
    });
    world.post(&format!("{RBAC}/clusterrolebindings"), &readers).good();
    // `view` is made of others, which is done beside the server's start.
    world.until(|| world.ask("GET", "/api/v1/pods", &as_jane, "").code == 200);
    assert_eq!(world.ask("GET", "/api/v1/secrets", &as_jane, "").code, 403);
    let more = json!({
        "metadata": {
            "name": "more", "labels": { "rbac.authorization.k8s.io/aggregate-to-view": "true" },
        },
        "rules": [rule(&["list"], &["secrets"])],
    });
    world.post(&format!("{RBAC}/clusterroles"), &more).good();
    world.until(|| world.ask("GET", "/api/v1/secrets", &as_jane, "").code == 200);
}

#[test]
fn who_asks_for_a_certificate_is_not_for_them_to_say() {
    let world = World::guarded();
    let request = json!({
        "metadata": { "name": "mine" },
        "spec": {
            "request": BASE64_REQUEST, "signerName": "example.com/any", "usages": ["client auth"],
            "username": "system:admin", "groups": ["system:masters"],
        },
    });
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let made = world.post(path, &request).good();
    assert_eq!(made["spec"]["username"], "tester");
}

/// A binding of a cluster role to an account, or a role's in its namespace.
fn allow(world: &World, account: &str, rules: &[Value]) {
    world.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role(account, rules)).good();
    let mut all = binding(account, account, account);
    all["roleRef"]["kind"] = "ClusterRole".into();
    world.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &all).good();
}

#[test]
fn who_may_only_change_what_is_there_makes_nothing() {
    let world = World::guarded();
    let token = bearer(&token_of(&world, "mender"));
    let verbs = ["get", "update", "patch"];
    allow(
        &world,
        "mender",
        &[json!({ "verbs": verbs, "apiGroups": ["*"], "resources": ["configmaps", "leases"] })],
    );
    let apply = |name: &str| {
        let path = format!("/api/v1/namespaces/default/configmaps/{name}?fieldManager=m");
        let kind = "Content-Type: application/apply-patch+yaml";
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
        });
        world.ask("PATCH", &path, &[&token, kind], &body.to_string())
    };
    let replace = |name: &str| {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/default/leases/{name}");
        world.ask(
            "PUT",
            &path,
            &[&token, JSON],
            &json!({ "metadata": { "name": name } }).to_string(),
        )
    };
    world
        .post("/api/v1/namespaces/default/configmaps", &json!({ "metadata": { "name": "a" } }))
        .good();
    world.until(|| apply("a").code == 200);
    for refused in [apply("b").bad(403), replace("b").bad(403)] {
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains("cannot create resource"), "{message}");
    }
    world
        .post(
            ROLES,
            &role(
                "maker",
                &[json!({
                    "verbs": ["create"], "apiGroups": ["*"], "resources": ["configmaps", "leases"],
                })],
            ),
        )
        .good();
    world.post(BINDINGS, &binding("maker", "maker", "mender")).good();
    world.until(|| apply("b").code == 201);
    assert_eq!(replace("b").code, 201);
}

#[test]
fn a_policy_reads_no_more_than_its_writer() {
    let world = World::guarded();
    let token = bearer(&token_of(&world, "writer"));
    let rules = [
        json!({ "verbs": ["create", "get"], "apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"] }),
        rule(&["get"], &["configmaps"]),
    ];
    allow(&world, "writer", &rules);
    let base = "/apis/admissionregistration.k8s.io/v1";
    let policy = |name: &str, kind: &str| {
        let nothing = json!([{ "apiGroups": ["x.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"] }]);
        let body = json!({ "metadata": { "name": name }, "spec": {
            "paramKind": { "apiVersion": "v1", "kind": kind },
            "matchConstraints": { "resourceRules": nothing },
            "validations": [{ "expression": "true" }],
        } });
        let path = format!("{base}/validatingadmissionpolicies");
        world.ask("POST", &path, &[&token, JSON], &body.to_string())
    };
    world.until(|| policy("maps", "ConfigMap").code == 201);
    let refused = policy("secrets", "Secret").bad(422);
    assert_eq!(refused["details"]["causes"][0]["field"], "spec.paramKind");
    let bind = |name: &str, policy: &str| {
        let body = json!({ "metadata": { "name": name }, "spec": {
            "policyName": policy, "validationActions": ["Audit"],
            "paramRef": { "name": "x", "namespace": "default", "parameterNotFoundAction": "Allow" },
        } });
        let path = format!("{base}/validatingadmissionpolicybindings");
        world.ask("POST", &path, &[&token, JSON], &body.to_string())
    };
    assert_eq!(bind("maps", "maps").code, 201);
    let refused = bind("others", "nobody").bad(422);
    assert_eq!(refused["details"]["causes"][0]["field"], "spec.paramRef");
}

/// A clock that is set.
struct Hands(Arc<AtomicU64>);

impl Wall for Hands {
    fn since_epoch(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[test]
fn a_token_ends_a_minute_after_what_it_is_for_should_have_gone() {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let hands = Arc::clone(&seconds);
    let world = World::guarded_with(|api| api.wall = Arc::new(Hands(hands)));
    let held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/x"] } });
    world.post(ACCOUNTS, &held).good();
    let request = json!({ "spec": { "expirationSeconds": 6000 } });
    let answer = world.post(&format!("{ACCOUNTS}/held/token"), &request).good();
    let token = bearer(answer["status"]["token"].as_str().expect("a token"));
    let code = || world.ask("GET", "/apis", &[&token], "").code;
    world.delete(&format!("{ACCOUNTS}/held")).good();
    seconds.fetch_add(50, Ordering::Relaxed);
    assert_eq!(code(), 200);
    seconds.fetch_add(11, Ordering::Relaxed);
    world.until(|| code() == 401);
}
