//! A cache that travels to another store, through a directory and within an image.

use crate::world::{Done, World};
use std::path::{Path, PathBuf};
use teu_builder::{BuildRequest, CacheSource, CacheTarget, DockerfileSource, Event, Output};
use teu_images::transfer::{ArchiveKind, ArchiveSink, CopyRequest, Quiet, Recode, Selection, copy};
use teu_images::{ArchiveSource, StoreSource};
use teu_oci::Platform;

const APP: &str = "FROM busybox AS made\n\
    WORKDIR /src\n\
    COPY main.go /src/\n\
    RUN cat main.go > /made && echo stage\n\
    FROM busybox\n\
    RUN mkdir /app\n\
    COPY --from=made /made /app/\n\
    RUN echo last > /app/last\n";

fn request(text: &str) -> BuildRequest {
    BuildRequest {
        dockerfile: DockerfileSource::Bytes(text.as_bytes().to_vec()),
        tags: vec!["app:1".parse().expect("a name")],
        ..BuildRequest::default()
    }
}

fn world() -> World {
    let world = World::new();
    world.file("main.go", "package main");
    world
}

fn exporting(world: &World, attributes: &str) -> (Done, PathBuf) {
    let dir = world.path("cache");
    let text = format!("type=local,dest={},{attributes}", dir.display());
    let cache_to = vec![CacheTarget::parse(&text).expect("a target")];
    (world.request(BuildRequest { cache_to, ..request(APP) }), dir)
}

fn importing(world: &World, dir: &Path, text: &str) -> Done {
    let from = CacheSource::parse(&format!("type=local,src={}", dir.display())).expect("a source");
    world.request(BuildRequest { cache_from: vec![from], ..request(text) })
}

#[test]
fn a_second_machine_does_nothing_twice() {
    let (one, two) = (world(), world());
    let (first, dir) = exporting(&one, "mode=max");
    assert_eq!(first.heard.ran().len(), 6, "{:?}", first.heard.ran());
    let second = importing(&two, &dir, APP);
    assert!(second.heard.ran().is_empty(), "{:?}", second.heard.ran());
    assert_eq!((second.id(), second.outcome.cached), (first.id(), 6));
    // What was fetched is remembered, without the cache.
    let third = two.request(request(APP));
    assert!(third.heard.ran().is_empty());
    // A change only does what follows from it.
    two.file("main.go", "package other");
    let fourth = importing(&two, &dir, APP);
    let ran = fourth.heard.ran();
    assert_eq!(ran.len(), 4, "{ran:?}");
    assert!(!ran.iter().any(|name| name.contains("mkdir") || name.contains("WORKDIR")), "{ran:?}");
}

#[test]
fn less_is_exported_without_mode_max() {
    let (one, two) = (world(), world());
    let (_, dir) = exporting(&one, "mode=min,compression=zstd");
    let second = importing(&two, &dir, APP);
    // The stage that is only copied from is made again; as it comes out the same, the rest is there.
    let ran = second.heard.ran();
    assert!(ran.len() == 3 && ran.iter().all(|name| name.starts_with("[made")), "{ran:?}");
}

#[test]
fn the_form_is_the_fields() {
    let one = world();
    let (_, dir) = exporting(&one, "mode=max");
    let read = |path: PathBuf| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).expect("is there")).expect("JSON")
    };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().expect("a digest");
        dir.join("blobs/sha256").join(&digest["sha256:".len()..])
    };
    let index = read(dir.join("index.json"));
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "latest");
    let manifest = read(blob(&index["manifests"][0]));
    let config = &manifest["config"];
    assert_eq!(config["mediaType"], "application/vnd.buildkit.cacheconfig.v0");
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 6);
    for layer in layers {
        assert!(layer["mediaType"].as_str().is_some_and(|t| t.ends_with("tar+gzip")), "{layer}");
        assert!(layer["annotations"]["containerd.io/uncompressed"].is_string(), "{layer}");
    }
    let config = read(blob(config));
    assert_eq!(config["records"].as_array().map(Vec::len), Some(6));
    assert_eq!(config["layers"][0]["blob"], layers[0]["digest"]);
}

#[test]
fn an_image_brings_its_cache_along() {
    let (one, two) = (world(), world());
    let text = "FROM busybox\nWORKDIR /src\nCOPY main.go /src/\nRUN echo made > /made\n";
    let inline = || vec![CacheTarget::parse("type=inline").expect("a target")];
    let first = one.request(BuildRequest { cache_to: inline(), ..request(text) });
    assert!(first.config().inline_cache.is_some());
    let archive = one.path("app.tar");
    let sink = ArchiveSink::new(ArchiveKind::Oci, &archive, Some("app:1")).expect("a sink");
    let source = StoreSource::new(&one.images, "app:1", None).expect("is there");
    let selection = Selection::One(Platform::host());
    let asked = CopyRequest {
        selection,
        recode: Recode::default(),
        keep_digests: false,
        referrers: false,
        store: &one.images,
        progress: &Quiet,
    };
    copy(&source, &sink, &asked).expect("copies");
    ArchiveSource::open(&one.images, &archive, Some("app:1")).expect("opens");
    let from = CacheSource::Local { directory: archive, tag: "app:1".to_owned() };
    let second =
        two.request(BuildRequest { cache_from: vec![from], cache_to: inline(), ..request(text) });
    assert!(second.heard.ran().is_empty(), "{:?}", second.heard.ran());
    assert_eq!(second.id(), first.id());
    // It is that image's own: one that is built on it has none, unless it is asked for.
    let third = two.request(request("FROM app:1\nRUN true\n"));
    assert!(third.config().inline_cache.is_none());
}

#[test]
fn a_cache_that_cannot_be_used_costs_no_build() {
    let (one, two) = (world(), world());
    let nowhere = importing(&two, &two.path("nowhere"), APP);
    let failed =
        |done: &Done| done.heard.events.iter().any(|event| matches!(event, Event::Failed { .. }));
    assert!(failed(&nowhere));
    // Layers that are not what they were.
    let (_, dir) = exporting(&one, "mode=max");
    for entry in std::fs::read_dir(dir.join("blobs/sha256")).expect("lists").flatten() {
        let mut bytes = std::fs::read(entry.path()).expect("reads");
        if bytes[..2] == [0x1f, 0x8b] {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(entry.path(), bytes).expect("writes");
        }
    }
    let three = world();
    let spoilt = importing(&three, &dir, APP);
    assert_eq!(spoilt.heard.ran().len(), 6, "{:?}", spoilt.heard.ran());
    assert_eq!(spoilt.outcome.cached, 0);
    // Nor does one that cannot be written, if that is allowed.
    std::fs::write(one.path("file"), "").expect("writes");
    let dest = one.path("file/cache").display().to_string();
    let to = |more: &str| {
        vec![CacheTarget::parse(&format!("type=local,dest={dest}{more}")).expect("a target")]
    };
    one.request(BuildRequest { cache_to: to(",ignore-error=true"), ..request(APP) });
    let outputs = vec![Output::CacheOnly];
    let refused = BuildRequest { cache_to: to(""), outputs, ..request(APP) };
    let error = one.try_request(refused).0.expect_err("fails").to_string();
    assert!(error.contains("failed to export cache to"), "{error}");
}
