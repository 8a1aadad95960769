//! Accounts' tokens that stand in secrets.

use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn a_token_of_a_secret_is_good_for_its_account_and_its_secret_only() {
    let world = World::guarded();
    world.control();
    let (accounts, secrets) =
        ("/api/v1/namespaces/default/serviceaccounts", "/api/v1/namespaces/default/secrets");
    let account = json!({ "metadata": { "name": "robot" } });
    let uid = world.post(accounts, &account).good()["metadata"]["uid"].clone();
    let secret = |name: &str, account: &str| {
        let annotations = json!({ "kubernetes.io/service-account.name": account });
        json!({
            "metadata": { "name": name, "annotations": annotations },
            "type": "kubernetes.io/service-account-token",
        })
    };
    let path = format!("{secrets}/t");
    let made = || {
        world.post(secrets, &secret("t", "robot")).good();
        world.until(|| world.get(&path).json()["data"]["token"].is_string());
        let made = world.get(&path).good();
        let token = STANDARD.decode(made["data"]["token"].as_str().expect("a token"));
        (made.clone(), String::from_utf8(token.expect("base64")).expect("text"))
    };
    let who = |token: &str| {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        world.ask("POST", path, &[&bearer(token), "Content-Type: application/json"], "{}")
    };
    let (made_first, token) = made();
    assert_eq!(made_first["metadata"]["annotations"]["kubernetes.io/service-account.uid"], uid);
    assert_eq!(made_first["data"]["ca.crt"], STANDARD.encode("PEM"));
    assert_eq!(made_first["data"]["namespace"], STANDARD.encode("default"));
    let user = who(&token).good()["status"]["userInfo"].clone();
    assert_eq!(
        (&user["username"], &user["uid"]),
        (&json!("system:serviceaccount:default:robot"), &uid)
    );
    // It is noted that it is used, and nobody else's token is shown for it.
    let used = world.get(&path).good()["metadata"]["labels"].to_string();
    assert!(used.contains("kubernetes.io/legacy-token-last-used"), "{used}");
    let review = json!({ "spec": { "token": token, "audiences": ["others"] } });
    let reviewed = world.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).good();
    assert_eq!(reviewed["status"]["authenticated"], json!(null), "{reviewed}");
    // One that says that it is not to be used any more is not.
    let ended = json!({ "metadata": { "labels": { "kubernetes.io/legacy-token-invalid-since": "2026-01-01" } } });
    let header = ["Content-Type: application/merge-patch+json"];
    world.ask("PATCH", &path, &header, &ended.to_string()).good();
    world.until(|| who(&token).code == 401);
    // Another secret of its name has another token.
    world.delete(&path).good();
    let (_, second) = made();
    assert_ne!(second, token);
    world.until(|| who(&token).code == 401 && who(&second).code == 201);
    // It goes with its account; another account of the name has nothing of it.
    world.delete(&format!("{accounts}/robot")).good();
    world.until(|| world.get(&path).code == 404);
    world.post(accounts, &account).good();
    world.until(|| who(&second).code == 401);
    let mut kept = secret("t", "robot");
    kept["data"] = json!({ "token": STANDARD.encode(&second) });
    world.post(secrets, &kept).good();
    assert_eq!(who(&second).code, 401);
    // Nobody's is nothing.
    world.post(secrets, &secret("nobodys", "nobody")).good();
    world.until(|| world.get(&format!("{secrets}/nobodys")).code == 404);
}
