//! Content discovery: end-8, end-12, and the catalog.

use super::{
    EMPTY, INDEX, MANIFEST, Registry, Request, code, digest, push_blob, push_image, put_manifest,
};

fn tags(answer: &super::Answer) -> Vec<String> {
    let list = answer.json()["tags"].as_array().expect("tags").clone();
    list.iter().map(|tag| tag.as_str().expect("text").to_owned()).collect()
}

#[test]
fn end_8_tags_are_listed_in_order_page_by_page() {
    let registry = Registry::start();
    let names = ["b", "a", "latest", "1.0", "B"];
    for tag in names {
        push_image(&registry, "x/y", tag, "");
    }
    let mut sorted = names;
    sorted.sort_unstable();
    let all = registry.ask(Request::get("/v2/x/y/tags/list")).expect(200);
    assert_eq!(tags(&all), sorted);
    assert_eq!(all.json()["name"], "x/y");
    assert_eq!(all.header("link"), None);
    let (mut path, mut found) = ("/v2/x/y/tags/list?n=2".to_owned(), Vec::new());
    for _ in 0..3 {
        let page = registry.ask(Request::get(&path)).expect(200);
        found.extend(tags(&page));
        let Some(link) = page.header("link") else { break };
        let (url, relation) = link.split_once('>').expect("a link");
        assert_eq!(relation, "; rel=\"next\"");
        path = url[1..].to_owned();
    }
    assert_eq!(found, sorted);
    let none = registry.ask(Request::get("/v2/x/y/tags/list?n=0")).expect(200);
    assert_eq!(tags(&none), [""; 0]);
    let after = registry.ask(Request::get("/v2/x/y/tags/list?last=b")).expect(200);
    assert_eq!(tags(&after), ["latest"]);
    registry.ask(Request::get("/v2/x/y/tags/list?n=x")).expect(400);
    let unknown = registry.ask(Request::get("/v2/none/tags/list"));
    assert_eq!((unknown.status, &*code(&unknown)), (404, "NAME_UNKNOWN"));
}

#[test]
fn end_12_referrers_with_and_without_filter() {
    let registry = Registry::start();
    let image = push_image(&registry, "a", "v1", "");
    let about = digest(&image);
    let path = format!("/v2/a/referrers/{about}");
    let none = registry.ask(Request::get(&path)).expect(200);
    assert_eq!(none.must("content-type"), INDEX);
    assert_eq!(none.json()["manifests"].as_array().map(Vec::len), Some(0));
    push_blob(&registry, "a", b"{}");
    push_blob(&registry, "a", b"sbom");
    let artifact = |kind: &str| {
        let (size, subject) = (image.len(), &about);
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}"{kind},"config":{{"mediaType":"{EMPTY}","digest":"{}","size":2}},"layers":[{{"mediaType":"text/sbom","digest":"{}","size":4}}],"subject":{{"mediaType":"{MANIFEST}","digest":"{subject}","size":{size}}},"annotations":{{"made":"by a test"}}}}"#,
            digest(b"{}"),
            digest(b"sbom")
        );
        let reference = digest(text.as_bytes());
        let answer = put_manifest(&registry, "a", &reference, (MANIFEST, text.as_bytes()));
        let answer = answer.expect(201);
        assert_eq!(answer.must("oci-subject"), about);
        reference
    };
    let sbom = artifact(r#","artifactType":"x/sbom""#);
    let plain = artifact("");
    let all = registry.ask(Request::get(&path)).expect(200).json();
    let row = |digest: &str| {
        let rows = all["manifests"].as_array().expect("manifests");
        rows.iter().find(|row| row["digest"] == digest).expect("a row").clone()
    };
    assert_eq!(row(&sbom)["artifactType"], "x/sbom");
    assert_eq!(row(&plain)["artifactType"], EMPTY);
    assert_eq!(row(&sbom)["annotations"]["made"], "by a test");
    assert_eq!(row(&sbom)["mediaType"], MANIFEST);
    let filtered = registry.ask(Request::get(&format!("{path}?artifactType=x%2Fsbom"))).expect(200);
    assert_eq!(filtered.must("oci-filters-applied"), "artifactType");
    assert_eq!(filtered.json()["manifests"].as_array().map(Vec::len), Some(1));
    // Of what is not there, nothing is said; of what is no digest, that.
    for path in
        [format!("/v2/a/referrers/{}", digest(b"no")), format!("/v2/none/referrers/{about}")]
    {
        let answer = registry.ask(Request::get(&path)).expect(200);
        assert_eq!(answer.json()["manifests"].as_array().map(Vec::len), Some(0));
    }
    registry.ask(Request::get("/v2/a/referrers/x")).expect(400);
    // A referrer that goes is listed no more.
    registry.ask(Request::delete(&format!("/v2/a/manifests/{sbom}"))).expect(202);
    let left = registry.ask(Request::get(&path)).expect(200).json();
    assert_eq!(left["manifests"][0]["digest"], *plain);
}

#[test]
fn end_7_a_subject_may_come_after_its_referrers() {
    let registry = Registry::start();
    let extra = format!(
        r#","subject":{{"mediaType":"{MANIFEST}","digest":"{}","size":10}}"#,
        digest(b"later")
    );
    let early = push_image(&registry, "a", "digest", &extra);
    let answer = registry.ask(Request::get(&format!("/v2/a/referrers/{}", digest(b"later"))));
    assert_eq!(answer.expect(200).json()["manifests"][0]["digest"], *digest(&early));
}

#[test]
fn the_catalog_lists_repositories_page_by_page() {
    let registry = Registry::start();
    for name in ["b/c", "a", "b"] {
        push_image(&registry, name, "v1", "");
    }
    push_blob(&registry, "only-a-blob", b"x");
    let all = registry.ask(Request::get("/v2/_catalog")).expect(200);
    assert_eq!(all.json()["repositories"], serde_json::json!(["a", "b", "b/c"]));
    let page = registry.ask(Request::get("/v2/_catalog?n=2")).expect(200);
    assert_eq!(page.must("link"), "</v2/_catalog?n=2&last=b>; rel=\"next\"");
    let last = registry.ask(Request::get("/v2/_catalog?n=2&last=b")).expect(200);
    assert_eq!(last.json()["repositories"], serde_json::json!(["b/c"]));
}
