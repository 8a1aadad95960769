//! Layers that are read before they are here, as root: files through the mount, and afterwards.

use crate::registry::Registry;
use crate::support::{self, Item, World, dir, file, link};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use teu_images::lazy::{TOC_DIGEST, writer};
use teu_images::remote::{Client, RemoteConfig};
use teu_images::tar::Kind;
use teu_images::{Error, Lazily, Limits, Readiness};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Platform, Reference, media};

fn client() -> Client {
    Client::new(RemoteConfig::default())
}

/// A layer as eStargz: its descriptor, and its diffID.
fn layer(registry: &Registry, items: &[Item<'_>]) -> (Descriptor, Digest) {
    let tar = support::tar(items);
    let mut blob = Vec::new();
    let written = writer::write(&mut &tar[..], &mut blob, 6, &Limits::DEFAULT).unwrap().unwrap();
    let mut descriptor = registry.put(media::LAYER_GZIP, &blob, None);
    descriptor.annotations.insert(TOC_DIGEST.to_owned(), written.toc.to_string());
    (descriptor, written.diff_id)
}

fn image(registry: &Registry, layers: &[(Descriptor, Digest)]) -> Reference {
    let diff_ids: Vec<&Digest> = layers.iter().map(|(_, diff_id)| diff_id).collect();
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","rootfs":{{"type":"layers","diff_ids":{}}}}}"#,
        Platform::host().architecture,
        text(&diff_ids)
    );
    let config = registry.put(media::CONFIG, config.as_bytes(), None);
    let layers: Vec<&Descriptor> = layers.iter().map(|(layer, _)| layer).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":{}}}"#,
        media::MANIFEST,
        text(&config),
        text(&layers)
    );
    registry.put(media::MANIFEST, manifest.as_bytes(), Some("1"));
    format!("{}/app:1", registry.host).parse().unwrap()
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// Begins, and serves on a thread until all is done.
fn serve(world: &World, name: &Reference) -> JoinHandle<Result<(), Error>> {
    let begun = Lazily::begin(&world.store, &client(), name, &Platform::host()).unwrap();
    let Lazily::Serving(serving) = begun else { panic!("{begun:?}") };
    let (sender, ready) = channel();
    let thread = std::thread::spawn(move || serving.run(|| sender.send(()).unwrap()));
    if ready.recv().is_err() {
        panic!("{:?}", thread.join().unwrap());
    }
    thread
}

fn read(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join(name)).unwrap()
}

#[test]
fn files_come_when_they_are_read() {
    let registry = Registry::start();
    let world = support::world();
    let large = "0123456789abcdef".repeat((9 << 20) / 16);
    let lower = [dir("d/"), file("d/old", "old"), Item { mode: 0o4755, ..file("suid", "x") }];
    let upper = [
        file("d/new", "new"),
        file("large", &large),
        link(Kind::Symlink, "link", "d/new"),
        link(Kind::HardLink, "twin", "d/new"),
        Item { path: "null", kind: Kind::Char, content: "", mode: 0o666 },
        file("d/.wh.old", ""),
    ];
    let name = image(&registry, &[layer(&registry, &lower), layer(&registry, &upper)]);
    let thread = serve(&world, &name);
    let image = world.store.resolve(&name.to_string()).unwrap();
    let chain = world.store.chain_now(&image).unwrap();
    let look = |root: &Path, below: &Path| {
        assert_eq!(read(root, "d/new"), "new");
        assert_eq!(read(root, "twin"), "new");
        assert_eq!(std::fs::read_link(root.join("link")).unwrap(), Path::new("d/new"));
        assert!(read(root, "large") == large, "another file");
        let gone = std::fs::symlink_metadata(root.join("d/old")).unwrap();
        assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
        let null = std::fs::symlink_metadata(root.join("null")).unwrap();
        assert!(null.file_type().is_char_device() && null.rdev() == 0x103);
        assert_eq!(read(below, "d/old"), "old");
        let suid = std::fs::metadata(below.join("suid")).unwrap();
        assert_eq!(suid.permissions().mode() & 0o7777, 0o4755);
        let mut names: Vec<_> = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["d", "large", "link", "null", "stargz.index.json", "twin"]);
        assert!(std::fs::metadata(root.join("nowhere")).is_err());
    };
    look(&chain.lower[0], &chain.lower[1]);
    let whole = world.store.chain(&image).unwrap();
    assert!(!whole.is_coming());
    look(&whole.lower[0], &whole.lower[1]);
    // From the mount still, whose bytes are now those of the snapshots.
    if chain.is_coming() {
        look(&chain.lower[0], &chain.lower[1]);
    }
    drop(chain);
    thread.join().unwrap().unwrap();
    assert_eq!(world.store.readiness(&image), Readiness::Whole);
    let again = Lazily::begin(&world.store, &client(), &name, &Platform::host()).unwrap();
    assert!(matches!(again, Lazily::Here(_)));
}

