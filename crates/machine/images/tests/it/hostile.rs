//! Archives that attack: each is refused or confined, and leaves nothing behind.

use crate::support::*;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use teu_images::error::{EntryFault, TarFault};
use teu_images::tar::Kind;
use teu_images::unpack::{UnpackOptions, unpack};
use teu_images::{Error, Limits, Store};
use teu_oci::{Digest, Platform, media};

/// Unpacks over a directory that has a bait beside it; the bait must stay as it is.
fn attack(bytes: &[u8], limits: Limits) -> (tempfile::TempDir, Result<(), Error>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("root")).unwrap();
    std::fs::write(dir.path().join("bait"), "bait").unwrap();
    let root = std::fs::File::open(dir.path().join("root")).unwrap();
    let options = UnpackOptions { limits, ..UnpackOptions::default() };
    let result = unpack(&mut &bytes[..], root.as_fd(), &options).map(|_| ());
    assert_eq!(std::fs::read_to_string(dir.path().join("bait")).unwrap(), "bait");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    (dir, result)
}

fn refused(items: &[Item<'_>], wanted: EntryFault) {
    match attack(&tar(items), Limits::DEFAULT).1 {
        Err(Error::Entry { reason, .. }) => assert_eq!(reason, wanted),
        other => panic!("{other:?}"),
    }
    // A layer is treated no better.
    let w = world();
    let bytes = tar(items);
    let error = w.store.layer_from_tar(&mut &bytes[..], None).unwrap_err();
    assert!(matches!(error, Error::Entry { .. }), "{error}");
    assert_clean(&w.store);
}

fn assert_clean(store: &Store) {
    for place in ["snapshots", "blobs/sha256"] {
        assert_eq!(std::fs::read_dir(store.dir().join(place)).unwrap().count(), 0, "{place}");
    }
    let left: Vec<_> = std::fs::read_dir(store.dir().join("tmp"))
        .unwrap()
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with("session"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    for path in ["../bait", "a/../../bait", "..", "a/..", "/../bait", "./../bait"] {
        refused(&[file(path, "evil")], EntryFault::Traversal);
        refused(&[link(Kind::HardLink, "x", path)], EntryFault::Traversal);
        refused(&[dir(path)], EntryFault::Traversal);
    }
    refused(&[file("", "evil")], EntryFault::Name);
    refused(&[file(&"x".repeat(256), "")], EntryFault::ComponentLength);
    refused(&[file(&"x/".repeat(10_000), "")], EntryFault::PathLength);
    refused(&[file(&format!("{}y", "x/".repeat(1500)), "")], EntryFault::Depth);
    refused(&[file(".", "evil")], EntryFault::Root);
}

#[test]
fn absolute_names_are_beneath_the_root() {
    let bytes =
        tar(&[file("/etc/teu-images-test", "x"), file("//a///b", "y"), file("new\nline", "z")]);
    let (root, result) = attack(&bytes, Limits::DEFAULT);
    result.unwrap();
    let found = listing(&root.path().join("root"));
    assert!(found.contains_key("etc/teu-images-test") && found.contains_key("a/b"));
    assert!(found.contains_key("new\nline"));
    assert!(!Path::new("/etc/teu-images-test").exists());
}

#[test]
fn links_are_not_followed_out() {
    for target in [
        "..",
        "../",
        "/",
        "/..",
        "/tmp",
        "../../../../../../tmp",
        "/proc/self/root",
        "/proc/self/cwd",
    ] {
        // A file through a link: the link is resolved as if the root were `/`.
        let bytes =
            tar(&[link(Kind::Symlink, "l", target), file("l/bait", "evil"), dir("l/tmp/d")]);
        let (root, result) = attack(&bytes, Limits::DEFAULT);
        match result {
            Ok(()) => assert!(
                root.path().join("root/bait").exists()
                    || root.path().join("root/tmp/bait").exists()
            ),
            Err(Error::Entry { reason: EntryFault::Link, .. }) => {}
            other => panic!("{target}: {other:?}"),
        }
    }
    // A file in place of a link replaces the link, and does not write through it.
    let bait = tempfile::NamedTempFile::new().unwrap();
    let target = bait.path().display().to_string();
    let bytes = tar(&[link(Kind::Symlink, "l", &target), file("l", "evil")]);
    attack(&bytes, Limits::DEFAULT).1.unwrap();
    assert_eq!(std::fs::read(bait.path()).unwrap(), b"");
    // A mode, owner or time of a directory does not go through a link that replaced it.
    let outside = tempfile::tempdir().unwrap();
    let before = outside.path().metadata().unwrap();
    let target = outside.path().display().to_string();
    let mut evil = dir("d");
    evil.mode = 0o777;
    let bytes = tar(&[evil, link(Kind::Symlink, "d", &target)]);
    attack(&bytes, Limits::DEFAULT).1.unwrap();
    let after = outside.path().metadata().unwrap();
    assert_eq!((before.mode(), before.mtime()), (after.mode(), after.mtime()));
    // A link chain of links within the root works, a loop does not hang.
    let bytes = tar(&[
        dir("usr/lib"),
        link(Kind::Symlink, "lib", "usr/lib"),
        link(Kind::Symlink, "lib64", "/lib"),
        file("lib64/x", "found"),
    ]);
    let (root, result) = attack(&bytes, Limits::DEFAULT);
    result.unwrap();
    assert_eq!(std::fs::read_to_string(root.path().join("root/usr/lib/x")).unwrap(), "found");
    refused(
        &[link(Kind::Symlink, "a", "b"), link(Kind::Symlink, "b", "a"), file("a/x", "")],
        EntryFault::Link,
    );
    refused(&[file("f", ""), file("f/x", "")], EntryFault::NotADirectory);
}

#[test]
fn hard_links_lead_to_entries_only() {
    for target in ["/etc/passwd", "etc/passwd", "/proc/self/exe", "absent"] {
        refused(&[link(Kind::HardLink, "p", target)], EntryFault::HardLink);
    }
    // Through a link, the target is still the tree's own.
    let w = world();
    let bytes = tar(&[link(Kind::Symlink, "e", "/etc"), link(Kind::HardLink, "p", "e/passwd")]);
    let error = w.store.layer_from_tar(&mut &bytes[..], None).unwrap_err();
    assert!(matches!(error, Error::Entry { reason: EntryFault::HardLink, .. }), "{error}");
    assert_clean(&w.store);
    // A link to a link links the link itself.
    let bytes = tar(&[link(Kind::Symlink, "s", "/etc/passwd"), link(Kind::HardLink, "h", "s")]);
    let (root, result) = attack(&bytes, Limits::DEFAULT);
    result.unwrap();
    assert!(root.path().join("root/h").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn devices_are_made_but_never_opened() {
    let null = Item { path: "dev/null", kind: Kind::Char, content: "", mode: 0o666 };
    let bytes = tar(&[null, file("dev/null", "this replaces it")]);
    let (root, result) = attack(&bytes, Limits::DEFAULT);
    result.unwrap();
    assert!(root.path().join("root/dev/null").metadata().unwrap().is_file());
    let null = Item { path: "null", kind: Kind::Char, content: "", mode: 0o666 };
    let (root, result) = attack(&tar(&[null]), Limits::DEFAULT);
    result.unwrap();
    let found = root.path().join("root/null").symlink_metadata().unwrap();
    assert!(found.file_type().is_char_device() && found.rdev() == 0x103);
}

#[test]
fn the_overlays_own_attributes_are_not_the_images_to_set() {
    use teu_images::tar::{Builder, WriteEntry};
    let w = world();
    let mut builder = Builder::new(Vec::new());
    let xattrs = vec![
        (b"trusted.overlay.redirect".to_vec(), b"/etc".to_vec()),
        (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"user.kept".to_vec(), b"1".to_vec()),
    ];
    let mut entry = WriteEntry::new(b"d/", Kind::Directory, 0o755, 0);
    entry.xattrs = &xattrs;
    builder.append(&entry, b"").unwrap();
    let bytes = builder.finish().unwrap();
    let layer = w.store.layer_from_tar(&mut &bytes[..], None).unwrap();
    let chain = w.store.chain_of(&[layer.diff_id]).unwrap();
    let dir = chain.lower[0].join("d");
    let mut value = [0; 16];
    assert!(rustix::fs::getxattr(&dir, "trusted.overlay.redirect", &mut value).is_err());
    assert!(rustix::fs::getxattr(&dir, "trusted.overlay.opaque", &mut value).is_err());
    assert_eq!(rustix::fs::getxattr(&dir, "user.kept", &mut value).unwrap(), 1);
}

#[test]
fn archives_are_bounded() {
    let few = Limits { entries: 10, ..Limits::DEFAULT };
    let names: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let items: Vec<Item<'_>> = names.iter().map(|name| file(name, "")).collect();
    let error = attack(&tar(&items), few).1.unwrap_err();
    assert_eq!(error.to_string(), "the archive exceeds the limit of 10 entries");
    let small = Limits { layer_bytes: 1000, ..Limits::DEFAULT };
    let error = attack(&tar(&[file("a", &"x".repeat(600)), file("b", &"x".repeat(600))]), small).1;
    assert!(matches!(error, Err(Error::Limit { limit: 1000, .. })), "{error:?}");
    // A header that promises exabytes costs nothing.
    let mut bytes = tar(&[file("huge", "")]);
    bytes[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    sum(&mut bytes[..512]);
    let error = attack(&bytes, Limits::DEFAULT).1.unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    let mut bytes = tar(&[file("large", "")]);
    bytes[124..136].copy_from_slice(b"00077777777\0");
    sum(&mut bytes[..512]);
    let error = attack(&bytes, Limits::DEFAULT).1.unwrap_err();
    assert!(matches!(error, Error::Tar { reason: TarFault::Truncated, .. }), "{error}");
}

/// Small archives that would make us remember much: what is for the end is bounded too.
#[test]
fn what_is_kept_until_the_end_is_bounded() {
    let little = Limits { kept_bytes: 64 << 10, ..Limits::DEFAULT };
    let stopped = |bytes: &[u8]| {
        let error = attack(bytes, little).1;
        assert!(matches!(error, Err(Error::Limit { limit: 65_536, .. })), "{error:?}");
        attack(bytes, Limits::DEFAULT).1.unwrap();
    };
    // Directories on the way to one file: their paths together are the square of its own.
    stopped(&tar(&[file(&format!("{}f", "d/".repeat(500)), "")]));
    let names: Vec<String> = (0..1000).map(|n| format!("{n}/")).collect();
    let items: Vec<Item<'_>> = names.iter().map(|name| dir(name)).collect();
    stopped(&tar(&items));
    let attributes: Vec<_> =
        (0..40).map(|n| (format!("user.{n}").into_bytes(), vec![b'v'; 2000])).collect();
    let mut builder = teu_images::tar::Builder::new(Vec::new());
    let mut entry = teu_images::tar::WriteEntry::new(b"d/", Kind::Directory, 0o755, 0);
    entry.xattrs = &attributes;
    builder.append(&entry, b"").unwrap();
    let error = attack(&builder.finish().unwrap(), little).1;
    assert!(matches!(error, Err(Error::Limit { limit: 65_536, .. })), "{error:?}");
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bombs_are_stopped() {
    let limits = Limits { ratio: 100, ratio_free_bytes: 1 << 20, ..Limits::DEFAULT };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(&dir.path().join("images"), limits).unwrap();
    let zeros = "\0".repeat(30 << 20);
    let bytes = tar(&[file("zeros", &zeros)]);
    let zst = zstd::encode_all(&bytes[..], 1).unwrap();
    for bomb in [gzip(&bytes), zst] {
        let error = store.layer_from_tar(&mut &bomb[..], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the compression of the archive exceeds the limit of 100 bytes out of one"
        );
        assert_clean(&store);
        // The same in an image archive that is compressed as a whole.
        let error = store.load(&mut &bomb[..], None).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
        assert_clean(&store);
    }
}

#[test]
fn truncated_streams_are_refused() {
    let w = world();
    let plain = tar(&[file("a", &"abc".repeat(10_000)), file("b", "x")]);
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    for whole in [plain.clone(), gzip(&plain), zst] {
        let end = if whole == plain { whole.len() - 1100 } else { whole.len() };
        for cut in (1..end).step_by(whole.len() / 20 + 1).chain([end - 1]) {
            // What ends between entries ends well, as for other readers; nothing else does.
            if whole == plain && cut % 512 == 0 {
                continue;
            }
            let error = w.store.layer_from_tar(&mut &whole[..cut], None);
            assert!(error.is_err(), "{cut} of {}", whole.len());
        }
    }
    assert_clean(&w.store);
}

/// An OCI layout in a directory, its parts given as they are.
struct Layout(tempfile::TempDir);

impl Layout {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        std::fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self(dir)
    }

    fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        std::fs::write(self.0.path().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        digest
    }

    fn entry(&self, media_type: &str, bytes: &[u8]) -> String {
        let digest = self.blob(bytes);
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#, bytes.len())
    }

    fn index(&self, entries: &[String]) {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        std::fs::write(self.0.path().join("index.json"), text).unwrap();
    }

    fn load(&self) -> Result<(), Error> {
        let w = world();
        let result = w.store.load_dir(self.0.path(), None).map(|_| ());
        assert!(w.store.index_is_empty());
        result
    }
}

trait Empty {
    fn index_is_empty(&self) -> bool;
}

impl Empty for Store {
    fn index_is_empty(&self) -> bool {
        self.list().unwrap().is_empty() && self.broken().unwrap().is_empty()
    }
}

fn config_text(diff_id: &Digest) -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    )
}

#[test]
fn documents_that_lie_are_refused() {
    let layout = Layout::new();
    let plain = tar(&[file("a", "abc")]);
    let diff_id = Digest::sha256(&plain);
    let layer = layout.entry(media::LAYER, &plain);
    let config = layout.entry(media::CONFIG, config_text(&diff_id).as_bytes());
    let manifest = |config: &str, layer: &str| {
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#)
    };
    // The diffID is another content's.
    let other = layout.entry(media::CONFIG, config_text(&Digest::sha256(b"x")).as_bytes());
    layout.index(&[layout.entry(media::MANIFEST, manifest(&other, &layer).as_bytes())]);
    assert!(matches!(
        layout.load(),
        Err(Error::Mismatch { what: "the content of a layer (its diffID)", .. })
    ));
    // The digest is.
    let wrong = layer.replace(diff_id.hex(), layout.blob(b"other").hex());
    layout.index(&[layout.entry(media::MANIFEST, manifest(&config, &wrong).as_bytes())]);
    assert!(layout.load().is_err());
    // The size is.
    let wrong = layer.replace(&format!(r#""size":{}"#, plain.len()), r#""size":7"#);
    layout.index(&[layout.entry(media::MANIFEST, manifest(&config, &wrong).as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::Size { .. })));
    // A manifest that is an index, and the reverse.
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    layout.index(&[layout.entry(media::MANIFEST, index.as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::Confused { .. })));
    layout.index(&[layout.entry(media::INDEX, manifest(&config, &layer).as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::Confused { .. })));
    let both = manifest(&config, &layer)
        .replace("{\"schemaVersion\"", "{\"manifests\":[],\"schemaVersion\"");
    layout.index(&[layout.entry(media::MANIFEST, both.as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::Confused { .. })));
    // More layers than the configuration has.
    let two = format!("{layer},{layer}");
    layout.index(&[layout.entry(media::MANIFEST, manifest(&config, &two).as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::LayerCount { .. })));
    // Sizes that would fill the memory.
    let huge = layout.entry(media::MANIFEST, manifest(&config, &layer).as_bytes());
    let at = huge.find(r#""size":"#).unwrap();
    layout.index(&[format!(r#"{}"size":99999999999}}"#, &huge[..at])]);
    assert!(matches!(layout.load(), Err(Error::Limit { .. })));
    // A digest that is a path.
    let evil = huge.replace("sha256:", "sha256:../../");
    layout.index(&[evil]);
    assert!(matches!(layout.load(), Err(Error::Document { .. })));
    // An artifact is no image.
    let empty = layout.entry(media::EMPTY, b"{}");
    layout.index(&[layout.entry(media::MANIFEST, manifest(&empty, &layer).as_bytes())]);
    assert!(matches!(layout.load(), Err(Error::MediaType { .. })));
    // And the honest one is loaded.
    let good = layout.entry(media::MANIFEST, manifest(&config, &layer).as_bytes());
    layout.index(std::slice::from_ref(&good));
    let w = world();
    assert_eq!(w.store.load_dir(layout.0.path(), None).unwrap().len(), 1);
    let wanted: Platform = "linux/arm64".parse().unwrap();
    let error = world().store.load_dir(layout.0.path(), Some(&wanted)).unwrap_err();
    assert!(matches!(error, Error::NoPlatform { .. }), "{error}");
}

#[test]
fn what_is_no_image_archive_is_told_so() {
    let w = world();
    let error = w.store.load(&mut &tar(&[file("a", "b")])[..], None).unwrap_err();
    assert!(error.to_string().contains("teu import"), "{error}");
    let manifest = r#"[{"Config":"../../etc/passwd","RepoTags":["x"],"Layers":[]}]"#;
    let error = w.store.load(&mut &tar(&[file("manifest.json", manifest)])[..], None).unwrap_err();
    assert!(matches!(error, Error::Archive { .. }), "{error}");
    // Links among members lead to members only.
    let manifest = r#"[{"Config":"c","RepoTags":["x"],"Layers":[]}]"#;
    let bytes =
        tar(&[file("manifest.json", manifest), link(Kind::Symlink, "c", "../../../etc/passwd")]);
    assert!(matches!(w.store.load(&mut &bytes[..], None), Err(Error::Archive { .. })));
    let bytes = tar(&[file("manifest.json", manifest), link(Kind::Symlink, "c", "c")]);
    assert!(matches!(w.store.load(&mut &bytes[..], None), Err(Error::Archive { .. })));
    let error = w
        .store
        .load(&mut &b"not a tar at all, but some text that is longer than a block"[..], None);
    assert!(matches!(error, Err(Error::Tar { .. })));
    assert!(matches!(w.store.load(&mut &b""[..], None), Err(Error::Archive { .. })));
    assert_clean(&w.store);
}
