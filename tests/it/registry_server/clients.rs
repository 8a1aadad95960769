//! Other people's clients push to `teu registry`, pull from it, and copy between.

use crate::distribution::server::Registry;
use crate::distribution::{
    EMPTY, INDEX, MANIFEST, digest, manifest, push_blob, push_image, put_manifest,
};
use crate::peers::{Daemon, own_locks, succeed};
use crate::world::image_archive;
use std::path::Path;
use std::process::Command;

fn skopeo(arguments: &[&str]) -> Command {
    let mut command = Command::new("skopeo");
    command.args(arguments);
    command
}

fn copy(arguments: &[&str]) {
    let flags = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    succeed(skopeo(&flags).args(arguments));
}

/// The digest skopeo finds behind a name.
fn digest_at(name: &str) -> String {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", name]).output().expect("starts");
    assert!(raw.status.success(), "{}", String::from_utf8_lossy(&raw.stderr));
    digest(&raw.stdout)
}

#[test]
fn skopeo_copies_both_ways_and_between_repositories() {
    let registry = Registry::start();
    let at = |name: &str| format!("docker://{}/{name}", registry.address);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    copy(&[&busybox, &at("team/busybox:1")]);
    let layout = format!("oci:{}/layout:x", registry.root().display());
    copy(&[&at("team/busybox:1"), &layout]);
    copy(&["--preserve-digests", &at("team/busybox:1"), &at("other:2")]);
    assert_eq!(digest_at(&at("other:2")), digest_at(&at("team/busybox:1")));
    let tags = succeed(&mut skopeo(&["list-tags", "--tls-verify=false", &at("team/busybox")]));
    assert!(tags.contains("\"1\""), "{tags}");
    succeed(&mut skopeo(&["delete", "--tls-verify=false", &at("other:2")]));
    let gone = skopeo(&["inspect", "--tls-verify=false", &at("other:2")]).output().expect("starts");
    assert!(!gone.status.success());
}

#[test]
fn skopeo_copies_an_index_of_two_platforms_and_zstd_layers() {
    let registry = Registry::start();
    let at = |name: &str| format!("docker://{}/{name}", registry.address);
    push_blob(&registry, "multi", b"layer");
    let mut entries = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            digest(b"layer")
        );
        push_blob(&registry, "multi", config.as_bytes());
        let manifest = manifest(config.as_bytes(), b"layer", "");
        put_manifest(&registry, "multi", &digest(&manifest), (MANIFEST, &manifest)).expect(201);
        entries.push(format!(
            r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":{},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#,
            digest(&manifest),
            manifest.len()
        ));
    }
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
        entries.join(",")
    );
    put_manifest(&registry, "multi", "v1", (INDEX, index.as_bytes())).expect(201);
    let layout = format!("oci:{}/layout:x", registry.root().display());
    copy(&["--all", "--preserve-digests", &at("multi:v1"), &layout]);
    copy(&["--all", "--preserve-digests", &layout, &at("again:v1")]);
    assert_eq!(digest_at(&at("again:v1")), digest(index.as_bytes()));
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    copy(&["--format", "oci", "--dest-compress-format", "zstd", &busybox, &at("zstd:1")]);
    let raw = succeed(&mut skopeo(&["inspect", "--raw", "--tls-verify=false", &at("zstd:1")]));
    assert!(raw.contains("tar+zstd"), "{raw}");
    let plain = format!("dir:{}/dir", registry.root().display());
    copy(&[&at("zstd:1"), &plain]);
}

