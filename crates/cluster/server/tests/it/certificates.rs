//! Certificates by request: who may approve and sign, what comes out, what is refused.

use crate::world::World;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_pki::{Authority, Subject, certificates_from_pem};

const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const JSON: &str = "Content-Type: application/json";
const NODE: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";

/// A request as `openssl req` would make it.
pub fn pem(name: &str, group: &str) -> (String, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::OrganizationName, group);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    (params.serialize_request(&key).expect("a request").pem().expect("text"), key)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn asks(object: &str, signer: &str, (name, group): (&str, &str)) -> Value {
    json!({
        "metadata": { "name": object },
        "spec": {
            "request": base64(&pem(name, group).0), "signerName": signer,
            "usages": ["digital signature", "client auth"], "expirationSeconds": 3600,
        },
    })
}

fn world() -> World {
    let world = World::guarded();
    let authority = Arc::new(Authority::create("the test's").expect("an authority"));
    let api = Arc::clone(&world.api);
    world.run(async { drop(tokio::spawn(teu_server::certificates::run(api, authority))) });
    world
}

fn condition(request: &Value, kind: &str) -> Value {
    let conditions = request["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|it| it["type"] == kind).unwrap_or_default()
}

fn approve(world: &World, name: &str, headers: &[&str]) -> crate::world::Answer {
    let mut request = world.get(&format!("{PATH}/{name}")).good();
    request["status"]["conditions"] = json!([
        { "type": "Approved", "status": "True", "reason": "Test", "message": "yes" }
    ]);
    let headers = [headers, &[JSON]].concat();
    world.ask("PUT", &format!("{PATH}/{name}/approval"), &headers, &request.to_string())
}

fn issued(request: &Value) -> Option<Subject> {
    use base64::Engine as _;
    let text = request["status"]["certificate"].as_str()?;
    let pem = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    let pem = String::from_utf8(pem).expect("text");
    Some(Subject::of(&certificates_from_pem(&pem, "it").expect("a certificate")[0]))
}

#[test]
fn what_is_approved_is_signed_and_what_is_wrong_fails() {
    let world = world();
    world.post(PATH, &asks("jane", CLIENT, ("jane", "dev"))).good();
    let at = |name: &str| world.get(&format!("{PATH}/{name}")).good();
    assert!(issued(&at("jane")).is_none());
    approve(&world, "jane", &[]).good();
    world.until(|| issued(&at("jane")).is_some());
    let subject = issued(&at("jane")).expect("a certificate");
    assert_eq!(subject.common_name.as_deref(), Some("jane"));
    assert_eq!(subject.organizations, ["dev"]);
    // Not for a node, by the nodes' signer.
    world.post(PATH, &asks("odd", NODE, ("jane", "dev"))).good();
    approve(&world, "odd", &[]).good();
    world.until(|| !condition(&at("odd"), "Failed").is_null());
    let failed = condition(&at("odd"), "Failed");
    assert_eq!(failed["reason"], "SignerValidationFailure");
    assert_eq!(failed["message"], "subject organization is not system:nodes");
    assert!(issued(&at("odd")).is_none());
    // Others' signers are left to others.
    world.post(PATH, &asks("other", "example.com/x", ("jane", "dev"))).good();
    approve(&world, "other", &[]).good();
    // And nobody becomes the cluster's owner like this.
    let refused = world.post(PATH, &asks("owner", CLIENT, ("jane", "system:masters"))).bad(403);
    assert_eq!(
        refused["message"],
        "certificatesigningrequests.certificates.k8s.io \"owner\" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    );
    assert!(issued(&at("other")).is_none());
}

#[test]
fn nodes_get_their_certificates_without_being_asked_for() {
    let world = world();
    let at = |name: &str| world.get(&format!("{PATH}/{name}")).good();
    let ask = |headers: &[&str], body: &Value| {
        let headers = [headers, &[JSON]].concat();
        world.ask("POST", PATH, &headers, &body.to_string())
    };
    let joins = [
        "Impersonate-User: system:bootstrap:abcdef",
        "Impersonate-Group: system:bootstrappers",
        "Impersonate-Group: system:authenticated",
    ];
    ask(&joins, &asks("first", NODE, ("system:node:a", "system:nodes"))).good();
    world.until(|| issued(&at("first")).is_some());
    assert_eq!(condition(&at("first"), "Approved")["reason"], "AutoApproved");
    let node = [
        "Impersonate-User: system:node:a",
        "Impersonate-Group: system:nodes",
        "Impersonate-Group: system:authenticated",
    ];
    ask(&node, &asks("next", NODE, ("system:node:a", "system:nodes"))).good();
    world.until(|| issued(&at("next")).is_some());
    // A node asks for itself only.
    let refused = ask(&node, &asks("theft", NODE, ("system:node:b", "system:nodes"))).bad(403);
    let message = refused["message"].as_str().expect("a message");
    assert!(message.ends_with("can only create a node CSR with CN=system:node:a"), "{message}");
}

#[test]
fn approving_and_signing_are_rights_of_their_own() {
    let world = world();
    world.post(PATH, &asks("mine", CLIENT, ("jane", "dev"))).good();
    let jane = ["Impersonate-User: jane", "Impersonate-Group: system:authenticated"];
    let role = json!({ "metadata": { "name": "csr" }, "rules": [{
        "verbs": ["get", "update"], "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests/approval", "certificatesigningrequests/status"],
    }] });
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let bind = |role: &str| {
        json!({
            "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane" }],
        })
    };
    world.post(roles, &role).good();
    world.post(bindings, &bind("csr")).good();
    world.until(|| approve(&world, "mine", &jane).text.contains("user not permitted to approve"));
    // Nor by writing the certificate herself.
    let mut request = world.get(&format!("{PATH}/mine")).good();
    request["status"]["certificate"] =
        base64("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").into();
    let headers = [&jane[..], &[JSON]].concat();
    let refused = world.ask("PUT", &format!("{PATH}/mine/status"), &headers, &request.to_string());
    let refused = refused.bad(403);
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("user not permitted to sign requests with signerName"), "{message}");
    // The right to all of a signer's domain is one to each.
    let approver = json!({ "metadata": { "name": "approver" }, "rules": [{
        "verbs": ["approve"], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"],
        "resourceNames": ["kubernetes.io/*"],
    }] });
    world.post(roles, &approver).good();
    world.post(bindings, &bind("approver")).good();
    world.until(|| approve(&world, "mine", &jane).code == 200);
    world.until(|| issued(&world.get(&format!("{PATH}/mine")).good()).is_some());
}
