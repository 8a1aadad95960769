//! Push: end-4, end-5, end-6, end-7, end-11, end-13.

use super::{
    INDEX, MANIFEST, Registry, Request, code, digest, manifest, push_blob, push_image, put_manifest,
};

/// Begins an upload; gives its location.
fn begin(registry: &Registry, name: &str) -> String {
    let answer = registry.ask(Request::post(&format!("/v2/{name}/blobs/uploads/"))).expect(202);
    assert_eq!(answer.must("range"), "0-0");
    answer.must("location").to_owned()
}

fn blob_is(registry: &Registry, name: &str, content: &[u8]) {
    let path = format!("/v2/{name}/blobs/{}", digest(content));
    let answer = registry.ask(Request::get(&path)).expect(200);
    assert!(answer.body == content);
}

#[test]
fn end_4a_end_6_post_then_put() {
    let registry = Registry::start();
    let content = vec![7; 300_000];
    let location = begin(&registry, "a");
    let path = format!("{location}?digest={}", digest(&content));
    let answer = registry.ask(Request::put(&path).body(&content)).expect(201);
    assert_eq!(answer.must("docker-content-digest"), digest(&content));
    assert_eq!(answer.must("location"), format!("/v2/a/blobs/{}", digest(&content)));
    blob_is(&registry, "a", &content);
    // It has ended.
    let again = registry.ask(Request::put(&path).body(&content));
    assert_eq!((again.status, &*code(&again)), (404, "BLOB_UPLOAD_UNKNOWN"));
}

#[test]
fn end_4b_a_blob_in_one_request() {
    let registry = Registry::start();
    push_blob(&registry, "a", b"in one");
    blob_is(&registry, "a", b"in one");
    push_blob(&registry, "a", b"");
    blob_is(&registry, "a", b"");
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(b"other"));
    let wrong = registry.ask(Request::post(&path).body(b"content"));
    assert_eq!((wrong.status, &*code(&wrong)), (400, "DIGEST_INVALID"));
    let broken = registry.ask(Request::post("/v2/a/blobs/uploads/?digest=x").body(b"content"));
    assert_eq!((broken.status, &*code(&broken)), (400, "DIGEST_INVALID"));
}

#[test]
fn end_5_end_13_chunks_in_order_and_out_of_it() {
    let registry = Registry::start();
    let content: Vec<u8> = (0..100_u8).collect();
    let mut location = begin(&registry, "a");
    let chunk = |location: &str, range: &str, bytes: &[u8]| {
        registry.ask(Request::patch(location).header("Content-Range", range).body(bytes))
    };
    let first = chunk(&location, "0-49", &content[..50]).expect(202);
    assert_eq!(first.must("range"), "0-49");
    location = first.must("location").to_owned();
    // Again, too far, no range: 416, and where it is.
    for range in ["0-49", "60-99", "x"] {
        let refused = chunk(&location, range, &content[..50]);
        assert_eq!((refused.status, refused.must("range")), (416, "0-49"), "{range}");
        assert_eq!(refused.must("location"), location);
    }
    let wrong = chunk(&location, "50-60", &content[50..]);
    assert_eq!((wrong.status, &*code(&wrong)), (400, "SIZE_INVALID"));
    let status = registry.ask(Request::get(&location)).expect(204);
    assert_eq!((status.must("range"), status.must("location")), ("0-49", &*location));
    let second = chunk(&location, "50-79", &content[50..80]).expect(202);
    assert_eq!(second.must("range"), "0-79");
    // The last chunk with the end.
    let path = format!("{location}?digest={}", digest(&content));
    let end = Request::put(&path).header("Content-Range", "80-99").body(&content[80..]);
    registry.ask(end).expect(201);
    blob_is(&registry, "a", &content);
}

#[test]
fn end_5_chunks_without_ranges_and_an_end_without_content() {
    let registry = Registry::start();
    let location = begin(&registry, "a");
    registry.ask(Request::patch(&location).body(b"one ")).expect(202);
    registry.ask(Request::patch(&location).body(b"two")).expect(202);
    registry.ask(Request::put(&location)).expect(400);
    let path = format!("{location}?digest={}", digest(b"one two"));
    registry.ask(Request::put(&path)).expect(201);
    blob_is(&registry, "a", b"one two");
}

#[test]
fn end_6_wrong_digests_end_the_upload() {
    let registry = Registry::start();
    let location = begin(&registry, "a");
    let path = format!("{location}?digest={}", digest(b"other"));
    let wrong = registry.ask(Request::put(&path).body(b"content"));
    assert_eq!((wrong.status, &*code(&wrong)), (400, "DIGEST_INVALID"));
    let gone = registry.ask(Request::get(&location));
    assert_eq!((gone.status, &*code(&gone)), (404, "BLOB_UPLOAD_UNKNOWN"));
    assert!(registry.root().join("images/uploads").read_dir().expect("there").next().is_none());
}

