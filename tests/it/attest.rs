//! What is said about an image beside it: made by `teu build`, pushed along, listed by registries,
//! copied between all kinds of storage that can hold it. Issue 3, part 1.

use crate::distribution::http::Request;
use crate::distribution::server::Registry as Own;
use crate::registry::{Registry, skopeo};
use crate::remote_trust::keys;
use crate::world::World;
use serde_json::Value;

const DOCKERFILE: &str = "FROM debian AS tools\nARG WORD=none\nRUN echo $WORD > /word\nFROM busybox\nCOPY --from=tools /word /word\nCOPY --from=tools /var/lib/dpkg/status /var/lib/dpkg/status\nCOPY site /opt/venv/lib/site\n";

/// A home with an image that has attestations.
fn built(name: &str) -> World {
    let world = World::busybox();
    world.load("debian");
    world.file("app/Dockerfile", DOCKERFILE);
    let metadata = "Metadata-Version: 2.1\nName: Flask_Thing\nVersion: 2.0\nLicense: BSD\n\nText";
    world.file("app/site/flask_thing-2.0.dist-info/METADATA", metadata);
    let folder = world.root().join("files/app");
    let folder = folder.to_str().expect("a plain path");
    let args = ["--attest", "type=provenance,mode=max", "--sbom", "true"];
    let more = ["--build-arg", "WORD=secretive", "--source-date-epoch", "1700000000"];
    let fixed = ["build", "-q", "-t", name];
    world.teu([&fixed[..], &args, &more, &[folder]].concat()).ok();
    world
}

fn referrers(world: &World, place: &str) -> Vec<String> {
    let said = world.teu(["image", "referrers", "-q", "--no-trunc", place]).ok();
    let mut found: Vec<String> = said.lines().map(str::to_owned).collect();
    found.sort();
    found
}

fn predicate(world: &World, place: &str, kind: &str) -> Value {
    let text = world.teu(["image", "referrers", "--predicate", kind, place]).ok();
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn a_build_says_what_it_made_and_from_what() {
    let world = built("app:1");
    let provenance = predicate(&world, "app:1", "provenance");
    let definition = &provenance["buildDefinition"];
    let names: Vec<&str> = definition["resolvedDependencies"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["uri"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "pkg:docker/busybox@latest?platform=linux%2Famd64",
            "pkg:docker/debian@latest?platform=linux%2Famd64"
        ]
    );
    let base = world.teu(["inspect", "-f", "{{.Descriptor.digest}}", "debian"]).ok();
    let stated = definition["resolvedDependencies"][1]["digest"]["sha256"].as_str();
    assert_eq!(stated.map(|hex| format!("sha256:{hex}")), Some(base));
    assert_eq!(definition["externalParameters"]["request"]["args"]["WORD"], "secretive");
    let sbom = predicate(&world, "app:1", "sbom");
    assert_eq!(sbom["spdxVersion"], "SPDX-2.3");
    let text = sbom.to_string();
    assert!(text.contains("pkg:deb/") && text.contains("\"adduser\""), "{text}");
    assert!(text.contains("pkg:pypi/flask-thing@2.0"), "{text}");
    // The same things give the same statements, anywhere.
    let again = built("app:1");
    assert_eq!(referrers(&world, "app:1"), referrers(&again, "app:1"));
    assert_eq!(referrers(&world, "app:1").len(), 2);
    // With less detail, no value of a build argument is told; it replaces what was said before.
    let folder = world.root().join("files/app");
    let folder = folder.to_str().expect("a plain path");
    let arg = ["--build-arg", "WORD=secretive", "--source-date-epoch", "1700000000"];
    let fixed = ["build", "-q", "-t", "app:1", "--provenance", "true"];
    world.teu([&fixed[..], &arg, &[folder]].concat()).ok();
    assert_eq!(referrers(&world, "app:1").len(), 2);
    let text = predicate(&world, "app:1", "provenance").to_string();
    assert!(!text.contains("secretive"), "{text}");
    let shown = world.teu(["inspect", "-f", "{{len .Referrers}}", "app:1"]).ok();
    assert_eq!(shown, "2");
    let err = world.teu(["build", "--sbom", "generator=x/y", folder]).fails(1);
    assert!(err.contains("without a generator image"), "{err}");
    // What is said about an image goes with it, and stays with it.
    let blobs =
        || std::fs::read_dir(world.root().join("images/blobs/sha256")).expect("a folder").count();
    world.teu(["image", "prune", "-f"]).ok();
    assert_eq!(referrers(&world, "app:1").len(), 2);
    let before = blobs();
    world.teu(["rmi", "app:1"]).ok();
    // Manifest, configuration, two layers at least, and four documents of attestations.
    assert!(blobs() + 6 <= before, "{before} {}", blobs());
    assert_eq!(
        std::fs::read_dir(world.root().join("images/referrers")).expect("it is there").count(),
        0
    );
}

/// Layers are packed for a registry, so that the image has another digest there: what is said must
/// be about that one. From there on nothing changes.
#[test]
fn they_go_along() {
    let (own, debian) = (Own::start(), Registry::start());
    let world = built("app:1");
    for host in [own.address.clone(), debian.host()] {
        let name = format!("{host}/team/app:1");
        world.teu(["tag", "app:1", &name]).ok();
        world.teu(["push", "-q", &name]).ok();
        let place = format!("docker://{name}");
        let there = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &place]);
        let index = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]);
        let index: Value = serde_json::from_str(&index).expect("it is JSON");
        let image = index["manifests"][0]["digest"].as_str().expect("an image").to_owned();
        let found = referrers(&world, &place);
        assert_eq!(found.len(), 2);
        for digest in &found {
            let at = format!("docker://{host}/team/app@{digest}");
            let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &at]);
            let manifest: Value = serde_json::from_str(&raw).expect("it is JSON");
            assert_eq!(manifest["subject"]["digest"], image.as_str());
            assert_eq!(manifest["artifactType"], "application/vnd.in-toto+json");
        }
        assert_eq!(predicate(&world, &place, "sbom"), predicate(&world, "app:1", "sbom"));
        if host == own.address {
            let path = format!("/v2/team/app/referrers/{image}");
            let listed = own.ask(Request::get(&path)).expect(200).json();
            assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(2), "{listed}");
        }
        // Through a layout and an archive into another store, and to a registry again.
        let file =
            |name: &str| world.root().join(format!("files/{name}-{}", host.replace(':', "-")));
        let layout = format!("oci:{}:app:1", file("layout").display());
        let archive = format!("oci-archive:{}:app:1", file("archive").display());
        let other = World::empty();
        let back = format!("docker://{host}/back:1");
        for (from, to) in [
            (place.as_str(), layout.as_str()),
            (&layout, &archive),
            (&archive, "kept:1"),
            ("kept:1", &back),
        ] {
            let whole = ["copy", "-q", "--all", "--referrers", "--preserve-digests", from, to];
            let said = other.teu(whole).ok();
            assert_eq!(said, there, "{from} {to}");
            assert_eq!(referrers(&other, to), found, "{from} {to}");
        }
        assert_eq!(skopeo(&["inspect", "--format", "{{.Digest}}", &layout]), there);
        let left = format!("docker://{host}/left:1");
        other.teu(["push", "-q", "--referrers=false", "kept:1"]).fails(1);
        other.teu(["copy", "-q", &place, &left]).ok();
        assert!(referrers(&other, &left).is_empty());
        let refused = format!("dir:{}", other.root().join("refused").display());
        let err = other.teu(["copy", "--referrers", &place, &refused]).fails(1);
        assert!(err.contains("referrers cannot be kept"), "{err}");
    }
}

