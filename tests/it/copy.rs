//! `teu copy` between every pair of storages, read back by skopeo. Issue 3, must show 3.

use crate::peers::{Daemon, runtime_link};
use crate::registry::{Registry, skopeo};
use crate::world::{World, image_archive};

/// What skopeo says the manifest's digest is.
fn digest(place: &str) -> String {
    skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", place])
}

/// The image's id: what is kept even where a format has no place for a manifest.
fn id(place: &str) -> String {
    let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", place]);
    let manifest: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    manifest["config"]["digest"].as_str().expect("a digest").to_owned()
}

/// Every place once as a source and once as a sink of every other.
#[test]
fn every_pair_keeps_the_digest() {
    let registry = Registry::start();
    let world = World::empty();
    let dir = |name: &str| world.root().join(name).display().to_string();
    // A compressed OCI image, so that no sink has a reason to change anything.
    let first = format!("docker://{}/first:1", registry.host());
    let archive = format!("docker-archive:{}", image_archive("busybox").display());
    world.teu(["copy", "--format", "oci", &archive, &first]).ok();
    let (wanted, image) = (digest(&first), id(&first));
    // How each is named by teu, and by skopeo, which reads no store of ours but its layout.
    let places = |number: usize| -> Vec<(String, String)> {
        let layout = format!("oci:{}", dir("images"));
        let same = |text: String| (text.clone(), text);
        vec![
            same(format!("docker://{}/copy{number}:1", registry.host())),
            (format!("store{number}:1"), format!("{layout}:store{number}:1")),
            same(format!("oci:{}:x:{number}", dir(&format!("layout{number}")))),
            same(format!("oci-archive:{}:x:{number}", dir(&format!("oci{number}.tar")))),
            same(format!("docker-archive:{}:x:{number}", dir(&format!("docker{number}.tar")))),
            same(format!("dir:{}", dir(&format!("dir{number}")))),
        ]
    };
    let mut number = 0;
    for (from, _) in places(0) {
        world.teu(["copy", "-q", "--preserve-digests", &first, &from]).ok();
        for kind in 0..places(0).len() {
            number += 1;
            let (to, by_skopeo) = places(number).swap_remove(kind);
            let said = world.teu(["copy", "-q", "--preserve-digests", &from, &to]).ok();
            assert_eq!(said, wanted, "{from} {to}");
            // skopeo makes up a manifest for an archive of Docker's.
            match to.starts_with("docker-archive:") {
                true => assert_eq!(id(&by_skopeo), image, "{from} {to}"),
                false => assert_eq!(digest(&by_skopeo), wanted, "{from} {to}"),
            }
        }
    }
    // What skopeo writes is read, too.
    for (to, _) in
        [places(900).swap_remove(3), places(901).swap_remove(4), places(902).swap_remove(5)]
    {
        skopeo(&["copy", "-q", "--src-tls-verify=false", &first, &to]);
        let back = format!("docker://{}/back:1", registry.host());
        world.teu(["copy", "-q", &to, &back]).ok();
        assert_eq!(id(&back), image, "{to}");
    }
}

#[test]
fn a_running_dockerd() {
    let registry = Registry::start();
    let world = World::busybox();
    let daemon = Daemon::start(world.root(), &runtime_link(&world));
    let teu = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("DOCKER_HOST", daemon.socket());
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let id_of = |name: &str| {
        let output =
            daemon.docker(&["inspect", "-f", "{{.Id}}", name]).output().expect("it starts");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let own = world.line("inspect -f {{.Id}} busybox").ok();
    teu(&["copy", "busybox", "docker-daemon:there:1"]);
    assert_eq!(id_of("there:1"), own);
    let name = format!("{}/bb:1", registry.host());
    teu(&["copy", "docker-daemon:there:1", &format!("docker://{name}")]);
    assert_eq!(id(&format!("docker://{name}")), own);
    // From the registry to the daemon by its own pull, and by ours.
    let pulled = daemon.docker(&["pull", "-q", &name]).output().expect("it starts");
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    assert_eq!(id_of(&name), own);
    teu(&["copy", &format!("docker://{name}"), "docker-daemon:again:1"]);
    assert_eq!(id_of("again:1"), own);
    // What the daemon pushes is pulled here.
    let pushed = format!("{}/pushed:1", registry.host());
    for args in [&["tag", "again:1", &pushed][..], &["push", &pushed]] {
        let output = daemon.docker(args).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    teu(&["pull", "-q", &pushed]);
    assert_eq!(teu(&["inspect", "-f", "{{.Id}}", &pushed]), own);
    let failed = world.command(["copy", "docker-daemon:none:1", "oci:x"]);
    let mut failed = failed;
    let failed = failed.env("DOCKER_HOST", daemon.socket()).output().expect("it starts");
    let text = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success() && text.contains("none"), "{text}");
}

/// An index of two platforms with zstd layers, and what `--all` and `--platform` make of it.
#[test]
fn indexes_formats_and_compression() {
    let registry = Registry::start();
    let world = World::empty();
    let host = registry.host();
    let folder = world.root().join("index").display().to_string();
    let archive = format!("docker-archive:{}", image_archive("busybox").display());
    let one = |platform: &str| format!("docker://{host}/multi:{platform}");
    world
        .teu(["copy", "-q", "--format", "oci", "--compression", "zstd", &archive, &one("amd64")])
        .ok();
    let zstd = skopeo(&["inspect", "--tls-verify=false", "--raw", &one("amd64")]);
    assert!(zstd.contains("tar+zstd"), "{zstd}");
    // A second image, that differs, for another machine.
    let layout = format!("oci:{folder}:{}", "amd64");
    world.teu(["copy", "-q", &one("amd64"), &layout]).ok();
    let index = two_platforms(&folder, &world);
    let place = format!("docker://{host}/multi:1");
    assert_eq!(
        world.teu(["copy", "-q", "--all", &format!("oci:{folder}:both"), &place]).ok(),
        index
    );
    assert_eq!(digest(&place), index);
    // skopeo takes all of it, and so does docker-registry.
    let back = format!("oci:{}", world.root().join("back").display());
    skopeo(&["copy", "-q", "--all", "--src-tls-verify=false", &place, &back]);
    // A pull takes this machine's image, under the index's digest.
    let name = format!("{host}/multi:1");
    world.teu(["pull", "-q", &name]).ok();
    assert_eq!(world.teu(["run", "--rm", "--network=none", &name, "echo", "zstd"]).ok(), "zstd");
    let digests = world.teu(["inspect", "-f", "{{index .RepoDigests 0}}", &name]).ok();
    assert_eq!(digests, format!("{host}/multi@{index}"));
    let err = world.teu(["pull", "--platform", "linux/s390x", &name]).fails(1);
    assert!(err.contains("no variant for linux/s390x") && err.contains("linux/arm64"), "{err}");
    // Both, and out again.
    let there = World::empty();
    there.teu(["pull", "-q", "--all-platforms", &name]).ok();
    let again = format!("{host}/again:1");
    there.teu(["tag", &name, &again]).ok();
    there.teu(["push", "-q", &again]).ok();
    assert_eq!(digest(&format!("docker://{again}")), index);
    // The other dialect: gzip, for it has no zstd, in an index of its own.
    let docker = format!("docker://{host}/docker:1");
    world.teu(["copy", "-q", "--all", "--format", "docker", &place, &docker]).ok();
    let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", &docker]);
    assert!(raw.contains("manifest.list.v2+json") && !raw.contains("oci"), "{raw}");
    let platform =
        skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Architecture}}", &docker]);
    assert_eq!(platform, "amd64");
    let err =
        world.teu(["copy", "--preserve-digests", "--format", "docker", &place, &docker]).fails(1);
    assert!(err.contains("--preserve-digests"), "{err}");
}

