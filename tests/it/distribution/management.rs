//! Content management: end-9, end-10.

use super::{Registry, Request, code, digest, push_blob, push_image};

#[test]
fn end_9_tags_are_deleted_and_their_manifest_stays() {
    let registry = Registry::start();
    let manifest = push_image(&registry, "a", "v1", "");
    push_image(&registry, "a", "v2", "");
    registry.ask(Request::delete("/v2/a/manifests/v1")).expect(202);
    registry.ask(Request::get("/v2/a/manifests/v1")).expect(404);
    registry.ask(Request::get("/v2/a/manifests/v2")).expect(200);
    let path = format!("/v2/a/manifests/{}", digest(&manifest));
    registry.ask(Request::get(&path)).expect(200);
    let again = registry.ask(Request::delete("/v2/a/manifests/v1"));
    assert_eq!((again.status, &*code(&again)), (404, "MANIFEST_UNKNOWN"));
}

#[test]
fn end_9_manifests_are_deleted_with_their_tags() {
    let registry = Registry::start();
    let manifest = push_image(&registry, "a", "v1", "");
    let path = format!("/v2/a/manifests/{}", digest(&manifest));
    registry.ask(Request::delete(&path)).expect(202);
    registry.ask(Request::get(&path)).expect(404);
    registry.ask(Request::get("/v2/a/manifests/v1")).expect(404);
    let tags = registry.ask(Request::get("/v2/a/tags/list")).expect(200);
    assert_eq!(tags.json()["tags"], serde_json::json!([]));
    registry.ask(Request::delete(&path)).expect(404);
    registry.ask(Request::delete("/v2/none/manifests/v1")).expect(404);
}

#[test]
fn end_10_blobs_are_deleted() {
    let registry = Registry::start();
    let blob = push_blob(&registry, "a", b"content");
    let path = format!("/v2/a/blobs/{blob}");
    registry.ask(Request::delete(&path)).expect(202);
    registry.ask(Request::get(&path)).expect(404);
    let again = registry.ask(Request::delete(&path));
    assert_eq!((again.status, &*code(&again)), (404, "BLOB_UNKNOWN"));
    // It can come back.
    push_blob(&registry, "a", b"content");
    registry.ask(Request::get(&path)).expect(200);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut registry = Registry::start();
    let manifest = push_image(&registry, "a/b", "v1", "");
    push_image(&registry, "a/b", "gone", r#","annotations":{"x":"y"}"#);
    registry.ask(Request::delete("/v2/a/b/manifests/gone")).expect(202);
    registry.restart();
    let found = registry.ask(Request::get("/v2/a/b/manifests/v1")).expect(200);
    assert_eq!(found.body, manifest);
    registry.ask(Request::get("/v2/a/b/manifests/gone")).expect(404);
    let blob = registry.ask(Request::get(&format!("/v2/a/b/blobs/{}", digest(b"layer"))));
    assert_eq!(blob.expect(200).text(), "layer");
    assert!(registry.stop(), "SIGTERM ends it well");
}
