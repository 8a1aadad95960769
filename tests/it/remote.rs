//! `teu` against Debian's `docker-registry`, with skopeo as the witness. Issue 3, must show 1.

use crate::registry::{Registry, skopeo};
use crate::world::{World, image_archive};

/// What skopeo says the manifest's digest is.
fn digest(place: &str) -> String {
    skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", place])
}

#[test]
fn pushed_and_pulled() {
    let registry = Registry::start();
    let world = World::busybox();
    let name = format!("{}/team/bb:1", registry.host());
    world.teu(["tag", "busybox", &name]).ok();
    let first = world.teu(["push", &name]).ok();
    assert!(first.contains("Pushed") && first.contains("1: digest: sha256:"), "{first}");
    // The second time nothing is sent, nor packed.
    let second = world.teu(["push", &name]).ok();
    assert!(second.contains("Layer already exists"), "{second}");
    assert!(!second.contains("Compressing") && !second.contains("Pushed"), "{second}");
    let place = format!("docker://{name}");
    let digest = digest(&place);
    assert!(first.ends_with(&format!("size: {}", raw(&place).len())), "{first}");
    assert!(first.contains(&digest) && second.contains(&digest), "{first}{second}{digest}");
    // What is shown can be pulled: what the registry has, not what lies here; none of other names.
    let shown = |format: &str| world.teu(["inspect", "-f", format, &name]).ok();
    let repository = format!("{}/team/bb", registry.host());
    let known = format!("{repository}@{digest}");
    assert_eq!(shown("{{json .RepoDigests}}"), format!("[\"{known}\"]"));
    assert_ne!(shown("{{.Descriptor.digest}}"), digest);
    let listed = |of: &str| world.teu(["images", "--digests", "--format", "{{.Digest}}", of]).ok();
    assert_eq!((listed(&name), listed("busybox")), (digest.clone(), "<none>".to_owned()));
    assert_eq!(world.teu(["run", "--rm", "--network=none", &known, "echo", "known"]).ok(), "known");
    world.teu(["pull", "-q", &known]).ok();
    world.teu(["rmi", &known]).ok();
    assert_eq!(shown("{{.RepoTags}}"), format!("[{name} busybox:latest]"));
    // Forgotten with the digest alone, too; pushing tells again.
    world.teu(["rmi", &known]).ok();
    assert_eq!(shown("{{.RepoDigests}}"), "[]");
    assert_eq!(shown("{{.RepoTags}}"), format!("[{name} busybox:latest]"));
    world.teu(["push", "-q", &name]).ok();
    assert_eq!(shown("{{json .RepoDigests}}"), format!("[\"{known}\"]"));
    // Another repository of the same registry takes the layers from its neighbour.
    let other = format!("{}/other/bb:2", registry.host());
    world.teu(["tag", "busybox", &other]).ok();
    let mounted = world.teu(["push", &other]).ok();
    assert!(mounted.contains("Mounted from team/bb"), "{mounted}");

    let there = World::empty();
    let pulled = there.teu(["pull", &name]).ok();
    for line in ["1: Pulling from team/bb", "Pull complete", &digest, "Downloaded newer image"] {
        assert!(pulled.contains(line), "{line}: {pulled}");
    }
    assert!(there.teu(["pull", &name]).ok().contains("Image is up to date"));
    assert_eq!(there.teu(["run", "--rm", "--network=none", &name, "echo", "here"]).ok(), "here");
    let digests = there.teu(["inspect", "-f", "{{json .RepoDigests}}", &name]).ok();
    assert_eq!(digests, format!("[\"{}/team/bb@{digest}\"]", registry.host()));
    let id = |world: &World, name: &str| world.teu(["inspect", "-f", "{{.Id}}", name]).ok();
    assert_eq!(id(&there, &name), id(&world, "busybox"));
    // By digest, into a store that has nothing.
    let third = World::empty();
    let by_digest = format!("{}/team/bb@{digest}", registry.host());
    assert_eq!(third.teu(["pull", "-q", &by_digest]).ok(), by_digest);
    assert_eq!(id(&third, &by_digest), id(&world, "busybox"));
    // What was pulled goes on as it came.
    let again = format!("{}/again:1", registry.host());
    there.teu(["tag", &name, &again]).ok();
    assert!(there.teu(["push", &again]).ok().contains(&digest));
}

fn raw(place: &str) -> String {
    skopeo(&["inspect", "--tls-verify=false", "--raw", place])
}