#[test]
fn an_artifact_with_its_referrer_is_copied_unchanged() {
    let (registry, other) = (Registry::start(), Registry::start());
    let image = push_image(&registry, "a", "v1", "");
    push_blob(&registry, "a", b"sbom");
    let subject = format!(
        r#""subject":{{"mediaType":"{MANIFEST}","digest":"{}","size":{}}}"#,
        digest(&image),
        image.len()
    );
    let artifact = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"x/sbom","config":{{"mediaType":"{EMPTY}","digest":"{}","size":2}},"layers":[{{"mediaType":"text/sbom","digest":"{}","size":4}}],{subject}}}"#,
        digest(b"{}"),
        digest(b"sbom")
    );
    put_manifest(&registry, "a", "sbom", (MANIFEST, artifact.as_bytes())).expect(201);
    let (from, to) = (&registry.address, &other.address);
    let (from, to) = (format!("docker://{from}/a:sbom"), format!("docker://{to}/b:sbom"));
    copy(&["--preserve-digests", &from, &to]);
    assert_eq!(digest_at(&to), digest(artifact.as_bytes()));
    let path = format!("/v2/b/referrers/{}?artifactType=x/sbom", digest(&image));
    let found = other.ask(crate::distribution::http::Request::get(&path)).expect(200).json();
    assert_eq!(found["manifests"][0]["digest"], *digest(artifact.as_bytes()));
}

/// podman or buildah with folders of their own.
fn rootful(program: &str, root: &Path, arguments: &[&str]) -> Command {
    let dir = |name: &str| root.join(name).display().to_string();
    let mut command = Command::new(program);
    command.args(["--root", &dir("storage"), "--runroot", &dir("storage-run")]);
    command.args(["--storage-driver", "vfs"]);
    if program == "podman" {
        command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        command.args(["--tmpdir", &dir("storage-tmp")]).env("CONTAINERS_CONF", own_locks(root));
    }
    command.args(arguments);
    command
}

#[test]
fn podman_pushes_and_pulls() {
    let registry = Registry::start();
    let podman = |arguments: &[&str]| rootful("podman", registry.root(), arguments);
    succeed(podman(&["load", "-q", "-i"]).arg(image_archive("busybox")));
    let name = format!("{}/team/busybox:v1", registry.address);
    succeed(&mut podman(&["push", "-q", "--tls-verify=false", "busybox", &name]));
    let before = succeed(&mut podman(&["image", "inspect", "-f", "{{.Id}}", "busybox"]));
    succeed(&mut podman(&["rmi", "-a", "-f"]));
    succeed(&mut podman(&["pull", "-q", "--tls-verify=false", &name]));
    let after = succeed(&mut podman(&["image", "inspect", "-f", "{{.Id}}", &name]));
    assert_eq!(before, after);
    succeed(&mut podman(&["system", "reset", "-f"]));
}

#[test]
fn buildah_pushes_and_pulls() {
    let registry = Registry::start();
    let buildah = |arguments: &[&str]| rootful("buildah", registry.root(), arguments);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    succeed(&mut buildah(&["pull", "-q", &busybox]));
    let name = format!("docker://{}/team/busybox:v1", registry.address);
    succeed(&mut buildah(&["push", "-q", "--tls-verify=false", "busybox", &name]));
    succeed(&mut buildah(&["rmi", "-a", "-f"]));
    let id = succeed(&mut buildah(&["pull", "-q", "--tls-verify=false", &name]));
    assert_eq!(id.len(), 64, "{id}");
    succeed(&mut buildah(&["rmi", "-a", "-f"]));
}

#[test]
fn dockerd_pushes_and_pulls() {
    let registry = Registry::start();
    let daemon = Daemon::with(registry.root(), &[]);
    succeed(daemon.docker(&["load", "-q", "-i"]).arg(image_archive("busybox")));
    let name = format!("{}/team/busybox:v1", registry.address);
    succeed(&mut daemon.docker(&["tag", "busybox", &name]));
    succeed(&mut daemon.docker(&["push", "-q", &name]));
    let again = format!("{}/other:v2", registry.address);
    succeed(&mut daemon.docker(&["tag", "busybox", &again]));
    let mounted = succeed(&mut daemon.docker(&["push", &again]));
    assert!(mounted.contains("Mounted from team/busybox"), "{mounted}");
    let before = succeed(&mut daemon.docker(&["image", "inspect", "-f", "{{.Id}}", "busybox"]));
    succeed(&mut daemon.docker(&["rmi", "-f", &name, &again, "busybox"]));
    succeed(&mut daemon.docker(&["pull", "-q", &name]));
    let after = succeed(&mut daemon.docker(&["image", "inspect", "-f", "{{.Id}}", &name]));
    assert_eq!(before, after);
}
