//! Manifests as data: good, confused, broken.

use super::*;

fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

fn manifest(extra: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"x/config","digest":"{}","size":1}},
        "layers":[{{"mediaType":"x/layer","digest":"{}","size":2}}]{extra}}}"#,
        digest("c"),
        digest("l")
    )
}

#[test]
fn what_is_needed_is_found() {
    let found = examine(Some(media::MANIFEST), manifest("").as_bytes()).expect("good");
    assert_eq!(found.artifact_type.as_deref(), Some("x/config"));
    let needed: Vec<&Digest> = found.blobs.iter().map(|blob| &blob.digest).collect();
    assert_eq!(needed, [&digest("c"), &digest("l")]);
    let extra = format!(
        r#","mediaType":"{}","artifactType":"x/sbom","subject":{{"mediaType":"a","digest":"{}","size":1}}"#,
        media::MANIFEST,
        digest("s")
    );
    let found = examine(None, manifest(&extra).as_bytes()).expect("good");
    assert_eq!(found.artifact_type.as_deref(), Some("x/sbom"));
    assert_eq!(found.subject, Some(digest("s")));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{}","size":1}}]}}"#,
        digest("m")
    );
    let found =
        examine(Some("application/vnd.oci.image.index.v1+json; charset=utf-8"), index.as_bytes());
    assert_eq!(found.expect("good").manifests[0].digest, digest("m"));
}

#[test]
fn foreign_layers_are_not_needed() {
    let text = manifest("")
        .replace("x/layer", media::DOCKER_LAYER)
        .replace(media::DOCKER_LAYER, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    let found = examine(Some(media::MANIFEST), text.as_bytes()).expect("good");
    assert_eq!(found.blobs.len(), 1);
}

#[test]
fn what_is_confused_or_broken_is_refused() {
    let check = |kind: Option<&str>, text: &str| {
        let problem = examine(kind, text.as_bytes()).expect_err("refused");
        assert_eq!(problem.code, "MANIFEST_INVALID", "{text}");
    };
    check(Some(media::INDEX), &manifest(""));
    check(Some(media::MANIFEST), &manifest(r#","mediaType":"other""#));
    check(Some(media::MANIFEST), &manifest(r#","manifests":[]"#));
    check(Some(media::MANIFEST), "{");
    check(Some(media::MANIFEST), &manifest("").replace("sha256:", "sha256:../"));
    check(Some("text/plain"), &manifest(""));
    check(None, &manifest(""));
    check(None, "[]");
    check(Some("application/vnd.docker.distribution.manifest.v1+json"), r#"{"schemaVersion":1}"#);
    let layer = format!(r#"{{"mediaType":"x","digest":"{}","size":1}},"#, digest("l"));
    let many = layer.repeat(Limits::DEFAULT.layers + 1);
    check(
        Some(media::MANIFEST),
        &manifest("").replace("\"layers\":[", &format!("\"layers\":[{many}")),
    );
}
