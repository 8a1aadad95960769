//! A policy that wants signatures: checked before a byte of the image is fetched, and understood by
//! skopeo, too.

use crate::registry::Registry;
use crate::world::World;
use std::path::Path;
use std::process::Command;

pub fn keys(folder: &Path, name: &str, algorithm: &[&str]) {
    let private = folder.join(format!("{name}.key"));
    let public = folder.join(format!("{name}.pub"));
    let (private, public) = (private.display().to_string(), public.display().to_string());
    let make = [&["genpkey", "-out", &private][..], algorithm].concat();
    for args in [&make[..], &["pkey", "-in", &private, "-pubout", "-out", &public]] {
        let output = Command::new("openssl").args(args).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn signatures_are_asked_for() {
    let registry = Registry::start();
    let world = World::busybox();
    let host = registry.host();
    let folder = world.root().join("keys");
    std::fs::create_dir_all(&folder).expect("creates");
    keys(&folder, "ec", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    keys(&folder, "ed", &["-algorithm", "ED25519"]);
    keys(&folder, "other", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let file = |name: &str| folder.join(name).display().to_string();
    let place = |name: &str| format!("docker://{host}/{name}");
    for (name, key) in [("ec", "ec"), ("ed", "ed"), ("stranger", "other")] {
        let flag = format!("--sign-by-sigstore-private-key={}", file(&format!("{key}.key")));
        world.teu(["copy", "-q", &flag, "busybox", &place(&format!("{name}:1"))]).ok();
    }
    world.teu(["copy", "-q", "busybox", &place("unsigned:1")]).ok();
    let flag = format!("--sign-by-sigstore-private-key={}", file("ec.key"));
    let name = format!("--sign-identity={host}/elsewhere:1");
    world.teu(["copy", "-q", &flag, &name, "busybox", &place("renamed:1")]).ok();

    let policy = serde_json::json!({
        "default": [{"type": "reject"}],
        "transports": {"docker": {host.clone(): [{
            "type": "sigstoreSigned", "keyPath": file("ec.pub"),
        }], format!("{host}/ed"): [{
            "type": "sigstoreSigned", "keyPath": file("ed.pub"),
            "signedIdentity": {"type": "matchRepository"},
        }]}},
    });
    let policy_file = world.file("policy.json", &policy.to_string());
    let there = World::empty();
    let pull = |name: &str| {
        let mut command = there.command(["pull", "-q", &format!("{host}/{name}")]);
        let output = command.env("TEU_POLICY", &policy_file).output().expect("it starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, expected) in [
        ("unsigned:1", "is refused by the policy: it has no signature"),
        ("stranger:1", "made by another key, or for another statement"),
        ("renamed:1", "which is another name"),
    ] {
        let (ok, err) = pull(name);
        assert!(!ok && err.contains(expected), "{name}: {err}");
        assert_eq!(there.line("images -q").ok(), "");
    }
    // Not even a layer was fetched.
    let layers = there.root().join("images/blobs/sha256");
    assert_eq!(std::fs::read_dir(layers).expect("a directory").count(), 0);
    for name in ["ec:1", "ed:1"] {
        let (ok, err) = pull(name);
        assert!(ok, "{name}: {err}");
    }
    // Copies and builds are held to it, too.
    let nowhere = there.root().join("nowhere");
    let layout = format!("oci:{}", nowhere.display());
    let mut command = there.command(["copy", "-q", &place("unsigned:1"), &layout]);
    let output = command.env("TEU_POLICY", &policy_file).output().expect("it starts");
    assert!(!output.status.success() && !nowhere.exists());
    let dockerfile = there.file("Dockerfile", &format!("FROM {host}/stranger:1\n"));
    let folder_of = dockerfile.parent().expect("it lies in one");
    let mut command = there.command(["build", "-q", &folder_of.display().to_string()]);
    let output = command.env("TEU_POLICY", &policy_file).output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && err.contains("is refused by the policy"), "{err}");
    openssl_agrees(&world, &registry, &file("ec.pub"));
}

/// Debian's skopeo has no sigstore; the signature itself is openssl's to judge.
fn openssl_agrees(world: &World, registry: &Registry, key: &str) {
    let host = registry.host();
    let place = |name: &str| format!("docker://{host}/{name}");
    let digest = world.teu(["inspect", "-n", "-f", "{{.Digest}}", &place("ec:1")]).ok();
    let tag = format!("ec:{}.sig", digest.replace(':', "-"));
    let to = world.root().join("signature");
    world.teu(["copy", "-q", &place(&tag), &format!("dir:{}", to.display())]).ok();
    let manifest = std::fs::read(to.join("manifest.json")).expect("reads");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let hex = layer["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
    let payload = to.join(hex);
    let stated: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&payload).expect("reads")).expect("JSON");
    assert_eq!(stated["critical"]["image"]["docker-manifest-digest"], digest.as_str());
    let base64 = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str();
    std::fs::write(to.join("sig64"), base64.expect("a signature")).expect("writes");
    let (encoded, decoded) = (to.join("sig64"), to.join("sig"));
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let text = |path: &Path| path.display().to_string();
    run(&["base64", "-d", "-A", "-in", &text(&encoded), "-out", &text(&decoded)]);
    run(&["dgst", "-sha256", "-verify", key, "-signature", &text(&decoded), &text(&payload)]);
}