/// Signatures lie under a tag of cosign's, and are still good after the copies.
#[test]
fn signatures_go_along() {
    let (own, debian) = (Own::start(), Registry::start());
    let world = World::busybox();
    let folder = world.root().join("keys");
    std::fs::create_dir_all(&folder).expect("creates");
    keys(&folder, "ec", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let flag = format!("--sign-by-sigstore-private-key={}/ec.key", folder.display());
    let from = format!("docker://{}/app:1", debian.host());
    let identity = format!("--sign-identity={}/app:1", own.address);
    let digest = world.teu(["copy", "-q", &flag, &identity, "busybox", &from]).ok();
    let layout = format!("oci:{}:app:1", world.root().join("files/layout").display());
    let to = format!("docker://{}/app:1", own.address);
    for (from, to) in [(from.as_str(), layout.as_str()), (&layout, "kept:1"), ("kept:1", &to)] {
        world.teu(["copy", "-q", "--referrers", from, to]).ok();
        let said = world.teu(["image", "referrers", "--format", "{{.Tag}}", to]).ok();
        assert_eq!(said, format!("{}.sig", digest.replace(':', "-")), "{to}");
    }
    let policy = serde_json::json!({
        "default": [{ "type": "sigstoreSigned", "keyPath": folder.join("ec.pub"),
            "signedIdentity": { "type": "matchRepository" } }],
    });
    let policy = world.file("policy.json", &policy.to_string());
    let there = World::empty();
    let name = format!("{}/app:1", own.address);
    let pulled = there.command(["pull", "-q", &name]).env("TEU_POLICY", &policy).output();
    let pulled = pulled.expect("it starts");
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
}

/// What is no image is kept, shown, copied and removed, and cannot be run.
#[test]
fn artifacts_are_kept_in_the_store() {
    let registry = Own::start();
    let world = built("app:1");
    let name = format!("{}/app:1", registry.address);
    world.teu(["tag", "app:1", &name]).ok();
    world.teu(["push", "-q", &name]).ok();
    let digest = referrers(&world, &format!("docker://{name}")).remove(0);
    let from = format!("docker://{}/app@{digest}", registry.address);
    assert_eq!(world.teu(["copy", "-q", &from, "thing:1"]).ok(), digest);
    let shown = world.teu(["inspect", "-f", "{{.Id}} {{.ArtifactType}}", "thing:1"]).ok();
    assert_eq!(shown, format!("{digest} application/vnd.in-toto+json"));
    assert!(!world.teu(["images", "-q", "thing"]).ok().contains("sha256"));
    let err = world.teu(["run", "--rm", "--pull=never", "thing:1"]).fails(125);
    assert!(err.contains("artifact"), "{err}");
    let to = format!("docker://{}/other:1", registry.address);
    assert_eq!(world.teu(["copy", "-q", "thing:1", &to]).ok(), digest);
    world.teu(["rmi", "thing:1"]).ok();
    world.teu(["inspect", "thing:1"]).fails(1);
}
