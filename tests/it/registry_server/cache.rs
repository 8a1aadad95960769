//! `teu registry` as the cache of other registries, with other people's clients: an upstream is read
//! through it by every way of naming it, and goes on when the upstream is gone. Issue 3, section 2.

use crate::distribution::http::Request;
use crate::distribution::server::Registry;
use crate::distribution::{code, digest};
use crate::peers::{Daemon, own_locks, succeed};
use crate::registry::{Registry as Debians, skopeo};
use crate::world::{World, image_archive};
use std::path::Path;
use std::process::Command;

/// A cache of upstreams, each as lines of its table.
pub(super) fn cache(upstreams: &[&str], more: &[&str]) -> (tempfile::TempDir, Registry) {
    let dir = tempfile::Builder::new().prefix("teu-it-cache-").tempdir().expect("a folder");
    let tables = upstreams.iter().map(|lines| format!("[[upstreams]]\n{lines}\n"));
    let path = dir.path().join("registry.toml");
    std::fs::write(&path, tables.collect::<String>()).expect("writes");
    let mut arguments = vec!["--config", path.to_str().expect("a plain path")];
    arguments.extend(more);
    let registry = Registry::with(&arguments);
    (dir, registry)
}

/// The upstream `hub`, which is `docker.io` to those who ask.
pub(super) fn hub(host: &str, more: &str) -> String {
    format!("name = \"hub\"\nregistry = \"docker.io\"\nlocation = \"{host}\"\n{more}\n")
}

/// Debian's registry with busybox, as Docker's own has it.
fn upstream() -> Debians {
    let upstream = Debians::start();
    let from = format!("docker-archive:{}", image_archive("busybox").display());
    let to = format!("docker://{}/library/busybox:latest", upstream.host());
    skopeo(&["copy", "-q", "--dest-tls-verify=false", &from, &to]);
    upstream
}

/// The address that is the mirror.
fn mirror_of(registry: &Registry) -> String {
    let out = std::fs::read_to_string(registry.root().join("registry.out")).expect("it says so");
    let line = out.lines().find_map(|line| line.strip_prefix("mirror of docker.io on "));
    line.expect("it has a mirror").to_owned()
}

const TAG: &str = "/v2/hub/library/busybox/manifests/latest";

#[test]
fn skopeo_reads_through_it_and_on_when_the_upstream_is_gone() {
    let upstream = upstream();
    let (_dir, cache) =
        cache(&[&hub(&upstream.host(), "tag-seconds = 0\nabsent-seconds = 0")], &[]);
    let there = format!("docker://{}/library/busybox", upstream.host());
    let here = format!("docker://{}/hub/library/busybox", cache.address);
    let raw = |name: &str| skopeo(&["inspect", "--raw", "--tls-verify=false", name]);
    assert_eq!(raw(&here), raw(&there));
    let copy = |name: &str| {
        let to = format!("dir:{}/{name}", cache.root().display());
        let copy = ["copy", "-q", "--preserve-digests", "--src-tls-verify=false"];
        skopeo(&[&copy[..], &[&here, &to]].concat());
    };
    copy("first");
    let tags = skopeo(&["list-tags", "--tls-verify=false", &here]);
    assert!(tags.contains("\"latest\""), "{tags}");
    // What is somebody else's is read here, and nothing more.
    let refused = cache.ask(Request::post("/v2/hub/library/busybox/blobs/uploads/")).expect(405);
    assert_eq!(code(&refused), "UNSUPPORTED");
    cache.ask(Request::put(TAG).body(b"{}")).expect(405);
    cache.ask(Request::get("/v2/hub/library/none/manifests/latest")).expect(404);
    assert!(cache.ask(Request::get(TAG)).expect(200).header("warning").is_none());
    drop(upstream);
    copy("second");
    let stale = cache.ask(Request::get(TAG)).expect(200);
    assert!(stale.must("warning").starts_with("299 - \"stale: "), "{:?}", stale.headers);
    let found = stale.must("docker-content-digest");
    let pinned = format!("/v2/hub/library/busybox/manifests/{found}");
    assert!(cache.ask(Request::get(&pinned)).expect(200).header("warning").is_none());
    let tags = cache.ask(Request::get("/v2/hub/library/busybox/tags/list")).expect(200);
    assert_eq!(tags.json()["tags"], serde_json::json!(["latest"]));
    assert!(tags.header("warning").is_some());
    let none = cache.ask(Request::get("/v2/hub/library/none/manifests/latest")).expect(502);
    assert_eq!(code(&none), "UNAVAILABLE");
}

