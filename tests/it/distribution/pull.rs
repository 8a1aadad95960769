//! Pull: end-1, end-2, end-3.

use super::{MANIFEST, Registry, Request, code, digest, push_blob, push_image};

#[test]
fn end_1_the_api_is_there() {
    let registry = Registry::start();
    let answer = registry.ask(Request::get("/v2/")).expect(200);
    assert_eq!(answer.must("docker-distribution-api-version"), "registry/2.0");
    registry.ask(Request::head("/v2/")).expect(200);
    registry.ask(Request::post("/v2/")).expect(405);
    registry.ask(Request::get("/v2")).expect(200);
    registry.ask(Request::get("/v3/")).expect(404);
}

#[test]
fn end_2_blobs_are_pulled_whole_in_part_and_not_at_all() {
    let registry = Registry::start();
    let content: Vec<u8> = (0..1_000_000_u32).map(|i| (i / 7) as u8).collect();
    let blob = push_blob(&registry, "a/b", &content);
    let path = format!("/v2/a/b/blobs/{blob}");
    let head = registry.ask(Request::head(&path)).expect(200);
    assert_eq!(head.must("content-length"), "1000000");
    assert_eq!(head.must("docker-content-digest"), blob);
    assert!(head.body.is_empty());
    let whole = registry.ask(Request::get(&path)).expect(200);
    assert!(whole.body == content);
    assert_eq!(whole.must("docker-content-digest"), blob);
    let check = |range: &str, expected: &[u8], shown: &str| {
        let part = registry.ask(Request::get(&path).header("Range", range)).expect(206);
        assert!(part.body == expected, "{range}: {} bytes", part.body.len());
        assert_eq!(part.must("content-range"), shown);
    };
    check("bytes=0-0", &content[..1], "bytes 0-0/1000000");
    check("bytes=999990-", &content[999_990..], "bytes 999990-999999/1000000");
    check("bytes=-10", &content[999_990..], "bytes 999990-999999/1000000");
    let beyond = registry.ask(Request::get(&path).header("Range", "bytes=1000000-"));
    assert_eq!((beyond.status, beyond.must("content-range")), (416, "bytes */1000000"));
    // Several ranges are answered with the whole.
    registry.ask(Request::get(&path).header("Range", "bytes=0-1,5-6")).expect(200);
    let tag = whole.must("etag").to_owned();
    registry.ask(Request::get(&path).header("If-None-Match", &tag)).expect(304);
    let missing = registry.ask(Request::get(&format!("/v2/a/b/blobs/{}", digest(b"no"))));
    assert_eq!((missing.status, &*code(&missing)), (404, "BLOB_UNKNOWN"));
    // What one repository has is not another's.
    let other = registry.ask(Request::get(&format!("/v2/other/blobs/{blob}")));
    assert_eq!((other.status, &*code(&other)), (404, "NAME_UNKNOWN"));
    let broken = registry.ask(Request::get("/v2/a/b/blobs/sha256:x"));
    assert_eq!((broken.status, &*code(&broken)), (400, "DIGEST_INVALID"));
}

#[test]
fn end_3_manifests_are_pulled_by_tag_and_digest() {
    let registry = Registry::start();
    let manifest = push_image(&registry, "a/b", "v1", "");
    let by_digest = digest(&manifest);
    for reference in ["v1", &by_digest] {
        let path = format!("/v2/a/b/manifests/{reference}");
        let answer = registry.ask(Request::get(&path)).expect(200);
        assert_eq!(answer.body, manifest, "byte for byte");
        assert_eq!(answer.must("content-type"), MANIFEST);
        assert_eq!(answer.must("docker-content-digest"), by_digest);
        let head = registry.ask(Request::head(&path)).expect(200);
        assert_eq!(head.must("docker-content-digest"), by_digest);
        assert_eq!(head.must("content-length"), manifest.len().to_string());
        assert_eq!(head.must("content-type"), MANIFEST);
    }
    for reference in ["nothing", ".INVALID_MANIFEST_NAME", &digest(b"no")] {
        let answer = registry.ask(Request::get(&format!("/v2/a/b/manifests/{reference}")));
        assert_eq!((answer.status, &*code(&answer)), (404, "MANIFEST_UNKNOWN"), "{reference}");
        registry.ask(Request::head(&format!("/v2/a/b/manifests/{reference}"))).expect(404);
    }
    let answer = registry.ask(Request::get("/v2/none/manifests/v1"));
    assert_eq!((answer.status, &*code(&answer)), (404, "NAME_UNKNOWN"));
    let answer = registry.ask(Request::get("/v2/UPPER/manifests/v1"));
    assert_eq!((answer.status, &*code(&answer)), (400, "NAME_INVALID"));
}
