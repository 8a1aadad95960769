//! Archives of others and ours, there and back.

use crate::support::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use teu_images::{ImportRequest, SaveFormat, Store};
use teu_oci::{Digest, Platform, media};

fn saved(w: &World, names: &[&str], format: SaveFormat) -> PathBuf {
    let images: Vec<_> =
        names.iter().map(|text| (w.store.resolve(text).unwrap(), vec![name(text)])).collect();
    let path = w.dir.path().join(format!("saved-{format:?}.tar"));
    w.store.save(&images, format, &mut File::create(&path).unwrap()).unwrap();
    path
}

fn two_images(w: &World) -> (Digest, Digest) {
    let base = layer(&w.store, &[file("base", &"b".repeat(100_000))], None);
    let top = layer(&w.store, &[file("top", "t"), file(".wh.base", "")], Some(&base));
    let one = image_of(&w.store, &[&base], &["one"]);
    let two = image_of(&w.store, &[&base, &top], &["two:2"]);
    (one.id, two.id)
}

#[test]
fn what_is_saved_is_loaded_the_same() {
    let w = world();
    let (one, two) = two_images(&w);
    for format in [SaveFormat::Docker, SaveFormat::Oci] {
        let path = saved(&w, &["one", "two:2"], format);
        let bytes = std::fs::read(&path).unwrap();
        let zst = zstd::encode_all(&bytes[..], 3).unwrap();
        for compressed in [&bytes, &zst] {
            let other = world();
            let loaded = other.store.load(&mut &compressed[..], None).unwrap();
            let ids: Vec<_> = loaded.iter().map(|l| l.image.id.clone()).collect();
            assert_eq!(ids, [one.clone(), two.clone()]);
            assert_eq!(loaded[1].names, [name("two:2")]);
            assert_eq!(loaded[1].image.names, [name("two:2")]);
            let chain = other.store.chain(&loaded[1].image).unwrap();
            assert_eq!(std::fs::read_to_string(chain.lower[0].join("top")).unwrap(), "t");
        }
        // From the file itself, twice; the second time nothing is written but what is new.
        let other = world();
        for _ in 0..2 {
            let loaded = other.store.load_file(&File::open(&path).unwrap(), None).unwrap();
            assert_eq!(loaded.len(), 2);
        }
        assert_eq!(other.store.list().unwrap().len(), 2);
        // The same images give the same bytes.
        assert_eq!(std::fs::read(saved(&w, &["one", "two:2"], format)).unwrap(), bytes);
    }
}

#[test]
fn an_old_docker_archive_with_links_is_loaded() {
    use teu_images::tar::Kind;
    let w = world();
    let plain = tar(&[file("f", "content")]);
    let text = String::from_utf8(plain.clone()).unwrap();
    let diff_id = Digest::sha256(&plain);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Healthcheck":{{"Test":["NONE"]}}}},"unknown":[1,2],"rootfs":{{"type":"layers","diff_ids":["{diff_id}","{diff_id}"]}}}}"#
    );
    let manifest = r#"[{"Config":"abc.json","RepoTags":["old:1","quay.io/old:2"],"Layers":["one/layer.tar","two/layer.tar"]}]"#;
    let archive = tar(&[
        dir("one/"),
        file("one/layer.tar", &text),
        file("one/VERSION", "1.0"),
        link(Kind::Symlink, "two/layer.tar", "../one/layer.tar"),
        file("abc.json", &config),
        file("manifest.json", manifest),
        file("repositories", "{}"),
    ]);
    let loaded = w.store.load(&mut &archive[..], None).unwrap();
    assert_eq!(loaded[0].image.id, Digest::sha256(config.as_bytes()), "unknown fields are kept");
    assert_eq!(loaded[0].names, [name("old:1"), name("quay.io/old:2")]);
    assert_eq!(w.store.chain(&loaded[0].image).unwrap().lower.len(), 2);
    // Under the same id, another archive only adds its name.
    let renamed = tar(&[
        file("one/layer.tar", &text),
        link(Kind::HardLink, "two/layer.tar", "one/layer.tar"),
        file("abc.json", &config),
        file("manifest.json", &manifest.replace("old:1", "new:1")),
    ]);
    let again = w.store.load(&mut &renamed[..], None).unwrap();
    assert_eq!(again[0].image.manifest_digest, loaded[0].image.manifest_digest);
    assert_eq!(w.store.list().unwrap().len(), 1);
    assert_eq!(w.store.resolve("new:1").unwrap().names.len(), 3);
    let arm: Platform = "linux/arm64".parse().unwrap();
    assert!(world().store.load(&mut &archive[..], Some(&arm)).is_err());
}