#[test]
fn uploads_are_given_up_and_belong_to_their_repository() {
    let registry = Registry::start();
    let location = begin(&registry, "a");
    registry.ask(Request::patch(&location.replace("/v2/a/", "/v2/b/")).body(b"x")).expect(404);
    registry.ask(Request::get("/v2/a/blobs/uploads/unknown")).expect(404);
    registry.ask(Request::delete(&location)).expect(204);
    registry.ask(Request::patch(&location).body(b"x")).expect(404);
}

#[test]
fn end_6_sha512_is_known_too() {
    let registry = Registry::start();
    let sum = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
    let location = begin(&registry, "a");
    registry.ask(Request::put(&format!("{location}?digest={sum}"))).expect(201);
    registry.ask(Request::get(&format!("/v2/a/blobs/{sum}"))).expect(200);
}

#[test]
fn end_7_manifests_by_tag_and_by_digest() {
    let registry = Registry::start();
    let manifest = push_image(&registry, "a/b", "digest", "");
    let answer = put_manifest(&registry, "a/b", "v1", (MANIFEST, &manifest)).expect(201);
    let digest_of = digest(&manifest);
    assert_eq!(answer.must("docker-content-digest"), digest_of);
    assert_eq!(answer.must("location"), format!("/v2/a/b/manifests/{digest_of}"));
    // A tag moves.
    let other = push_image(&registry, "a/b", "v1", r#","annotations":{"a":"b"}"#);
    let found = registry.ask(Request::get("/v2/a/b/manifests/v1")).expect(200);
    assert_eq!(found.body, other);
    let found = registry.ask(Request::get(&format!("/v2/a/b/manifests/{digest_of}"))).expect(200);
    assert_eq!(found.body, manifest);
    let wrong = put_manifest(&registry, "a/b", &digest(b"other"), (MANIFEST, &manifest));
    assert_eq!((wrong.status, &*code(&wrong)), (400, "DIGEST_INVALID"));
    let bad = put_manifest(&registry, "a/b", ".bad", (MANIFEST, &manifest));
    assert_eq!((bad.status, &*code(&bad)), (400, "TAG_INVALID"));
}

#[test]
fn end_7_what_is_needed_must_be_there() {
    let registry = Registry::start();
    push_blob(&registry, "a", b"{}");
    let missing = put_manifest(&registry, "a", "v1", (MANIFEST, &manifest(b"{}", b"no", "")));
    assert_eq!((missing.status, &*code(&missing)), (404, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(missing.json()["errors"][0]["detail"]["digest"], *digest(b"no"));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{MANIFEST}","digest":"{}","size":3}}]}}"#,
        digest(b"no")
    );
    let missing = put_manifest(&registry, "a", "v1", (INDEX, index.as_bytes()));
    assert_eq!((missing.status, &*code(&missing)), (404, "MANIFEST_BLOB_UNKNOWN"));
    // Nothing came of it.
    registry.ask(Request::get("/v2/a/manifests/v1")).expect(404);
}

#[test]
fn end_7_an_index_and_an_artifact_are_kept_byte_for_byte() {
    let registry = Registry::start();
    let one = push_image(&registry, "a", "digest", "");
    let index = format!(
        "{{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"{INDEX}\",\n  \"manifests\": [\n    \
         {{\"mediaType\": \"{MANIFEST}\", \"digest\": \"{}\", \"size\": {},\n     \"platform\": \
         {{\"architecture\": \"arm64\", \"os\": \"linux\"}}}}],\n  \"unknown\": [1, 2.50]}}",
        digest(&one),
        one.len()
    );
    put_manifest(&registry, "a", "multi", (INDEX, index.as_bytes())).expect(201);
    let found = registry.ask(Request::get("/v2/a/manifests/multi")).expect(200);
    assert_eq!(found.text(), index);
    assert_eq!(found.must("content-type"), INDEX);
}

#[test]
fn end_11_blobs_are_mounted_or_an_upload_begins() {
    let registry = Registry::start();
    let blob = push_blob(&registry, "from/here", b"shared");
    let mount = |name: &str, digest: &str, from: &str| {
        registry.ask(Request::post(&format!("/v2/{name}/blobs/uploads/?mount={digest}{from}")))
    };
    let answer = mount("to", &blob, "&from=from/here").expect(201);
    assert_eq!(answer.must("location"), format!("/v2/to/blobs/{blob}"));
    assert_eq!(answer.must("docker-content-digest"), blob);
    blob_is(&registry, "to", b"shared");
    // Without `from`, any will do.
    mount("third", &blob, "").expect(201);
    for (digest, from) in
        [(&*digest(b"no"), "&from=from/here"), (&*blob, "&from=nowhere"), ("x", "")]
    {
        let answer = mount("fourth", digest, from).expect(202);
        assert!(answer.must("location").starts_with("/v2/fourth/blobs/uploads/"));
    }
}
