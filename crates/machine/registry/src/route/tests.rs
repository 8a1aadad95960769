//! Paths as data.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

#[test]
fn paths() {
    let digest = Digest::sha256(b"x");
    let check = |path: &str, expected: Result<Route, Unroutable>| {
        assert_eq!(Route::parse(path), expected, "{path}");
    };
    check("/v2", Ok(Route::Base));
    check("/v2/", Ok(Route::Base));
    check("/v2/_catalog", Ok(Route::Catalog));
    check(&format!("/v2/a/b/blobs/{digest}"), Ok(Route::Blob(name("a/b"), digest.clone())));
    let encoded = digest.as_str().replace(':', "%3A");
    check(&format!("/v2/a/blobs/{encoded}"), Ok(Route::Blob(name("a"), digest.clone())));
    check("/v2/a/blobs/uploads/", Ok(Route::Uploads(name("a"))));
    check("/v2/a/blobs/uploads/1-x", Ok(Route::Upload(name("a"), "1-x".into())));
    check("/v2/a/manifests/v1", Ok(Route::Manifest(name("a"), Reference::Tag("v1".into()))));
    // Names may contain the protocol's own words.
    check("/v2/manifests/tags/tags/list", Ok(Route::Tags(name("manifests/tags"))));
    check(&format!("/v2/a/referrers/{digest}"), Ok(Route::Referrers(name("a"), digest)));
    check("/v2/a/manifests/sha256:x", Err(Unroutable::Digest("sha256:x".into())));
    check("/v2/a/manifests/.x", Err(Unroutable::Reference(".x".into())));
    check("/v2/../manifests/x", Err(Unroutable::Name("..".into())));
    check("/v2/a%2F..%2Fb/tags/list", Err(Unroutable::Name("a/../b".into())));
    check("/v2/manifests/x", Err(Unroutable::Name(String::new())));
    check("/v2/a/blobs/x", Err(Unroutable::Digest("x".into())));
    for path in ["/", "/v1/", "/v2/a", "/v2x/", "/v2/a/tags", "/v2/%zz"] {
        check(path, Err(Unroutable::Path));
    }
}
