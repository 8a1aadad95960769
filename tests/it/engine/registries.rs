//! What `docker` asks of registries, through the engine: `teu registry` and Debian's.

use super::{Engine, finish};
use crate::distribution::server;
use crate::registry;
use crate::remote_access::HTPASSWD;
use crate::world::World;

/// Everything that needs no user: push, pull by tag and digest, all tags, manifests, search.
fn moves(engine: &Engine, host: &str) {
    let name = format!("{host}/team/box");
    for tag in ["1", "2"] {
        engine.ok(&["tag", "busybox", &format!("{name}:{tag}")]);
    }
    let pushed = engine.ok(&["push", "--all-tags", &name]);
    assert!(pushed.contains("1: digest: sha256:") && pushed.contains("2: digest:"), "{pushed}");
    let tagged = format!("{name}:1");
    // As it was pushed: layers are compressed on their way, so it is not the local image's.
    let digest = pushed.split("1: digest: ").nth(1).and_then(|rest| rest.split(' ').next());
    let digest = format!("{name}@{}", digest.expect("a digest"));
    let known = engine.ok(&["inspect", "-f", "{{json .RepoDigests}}", &tagged]);
    assert_eq!(known, format!("[\"{digest}\"]"));
    let listed = engine.ok(&["images", "--digests", "--format", "{{.Digest}}", &tagged]);
    assert_eq!(listed, digest[name.len() + 1..]);
    engine.ok(&["rmi", &tagged, &format!("{name}:2")]);

    let pulled = engine.ok(&["pull", &tagged]);
    assert!(pulled.contains("1: Pulling from team/box"), "{pulled}");
    assert!(pulled.contains(&format!("Digest: {}", &digest[name.len() + 1..])), "{pulled}");
    let known = engine.ok(&["inspect", "-f", "{{index .RepoDigests 0}}", &tagged]);
    assert_eq!(known, digest);
    let again = engine.ok(&["pull", &tagged]);
    assert!(again.contains("Status: Image is up to date"), "{again}");
    engine.ok(&["rmi", &tagged]);
    engine.ok(&["pull", "-q", &digest]);
    assert_eq!(engine.ok(&["run", "--rm", &digest, "echo", "ran"]), "ran");
    engine.ok(&["pull", "--all-tags", &name]);
    let tags = engine.ok(&["images", "--format", "{{.Tag}}", &name]);
    let mut tags: Vec<&str> = tags.lines().filter(|tag| *tag != "<none>").collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "2"]);
    let run = engine.ok(&["run", "--rm", "--pull", "always", &tagged, "echo", "pulled"]);
    assert_eq!(run, "pulled");

    let (status, seen) = engine.ask("GET", &format!("/distribution/{tagged}/json"), "");
    assert_eq!(status, "200", "{seen}");
    assert_eq!(seen["Descriptor"]["digest"], digest[name.len() + 1..], "{seen}");
    assert_eq!(seen["Platforms"][0]["os"], "linux", "{seen}");

    for args in [&["pull", &format!("{name}:none")][..], &["search", &format!("{host}/box")]] {
        let output = finish(&mut engine.docker(args));
        assert!(!output.status.success(), "{args:?} succeeded");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("not found") || error.contains("cannot search"), "{error}");
    }
}

/// Only who is logged in may push; what `docker login` keeps is shown, and nothing of the engine's.
fn asks_who_it_is(engine: &Engine, host: &str) {
    let name = format!("{host}/team/box:1");
    engine.ok(&["tag", "busybox", &name]);
    let refused = |args: &[&str]| {
        let output = finish(&mut engine.docker(args));
        assert!(!output.status.success(), "{args:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    refused(&["push", &name]);
    refused(&["login", "-u", "user", "-p", "wrong", host]);
    let login = engine.ok(&["login", "-u", "user", "-p", "secret", host]);
    assert!(login.contains("Login Succeeded"), "{login}");
    engine.ok(&["push", &name]);
    engine.ok(&["rmi", &name]);
    engine.ok(&["pull", &name]);
    engine.ok(&["rmi", &name]);
    engine.ok(&["logout", host]);
    refused(&["pull", &name]);
}

#[test]
fn teus_registry() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    moves(&engine, &server::Registry::start().address);
    let users = world.file("users", HTPASSWD).display().to_string();
    asks_who_it_is(&engine, &server::Registry::with(&["--htpasswd", &users]).address);
}

#[test]
fn debians_registry() {
    let world = World::busybox();
    let engine = Engine::start(&world);
    moves(&engine, &registry::Registry::start().host());
    let users = world.file("users", HTPASSWD);
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", users.display());
    asks_who_it_is(&engine, &registry::Registry::with(&auth, "").host());
}