/// Adds an index named `both` to a layout that holds one image: that one, and one for arm64.
fn two_platforms(folder: &str, world: &World) -> String {
    let folder = std::path::Path::new(folder);
    let read = |path: &std::path::Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).expect("it is there")).expect("JSON")
    };
    let blob =
        |digest: &str| folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let put = |value: &serde_json::Value| -> (String, usize) {
        let bytes = serde_json::to_vec(value).expect("JSON");
        let file = world.root().join("document");
        std::fs::write(&file, &bytes).expect("writes");
        let sum = std::process::Command::new("sha256sum").arg(&file).output().expect("it starts");
        let hex = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
        std::fs::write(folder.join("blobs/sha256").join(&hex), &bytes).expect("writes");
        (format!("sha256:{hex}"), bytes.len())
    };
    let mut layout = read(&folder.join("index.json"));
    let mut first = layout["manifests"][0].clone();
    let mut manifest = read(&blob(first["digest"].as_str().expect("a digest")));
    let mut config = read(&blob(manifest["config"]["digest"].as_str().expect("a digest")));
    config["architecture"] = "arm64".into();
    let (digest, size) = put(&config);
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = put(&manifest);
    let mut second = first.clone();
    second["digest"] = digest.into();
    second["size"] = size.into();
    for (entry, architecture) in [(&mut first, "amd64"), (&mut second, "arm64")] {
        entry["platform"] = serde_json::json!({"architecture": architecture, "os": "linux"});
        entry.as_object_mut().expect("an object").remove("annotations");
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type, "manifests": [first, second],
    });
    let (digest, size) = put(&index);
    let name = serde_json::json!({"org.opencontainers.image.ref.name": "both"});
    let entry = serde_json::json!({
        "mediaType": media_type, "digest": digest, "size": size, "annotations": name,
    });
    layout["manifests"].as_array_mut().expect("a list").push(entry);
    std::fs::write(folder.join("index.json"), layout.to_string()).expect("writes");
    digest
}

/// What is refused leaves nothing at the place it would have gone to.
#[test]
fn refused_copies_make_nothing() {
    let world = World::busybox();
    let place = |name: &str| world.root().join(name);
    let folder = place("index").display().to_string();
    let store = format!("oci:{folder}:amd64");
    world.teu(["copy", "-q", "busybox", &store]).ok();
    let index = two_platforms(&folder, &world);
    let both = format!("oci:{folder}:both");
    assert!(!index.is_empty());
    let to = |kind: &str| format!("{kind}:{}", place("refused").display());
    for (args, expected) in [
        (vec!["--referrers", "busybox", &to("dir")], "referrers cannot be kept"),
        (vec!["--referrers", "busybox", &to("docker-archive")], "referrers cannot be kept"),
        (vec!["--all", &both, &to("docker-archive")], "a single image"),
        (vec!["--preserve-digests", &both, &to("oci")], "--preserve-digests"),
        (
            vec!["--preserve-digests", "--compression", "zstd", "busybox", &to("oci")],
            "--preserve-digests",
        ),
        (
            vec!["--all", "--preserve-digests", "--format", "docker", &both, &to("dir")],
            "--preserve-digests",
        ),
        (vec!["--sign-by-sigstore-private-key", "/nowhere", "busybox", &to("dir")], "signed"),
        (vec!["--compression", "rar", "busybox", &to("oci")], "not known"),
    ] {
        let error = world.teu([&["copy", "-q"], &args[..]].concat()).fails(1);
        assert!(error.contains(expected), "{args:?}: {error}");
        let left: Vec<String> = std::fs::read_dir(world.root())
            .expect("lists")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("refused"))
            .collect();
        assert!(left.is_empty(), "{args:?}: {left:?}");
    }
}
