//! `teu` against `teu registry`, and artifacts with referrers in both kinds of registry.

use crate::distribution::server::Registry as Own;
use crate::registry::{Registry, skopeo};
use crate::world::World;
use std::path::Path;

const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn digest(place: &str) -> String {
    skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", place])
}

#[test]
fn our_registry() {
    let registry = Own::start();
    let world = World::busybox();
    let name = format!("{}/team/bb:1", registry.address);
    world.teu(["tag", "busybox", &name]).ok();
    let first = world.teu(["push", &name]).ok();
    assert!(first.contains("Pushed"), "{first}");
    assert!(world.teu(["push", &name]).ok().contains("Layer already exists"));
    let other = format!("{}/other/bb:2", registry.address);
    world.teu(["tag", "busybox", &other]).ok();
    let mounted = world.teu(["push", &other]).ok();
    assert!(mounted.contains("Mounted from team/bb"), "{mounted}");
    let place = format!("docker://{name}");
    let wanted = digest(&place);
    let there = World::empty();
    assert!(there.teu(["pull", &name]).ok().contains(&wanted));
    assert_eq!(there.teu(["run", "--rm", "--network=none", &name, "echo", "own"]).ok(), "own");
    // Between the two kinds of registry, zstd on the way.
    let debian = Registry::start();
    let to = format!("docker://{}/bb:zstd", debian.host());
    let back = format!("docker://{}/back:1", registry.address);
    let zstd =
        world.teu(["copy", "-q", "--format", "oci", "--compression", "zstd", &place, &to]).ok();
    assert_eq!(world.teu(["copy", "-q", "--preserve-digests", &to, &back]).ok(), zstd);
    assert_eq!(digest(&back), zstd);
    let tags = world.teu(["list-tags", &format!("docker://{}/back", registry.address)]).ok();
    assert!(tags.contains("\"1\""), "{tags}");
    world.teu(["delete", &back]).ok();
    let err = world.teu(["pull", &format!("{}/back:1", registry.address)]).fails(1);
    assert!(err.contains("manifest unknown"), "{err}");
    let found =
        world.teu(["search", "--format", "{{.Name}}", &format!("{}/team", registry.address)]);
    assert_eq!(found.ok(), format!("{}/team/bb", registry.address));
}

/// A layout with an artifact about an image: an SBOM, say.
fn artifact(folder: &Path, subject: &str, size: usize) -> String {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("creates");
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("writes");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let put = |bytes: &[u8]| -> String {
        let file = folder.join("new");
        std::fs::write(&file, bytes).expect("writes");
        let sum = std::process::Command::new("sha256sum").arg(&file).output().expect("it starts");
        let hex = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
        std::fs::rename(&file, blobs.join(&hex)).expect("renames");
        format!("sha256:{hex}")
    };
    assert_eq!(put(b"{}"), EMPTY);
    let sbom = put(b"a list of packages");
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type, "artifactType": "application/spdx+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2},
        "layers": [{"mediaType": "text/spdx", "digest": sbom, "size": 18}],
        "subject": {"mediaType": media_type, "digest": subject, "size": size},
    })
    .to_string();
    let digest = put(manifest.as_bytes());
    let entry =
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": manifest.len()});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    std::fs::write(folder.join("index.json"), index).expect("writes");
    digest
}

/// An artifact is copied as it is. Where the registry keeps no list of referrers, the client does.
#[test]
fn artifacts_and_referrers() {
    let (own, debian) = (Own::start(), Registry::start());
    let world = World::busybox();
    for host in [own.address.clone(), debian.host()] {
        let image = format!("docker://{host}/app:1");
        world.teu(["copy", "-q", "--format", "oci", "busybox", &image]).ok();
        let raw = world.teu(["inspect", "--raw", &image]).out;
        let subject = digest(&image);
        let folder = world.root().join(host.replace([':', '.'], "-"));
        let wanted = artifact(&folder, &subject, raw.len());
        let place = format!("docker://{host}/app@{wanted}");
        let said = world.teu(["copy", "-q", &format!("oci:{}", folder.display()), &place]).ok();
        assert_eq!(said, wanted);
        // Out again, unchanged, and not into the store: it is no image.
        let back = format!("dir:{}", folder.join("back").display());
        assert_eq!(world.teu(["copy", "-q", &place, &back]).ok(), wanted);
        let err = world.teu(["pull", &format!("{host}/app@{wanted}")]).fails(1);
        assert!(err.contains("it is an artifact"), "{err}");
        let tag = format!("docker://{host}/app:{}", subject.replace(':', "-"));
        match host == own.address {
            true => {
                let path = format!("/v2/app/referrers/{subject}");
                let answer = own.ask(crate::distribution::http::Request::get(&path)).expect(200);
                assert!(answer.text().contains(&wanted), "{}", answer.text());
            }
            false => {
                let list = skopeo(&["inspect", "--raw", "--tls-verify=false", &tag]);
                assert!(list.contains(&wanted) && list.contains("application/spdx+json"), "{list}");
            }
        }
    }
}