#[test]
fn what_is_missing_is_pulled() {
    let registry = Registry::start();
    let host = registry.host();
    let archive = format!("docker-archive:{}", image_archive("busybox").display());
    for name in ["library/busybox:latest", "app:1", "app:2"] {
        let place = format!("docker://{host}/{name}");
        skopeo(&["copy", "-q", "--dest-tls-verify=false", &archive, &place]);
    }
    let world = World::empty();
    let mirror = "[[registry]]\nprefix = \"docker.io\"\n[[registry.mirror]]\nlocation = \"HOST\"\n";
    world.registries(&mirror.replace("HOST", &host));
    let never = world.line("run --rm --network=none --pull never busybox echo ran").fails(125);
    assert!(never.contains("Unable to find image 'busybox:latest' locally"), "{never}");
    let said = world.line("run --rm --network=none busybox echo ran");
    assert!(said.err.contains("Unable to find image 'busybox:latest' locally"), "{}", said.err);
    assert!(said.err.contains("latest: Pulling from library/busybox"), "{}", said.err);
    assert_eq!(said.ok(), "ran");
    // Now it is here.
    assert_eq!(world.line("run --rm --network=none busybox echo ran").err, "");
    let always = world.line("run --rm --network=none --pull always busybox echo ran");
    assert!(always.err.contains("Image is up to date for busybox:latest"), "{}", always.err);
    // Builds, too, in FROM and in COPY --from.
    let dockerfile =
        format!("FROM {host}/app:1\nCOPY --from={host}/app:2 /bin/busybox /other/busybox\n");
    let file = world.file("Dockerfile", &dockerfile);
    let folder = file.parent().expect("it lies in one").display().to_string();
    world.teu(["build", "-q", "-t", "built", &folder]).ok();
    assert_eq!(world.line("run --rm --network=none built /other/busybox echo built").ok(), "built");
    world.teu(["build", "-q", "--pull", "-t", "built", &folder]).ok();
    // All tags at once.
    let all = World::empty();
    assert_eq!(all.teu(["pull", "-q", "-a", &format!("{host}/app")]).ok(), format!("{host}/app"));
    assert_eq!(all.line("images -q").ok().lines().count(), 1);
    assert_eq!(all.teu(["images", &format!("{host}/app")]).ok().lines().count(), 3);
}

#[test]
fn errors_say_what_is_wrong() {
    let registry = Registry::start();
    let world = World::busybox();
    let host = registry.host();
    let name = format!("{host}/none:1");
    let err = world.teu(["pull", &name]).fails(1);
    assert!(err.contains(&format!("manifest for {name} not found: manifest unknown")), "{err}");
    let err = world.teu(["push", &name]).fails(1);
    assert!(err.contains("An image does not exist locally with the tag"), "{err}");
    // Nobody listens there; a port that somebody has just left may be another test's.
    let name = "127.0.0.1:1/x:1".to_owned();
    let begun = std::time::Instant::now();
    let err = world.teu(["pull", &name]).fails(1);
    assert!(err.contains("Connection refused") && err.contains(&name[..name.len() - 4]), "{err}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    let err = world.line("pull elsewhere.example.com/x").fails(1);
    assert!(err.contains("registry elsewhere.example.com is blocked"), "{err}");
}

/// A registry whose disk has rotted: neither layer nor configuration is believed.
#[test]
fn wrong_bytes_are_refused() {
    let registry = Registry::start();
    let world = World::busybox();
    let name = format!("{}/bb:1", registry.host());
    world.teu(["tag", "busybox", &name]).ok();
    world.teu(["push", &name]).ok();
    let manifest: serde_json::Value =
        serde_json::from_str(&raw(&format!("docker://{name}"))).expect("JSON");
    for what in [&manifest["layers"][0], &manifest["config"]] {
        let path = registry.blob(what["digest"].as_str().expect("a digest"));
        let good = std::fs::read(&path).expect("it is there");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, bad).expect("writes");
        let there = World::empty();
        let err = there.teu(["pull", &name]).fails(1);
        assert!(err.contains("does not match") || err.contains("corrupt"), "{err}");
        assert_eq!(there.line("images -q").ok(), "");
        std::fs::write(&path, good).expect("writes");
        // What was wrong is not kept for the next time.
        there.teu(["pull", &name]).ok();
        assert_eq!(there.teu(["run", "--rm", "--network=none", &name, "echo", "x"]).ok(), "x");
    }
}