#[test]
fn containerds_way_and_bare_names_lead_to_the_same_repository() {
    let upstream = upstream();
    let (_dir, cache) = cache(&[&hub(&upstream.host(), "listen = [\"127.0.0.1:0\"]")], &[]);
    let wanted = cache.ask(Request::get(TAG)).expect(200).body;
    let same = |address: &str, path: &str| {
        let found = Request::get(path).send(address).expect(200);
        assert_eq!(digest(&found.body), digest(&wanted), "{path}");
    };
    let mirror = mirror_of(&cache);
    same(&cache.address, "/v2/hub/busybox/manifests/latest");
    same(&cache.address, "/v2/library/busybox/manifests/latest?ns=docker.io");
    same(&mirror, "/v2/library/busybox/manifests/latest?ns=docker.io");
    same(&mirror, "/v2/library/busybox/manifests/latest");
    let tags = cache.ask(Request::get("/v2/library/busybox/tags/list?ns=docker.io")).expect(200);
    assert_eq!(tags.json()["name"], "library/busybox");
    // All of them are one, and the mirror shows no other.
    let catalog = |address: &str| Request::get("/v2/_catalog").send(address).json();
    crate::distribution::push_image(&cache, "own/app", "v1", "");
    let cached = serde_json::json!(["hub/library/busybox"]);
    assert_eq!(catalog(&mirror)["repositories"], cached);
    let all = serde_json::json!(["hub/library/busybox", "own/app"]);
    assert_eq!(catalog(&cache.address)["repositories"], all);
    Request::get("/v2/own/app/manifests/v1").send(&mirror).expect(404);
    Request::post("/v2/own/app/blobs/uploads/").send(&mirror).expect(405);
    cache.ask(Request::get("/v2/library/busybox/manifests/latest")).expect(404);
}

#[test]
fn dockerd_pulls_from_docker_hub_through_its_mirror() {
    let upstream = upstream();
    let (_dir, cache) = cache(&[&hub(&upstream.host(), "listen = [\"127.0.0.1:0\"]")], &[]);
    let mirror = format!("http://{}", mirror_of(&cache));
    let daemon = Daemon::with(cache.root(), &["--registry-mirror", &mirror]);
    succeed(&mut daemon.docker(&["pull", "-q", "busybox"]));
    let id = |name: &str| succeed(&mut daemon.docker(&["image", "inspect", "-f", "{{.Id}}", name]));
    let first = id("busybox");
    succeed(&mut daemon.docker(&["rmi", "-f", "busybox"]));
    drop(upstream);
    succeed(&mut daemon.docker(&["pull", "-q", "busybox"]));
    assert_eq!(id("busybox"), first);
    assert!(cache.ask(Request::get("/v2/_catalog")).text().contains("hub/library/busybox"));
}

/// podman or buildah whose docker.io is the cache.
fn containers(program: &str, root: &Path, cache: &Registry, arguments: &[&str]) -> Command {
    let dir = |name: &str| root.join(name).display().to_string();
    let conf = format!(
        "[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:1\"\ninsecure = true\n[[registry.mirror]]\nlocation = \"{}/hub\"\ninsecure = true\n",
        cache.address
    );
    std::fs::write(root.join("registries.conf"), conf).expect("writes");
    let mut command = Command::new(program);
    command.args(["--root", &dir("storage"), "--runroot", &dir("storage-run")]);
    command.args(["--storage-driver", "vfs"]);
    if program == "podman" {
        command.args(["--tmpdir", &dir("storage-tmp")]).env("CONTAINERS_CONF", own_locks(root));
    }
    command.args(arguments);
    command.env("CONTAINERS_REGISTRIES_CONF", root.join("registries.conf"));
    command
}

#[test]
fn podman_and_buildah_have_it_as_a_mirror() {
    let upstream = upstream();
    let (dir, cache) = cache(&[&hub(&upstream.host(), "tag-seconds = 0")], &[]);
    for program in ["podman", "buildah"] {
        let run = |arguments: &[&str]| containers(program, dir.path(), &cache, arguments);
        let id = succeed(&mut run(&["pull", "-q", "docker.io/library/busybox"]));
        succeed(&mut run(&["rmi", "-a", "-f"]));
        assert_eq!(id.len(), 64, "{id}");
    }
    drop(upstream);
    let run = |arguments: &[&str]| containers("buildah", dir.path(), &cache, arguments);
    succeed(&mut run(&["pull", "-q", "docker.io/library/busybox"]));
    succeed(&mut run(&["rmi", "-a", "-f"]));
}

#[test]
fn one_setting_brings_pulls_and_builds_through_it() {
    let upstream = upstream();
    let (_dir, cache) = cache(&[&hub(&upstream.host(), "tag-seconds = 0")], &[]);
    let mirrored = |world: &World| {
        world.registries(&format!(
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:1\"\n[[registry.mirror]]\nlocation = \"{}/hub\"\n",
            cache.address
        ));
    };
    let world = World::empty();
    mirrored(&world);
    world.file("ctx/Dockerfile", "FROM busybox\nRUN echo through > /it\n");
    let context = world.root().join("files/ctx").display().to_string();
    world.teu(["build", "-q", "-t", "app", &context]).ok();
    let run = ["run", "--rm", "--network=none", "app", "cat", "/it"];
    assert_eq!(world.teu(run).ok(), "through");
    drop(upstream);
    // Another machine, which has nothing yet.
    let other = World::empty();
    mirrored(&other);
    other.line("pull -q busybox").ok();
    other.file("ctx/Dockerfile", "FROM busybox\nRUN echo again > /it\n");
    let context = other.root().join("files/ctx").display().to_string();
    other.teu(["build", "-q", "--pull", "-t", "app", &context]).ok();
    assert_eq!(other.teu(run).ok(), "again");
}