/// Nothing but the first piece has come, and the image is used already.
#[test]
fn before_it_is_here() {
    let registry = Registry::start();
    let world = support::world();
    let name = image(&registry, &[layer(&registry, &[file("a", "first"), file("b", "second")])]);
    let begun = Lazily::begin(&world.store, &client(), &name, &Platform::host()).unwrap();
    let Lazily::Serving(serving) = begun else { panic!("{begun:?}") };
    registry.hold(true);
    let (sender, ready) = channel();
    let thread = std::thread::spawn(move || serving.run(|| sender.send(()).unwrap()));
    ready.recv().unwrap();
    let image = world.store.resolve(&name.to_string()).unwrap();
    assert_eq!(world.store.readiness(&image), Readiness::Coming);
    let chain = world.store.chain_now(&image).unwrap();
    assert!(chain.is_coming());
    let names = std::fs::read_dir(&chain.lower[0]).unwrap().count();
    assert_eq!(names, 3);
    registry.hold(false);
    assert_eq!(read(&chain.lower[0], "b"), "second");
    drop(chain);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_piece_that_differs_is_an_error() {
    let registry = Registry::start();
    let world = support::world();
    let content = "x".repeat(4000);
    let layer = layer(&registry, &[file("good", "good"), file("bad", &content)]);
    let name = image(&registry, std::slice::from_ref(&layer));
    let begun = Lazily::begin(&world.store, &client(), &name, &Platform::host()).unwrap();
    let Lazily::Serving(serving) = begun else { panic!("{begun:?}") };
    // The second member, but not its head: of the piece itself.
    registry.spoil(&layer.0.digest, |blob| {
        let members: Vec<usize> =
            (0..blob.len() - 3).filter(|&at| blob[at..at + 3] == [0x1f, 0x8b, 8]).collect();
        let at = members[2] + 14;
        blob[at] ^= 0xff;
    });
    registry.hold(true);
    let (sender, ready) = channel();
    let thread = std::thread::spawn(move || serving.run(|| sender.send(()).unwrap()));
    ready.recv().unwrap();
    let image = world.store.resolve(&name.to_string()).unwrap();
    let chain = world.store.chain_now(&image).unwrap();
    registry.hold(false);
    let error = std::fs::read(chain.lower[0].join("bad")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "{error}");
    drop(chain);
    thread.join().unwrap().unwrap_err();
    assert_eq!(world.store.readiness(&image), Readiness::Broken);
    assert!(world.store.lazy_failure(&image).is_some());
}

/// A table that is good for itself, and tells of other files than the layer has.
#[test]
fn a_table_that_lies_is_refused_in_the_end() {
    let registry = Registry::start();
    let world = support::world();
    let (told, _) = layer(&registry, &[file("a", "told"), file("b", "hidden")]);
    let tar = support::tar(&[file("a", "told"), file("b", "hidden")]);
    let mut blob = Vec::new();
    writer::write(&mut &tar[..], &mut blob, 6, &Limits::DEFAULT).unwrap();
    let lying = lie(&blob);
    let mut descriptor = registry.put(media::LAYER_GZIP, &lying.0, None);
    descriptor.annotations.insert(TOC_DIGEST.to_owned(), lying.1.to_string());
    assert_ne!(descriptor.digest, told.digest);
    let name = image(&registry, &[(descriptor, lying.2)]);
    let thread = serve(&world, &name);
    let error = thread.join().unwrap().unwrap_err();
    assert!(matches!(&error, Error::FalseTable { path, .. } if path == "/a"), "{error}");
    let image = world.store.resolve(&name.to_string()).unwrap();
    assert_eq!(world.store.readiness(&image), Readiness::Broken);
}

/// The same layer with the pieces of `a` and `b` exchanged in the table: blob, table, diffID.
fn lie(blob: &[u8]) -> (Vec<u8>, Digest, Digest) {
    use std::io::{Read as _, Write as _};
    use teu_images::lazy::{TOC_NAME, footer, toc::Toc};
    use teu_images::tar::{Builder, Reader, WriteEntry};
    let gunzip = |bytes: &[u8]| {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        plain
    };
    let end = blob.len() - footer::FOOTER_BYTES;
    let at = usize::try_from(footer::read(&blob[end..]).unwrap()).unwrap();
    let table = gunzip(&blob[at..end]);
    let mut reader = Reader::new(&table[..], &Limits::DEFAULT);
    reader.next_entry().unwrap();
    let text = reader.read_all(1 << 20, "a table").unwrap();
    let mut toc = Toc::parse(&text, &Limits::DEFAULT).unwrap();
    let (first, second) = (toc.entries[0].clone(), toc.entries[1].clone());
    let exchange = [(0, &second), (1, &first)];
    for (number, other) in exchange {
        let entry = &mut toc.entries[number];
        (entry.offset, entry.size) = (other.offset, other.size);
        (entry.digest, entry.chunk_digest) = (other.digest.clone(), other.chunk_digest.clone());
    }
    let text = serde_json::to_vec(&toc).unwrap();
    let mut tar = Builder::new(Vec::new());
    let entry = WriteEntry::new(TOC_NAME, Kind::File, 0o444, text.len() as u64);
    tar.append(&entry, &text).unwrap();
    let mut out = blob[..at].to_vec();
    let mut gzip = flate2::write::GzEncoder::new(&mut out, flate2::Compression::default());
    gzip.write_all(&tar.finish().unwrap()).unwrap();
    gzip.finish().unwrap();
    out.extend_from_slice(&footer::write(at as u64));
    let diff_id = Digest::sha256(&gunzip(&out));
    (out, Digest::sha256(&text), diff_id)
}

/// What cannot be trusted from the start is not served.
#[test]
fn tables_that_are_no_use() {
    let registry = Registry::start();
    let world = support::world();
    let reason = |layer: (Descriptor, Digest)| {
        let name = image(&registry, &[layer]);
        match Lazily::begin(&world.store, &client(), &name, &Platform::host()).unwrap() {
            Lazily::Not(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let good = layer(&registry, &[file("a", "b")]);
    let mut other = good.clone();
    other.0.annotations.insert(TOC_DIGEST.to_owned(), Digest::sha256(b"other").to_string());
    assert!(reason(other).contains("its digest is not the one"));
    let mut plain = good;
    plain.0.annotations.clear();
    assert!(reason(plain).contains("footer"));
    let climbing = layer(&registry, &[file("../../a", "b")]);
    assert!(reason(climbing).contains("a path in it is not allowed"));
    let twice = layer(&registry, &[file("a", "b"), file("a", "c")]);
    assert!(reason(twice).contains("one place"));
    let link = layer(&registry, &[link(Kind::HardLink, "a", "elsewhere")]);
    assert!(reason(link).contains("hard link"));
    assert!(world.store.list().unwrap().is_empty());
}
