//! Small images made on the spot, and programs of others where they are installed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use teu_images::tar::{Builder, Kind, WriteEntry};
use teu_images::{Image, Layer, Store};
use teu_oci::Reference;
use teu_oci::image::{Config, ImageConfig, RootFs};

/// An entry of an archive of ours.
pub struct Item<'a> {
    pub path: &'a str,
    pub kind: Kind,
    pub content: &'a str,
    pub mode: u32,
}

pub fn file<'a>(path: &'a str, content: &'a str) -> Item<'a> {
    Item { path, kind: Kind::File, content, mode: 0o644 }
}

pub fn dir(path: &str) -> Item<'_> {
    Item { path, kind: Kind::Directory, content: "", mode: 0o755 }
}

pub fn link<'a>(kind: Kind, path: &'a str, target: &'a str) -> Item<'a> {
    Item { path, kind, content: target, mode: 0o777 }
}

pub fn tar(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let is_link = matches!(item.kind, Kind::HardLink | Kind::Symlink);
        let content = if is_link { "" } else { item.content };
        let mut entry =
            WriteEntry::new(item.path.as_bytes(), item.kind, item.mode, content.len() as u64);
        if is_link {
            entry.link = item.content.as_bytes();
        }
        if item.kind == Kind::Char {
            entry.device = (1, 3);
        }
        builder.append(&entry, content.as_bytes()).unwrap();
    }
    builder.finish().unwrap()
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub store: Store,
}

pub fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("images")).unwrap();
    World { dir, store }
}

impl World {
    /// The store as another command sees it, without the claims of the first.
    pub fn again(&mut self) -> &Store {
        self.store = Store::open(&self.dir.path().join("images")).unwrap();
        &self.store
    }

    pub fn layout(&self) -> String {
        self.store.dir().display().to_string()
    }
}

pub fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

pub fn layer(store: &Store, items: &[Item<'_>], parent: Option<&Layer>) -> Layer {
    let bytes = tar(items);
    store.layer_from_tar(&mut &bytes[..], parent.map(|layer| &layer.chain_id)).unwrap()
}

pub fn config(layers: &[&Layer]) -> ImageConfig {
    ImageConfig {
        created: Some("2024-05-01T12:00:00Z".to_owned()),
        author: None,
        architecture: "amd64".to_owned(),
        variant: None,
        os: "linux".to_owned(),
        os_version: None,
        config: Config::default(),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        },
        history: Vec::new(),
        inline_cache: None,
    }
}

pub fn image_of(store: &Store, layers: &[&Layer], names: &[&str]) -> Image {
    let names: Vec<Reference> = names.iter().map(|text| name(text)).collect();
    let descriptors: Vec<_> = layers.iter().map(|layer| layer.descriptor.clone()).collect();
    store.write_image(&config(layers), &descriptors, Some(&names)).unwrap()
}

/// An image of one file, which makes it unlike others.
pub fn image(store: &Store, text: &str, names: &[&str]) -> Image {
    let only = layer(store, &[file("file", text)], None);
    image_of(store, &[&only], names)
}

/// Runs a program; `None` where it is not installed.
pub fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program).args(arguments).output().ok()
}

/// Runs skopeo without its policy file; the test fails where it fails.
pub fn skopeo(arguments: &[&str]) -> Option<String> {
    let output = run("skopeo", &[&["--insecure-policy"], arguments].concat())?;
    assert!(
        output.status.success(),
        "skopeo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// All beneath a directory: path to kind, mode, owner, target or content.
pub fn listing(dir: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap().flatten() {
            let (path, found) = (entry.path(), entry.metadata().unwrap());
            let what = if found.is_dir() {
                open.push(path.clone());
                "dir".to_owned()
            } else if found.file_type().is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if found.file_type().is_char_device() {
                format!("char {}", found.rdev())
            } else if found.is_file() {
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
            } else {
                "other".to_owned()
            };
            let owner = format!("{:o} {}:{}", found.mode() & 0o7777, found.uid(), found.gid());
            let key = path.strip_prefix(dir).unwrap().display().to_string();
            all.insert(key, format!("{owner} {what}"));
        }
    }
    all
}
