//! How an image was made: SLSA provenance 1. It tells what the builder knows by itself: images and
//! downloads by digest, the Dockerfile, the target, and with `mode=max` the build arguments.

use super::purl;
use crate::request::attest::Detail;
use crate::solve::Solver;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use teu_oci::{Digest, Platform, Reference};

/// What kind of build this is: a name, behind which nobody has to be asked.
const BUILD_TYPE: &str = "urn:teu:build:dockerfile:v1";
const BUILDER: &str = "urn:teu:builder";

/// The predicate.
pub fn predicate(solver: &Solver<'_>, detail: Detail) -> Value {
    let request = solver.request;
    let source = &solver.file.source;
    let dockerfile = digest_set(&Digest::sha256(source.text().as_bytes()));
    let mut asked = Map::new();
    asked.insert("frontend".to_owned(), "dockerfile.v0".into());
    if let Some(target) = &request.target {
        asked.insert("target".to_owned(), target.as_str().into());
    }
    if detail == Detail::Max {
        let args: Map<String, Value> = request
            .build_args
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        asked.insert("args".to_owned(), Value::Object(args));
        let labels: Map<String, Value> =
            request.labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        asked.insert("labels".to_owned(), Value::Object(labels));
    }
    let secrets: Vec<Value> =
        request.secrets.iter().map(|secret| json!({ "id": secret.id, "optional": true })).collect();
    if detail == Detail::Max && !secrets.is_empty() {
        asked.insert("secrets".to_owned(), Value::Array(secrets));
    }
    let mut details = json!({ "builder": {
        "id": BUILDER, "version": { "teu": env!("CARGO_PKG_VERSION") },
    } });
    if detail == Detail::Max {
        details["byproducts"] = json!([{
            "name": source.name,
            "mediaType": "text/x-dockerfile",
            "digest": dockerfile,
            "content": STANDARD.encode(source.text()),
        }]);
    }
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": { "path": source.name, "digest": dockerfile },
                "request": asked,
            },
            "internalParameters": {
                "builderPlatform": Platform::host().to_string(),
                "platform": solver.platform.to_string(),
            },
            "resolvedDependencies": materials(solver),
        },
        "runDetails": details,
    })
}

/// What the image was made from, sorted by name.
fn materials(solver: &Solver<'_>) -> Vec<Value> {
    let mut found: Vec<(String, Digest)> = solver.fetched();
    for (name, platform, image) in solver.used_images() {
        let uri = match name.parse::<Reference>() {
            Ok(name) => purl::docker(&name, &platform),
            Err(_) => format!("urn:teu:image:{name}"),
        };
        found.push((uri, image.descriptor.digest.clone()));
    }
    found.sort();
    found.dedup();
    found.iter().map(|(uri, digest)| json!({ "uri": uri, "digest": digest_set(digest) })).collect()
}

fn digest_set(digest: &Digest) -> Value {
    json!({ digest.algorithm(): digest.hex() })
}
