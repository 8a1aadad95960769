//! What Go itself writes: objects of every kind with every field filled, from the tests of `k8s.io/api`
//! as Debian ships them (`scripts/trixie golang-k8s-api-dev`).

use serde_json::Value;
use std::path::{Path, PathBuf};
use teu_kubernetes::protobuf;

fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let clients = std::env::var_os("TEU_TEST_CLIENTS")
        .map_or_else(|| root.join(".cache/clients"), PathBuf::from);
    let folder = clients.join("trixie/usr/share/gocode/src/k8s.io/api/testdata/HEAD");
    if !folder.is_dir() {
        #[expect(clippy::print_stderr, reason = "a test that is not run says so")]
        {
            eprintln!("no {}: not tried", folder.display());
        }
        return None;
    }
    Some(folder)
}

/// Objects of stable kinds: name, JSON, protobuf.
fn objects(folder: &Path) -> Vec<(String, Value, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "pb") {
            continue;
        }
        let json = std::fs::read(path.with_extension("json")).expect("JSON beside it");
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        if protobuf::is_known(&text("apiVersion"), &text("kind")) {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            all.push((name, json, std::fs::read(&path).expect("bytes")));
        }
    }
    all
}

#[test]
fn what_go_wrote_is_read() {
    let Some(folder) = folder() else { return };
    let objects = objects(&folder);
    assert!(objects.len() > 60, "{}", objects.len());
    for (name, json, bytes) in objects {
        let read = protobuf::decode(&bytes, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read == json, "{name}\n{read:#}\n{json:#}");
    }
}

#[test]
fn what_is_written_is_what_go_writes() {
    let Some(folder) = folder() else { return };
    for (name, json, bytes) in objects(&folder) {
        let written = protobuf::encode(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(written == bytes, "{name}: {} bytes, Go has {}", written.len(), bytes.len());
    }
}
