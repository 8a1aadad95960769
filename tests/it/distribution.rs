//! The conformance workflows of the OCI distribution specification 1.1, written from its text
//! against `teu registry`: pull, push, content discovery, content management. Tests bear the number
//! of the endpoint (`end-N`) or the section they check.

mod discovery;
pub mod http;
mod management;
mod pull;
mod push;
pub mod server;

use http::{Answer, Request};
use server::Registry;

/// A digest of bytes.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let sum = sha2::Sha256::digest(bytes);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The only code of an error.
#[track_caller]
pub fn code(answer: &Answer) -> String {
    let document: serde_json::Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|e| panic!("{e}: {} {}", answer.status, answer.text()));
    document["errors"][0]["code"].as_str().expect("a code").to_owned()
}

/// Pushes a blob in one go.
pub fn push_blob(registry: &Registry, name: &str, content: &[u8]) -> String {
    let digest = digest(content);
    let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
    let answer = registry.ask(Request::post(&path).body(content));
    assert_eq!(answer.status, 201, "{}", answer.text());
    digest
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A manifest over a configuration and one layer, with more fields.
pub fn manifest(config: &[u8], layer: &[u8], extra: &str) -> Vec<u8> {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]{extra}}}"#,
        digest(config),
        config.len(),
        digest(layer),
        layer.len()
    )
    .into_bytes()
}

/// Pushes an image of two blobs under a reference; gives its manifest.
pub fn push_image(registry: &Registry, name: &str, reference: &str, extra: &str) -> Vec<u8> {
    let (config, layer) = (b"{}".as_slice(), b"layer".as_slice());
    push_blob(registry, name, config);
    push_blob(registry, name, layer);
    let manifest = manifest(config, layer, extra);
    let reference = if reference == "digest" { digest(&manifest) } else { reference.to_owned() };
    put_manifest(registry, name, &reference, (MANIFEST, &manifest)).expect(201);
    manifest
}

/// Puts a manifest.
pub fn put_manifest(
    registry: &Registry,
    name: &str,
    reference: &str,
    (kind, bytes): (&str, &[u8]),
) -> Answer {
    let path = format!("/v2/{name}/manifests/{reference}");
    registry.ask(Request::put(&path).header("Content-Type", kind).body(bytes))
}