#[test]
fn skopeo_and_the_store_understand_each_other() {
    let w = world();
    let (_, two) = two_images(&w);
    let path = saved(&w, &["two:2"], SaveFormat::Docker);
    let source = format!("docker-archive:{}", path.display());
    let at = |name: &str| w.dir.path().join(name).display().to_string();
    // docker-archive → oci → docker-archive, by skopeo, and loaded again: the same image.
    if skopeo(&["copy", "-q", &source, &format!("oci:{}:two:2", at("layout"))]).is_none() {
        return;
    }
    skopeo(&[
        "copy",
        "-q",
        &format!("oci:{}:two:2", at("layout")),
        &format!("docker-archive:{}:two:2", at("back.tar")),
    ]);
    skopeo(&["copy", "-q", &source, &format!("oci-archive:{}:two:2", at("oci.tar"))]);
    skopeo(&[
        "copy",
        "-q",
        "--dest-compress-format",
        "zstd",
        "--dest-compress",
        &source,
        &format!("oci-archive:{}:two:2", at("zstd.tar")),
    ]);
    for archive in ["back.tar", "oci.tar", "zstd.tar"] {
        let other = world();
        let loaded = other.store.load_file(&File::open(at(archive)).unwrap(), None).unwrap();
        assert_eq!(loaded[0].image.id, two, "{archive}");
        assert_eq!(loaded[0].image.names, [name("two:2")], "{archive}");
        let chain = other.store.chain(&loaded[0].image).unwrap();
        assert_eq!(std::fs::read_to_string(chain.lower[0].join("top")).unwrap(), "t");
    }
    let other = world();
    let loaded = other.store.load_dir(&w.dir.path().join("layout"), None).unwrap();
    assert_eq!(loaded[0].image.id, two);
    // An oci-archive of ours is read by skopeo.
    let path = saved(&w, &["two:2"], SaveFormat::Oci);
    let text =
        skopeo(&["inspect", "--config", &format!("oci-archive:{}:two:2", path.display())]).unwrap();
    assert!(text.contains("diff_ids"), "{text}");
}

#[test]
fn an_image_for_several_machines_gives_the_one_that_is_asked_for() {
    let w = world();
    let layout = w.dir.path().join("multi");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}"#, bytes.len())
    };
    let mut entries = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let plain = tar(&[file("arch", architecture)]);
        let diff_id = Digest::sha256(&plain);
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        );
        let layer = put(media::LAYER, &plain);
        let config = put(media::CONFIG, config.as_bytes());
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config}}},"layers":[{layer}}}]}}"#);
        let platform = format!(r#","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#);
        entries.push(put(media::MANIFEST, manifest.as_bytes()) + &platform);
    }
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let entry = put(media::INDEX, index.as_bytes());
    let top = format!(
        r#"{{"schemaVersion":2,"manifests":[{entry},"annotations":{{"org.opencontainers.image.ref.name":"multi:1"}}}}]}}"#
    );
    std::fs::write(layout.join("index.json"), top).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    w.store.load_dir(&layout, None).unwrap();
    let arch = |store: &Store, platform: Option<&str>| -> teu_images::Result<String> {
        let platform: Option<Platform> = platform.map(|text| text.parse().unwrap());
        let image = store.resolve_platform("multi:1", platform.as_ref())?;
        let chain = store.chain(&image)?;
        Ok(std::fs::read_to_string(chain.lower[0].join("arch")).unwrap())
    };
    assert_eq!(arch(&w.store, Some("linux/amd64")).unwrap(), "amd64");
    assert_eq!(arch(&w.store, Some("linux/arm64/v8")).unwrap(), "arm64");
    if Platform::host().architecture == "amd64" {
        assert_eq!(arch(&w.store, None).unwrap(), "amd64");
    }
    let error = arch(&w.store, Some("linux/s390x")).unwrap_err().to_string();
    assert_eq!(
        error,
        "image multi:1 has no variant for linux/s390x; it has linux/arm64, linux/amd64"
    );
}

#[test]
fn a_file_system_becomes_an_image() {
    let w = world();
    let bytes = tar(&[dir("bin/"), file("bin/sh", "#!")]);
    let request = ImportRequest {
        name: Some(name("imported:1")),
        message: Some("by hand".to_owned()),
        changes: vec!["CMD [\"/bin/sh\"]".to_owned(), "ENV A=b".to_owned()],
        created: Some("2024-05-01T12:00:00Z".to_owned()),
        ..ImportRequest::default()
    };
    let image = w.store.import(&mut &bytes[..], &request).unwrap();
    assert_eq!(image.config.config.cmd.as_deref(), Some(&["/bin/sh".to_owned()][..]));
    assert_eq!(image.names, [name("imported:1")]);
    assert_eq!(image.size_bytes, 2);
    let history = w.store.history(&image);
    assert_eq!((history[0].comment.as_str(), history[0].size_bytes), ("by hand", 2));
    assert_eq!(history[0].id.as_ref(), Some(&image.id));
    // The same input gives the same image.
    let again =
        world().store.import(&mut &zstd::encode_all(&bytes[..], 1).unwrap()[..], &request).unwrap();
    assert_eq!(again.manifest_digest, image.manifest_digest);
    let wrong = ImportRequest { changes: vec!["RUN x".to_owned()], ..request };
    assert!(w.store.import(&mut &bytes[..], &wrong).is_err());
}

#[test]
fn the_fixtures_are_loaded_where_they_are() {
    let folder = std::env::var_os("TEU_TEST_IMAGES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.cache/images"),
        PathBuf::from,
    );
    let archive = File::open(folder.join("busybox.tar")).expect("scripts/images busybox made it");
    let w = world();
    let loaded = w.store.load_file(&archive, None).unwrap();
    let chain = w.store.chain(&loaded[0].image).unwrap();
    assert!(chain.lower[0].join("bin/busybox").exists() || chain.lower[0].join("bin").is_symlink());
}
