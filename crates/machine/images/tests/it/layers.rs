//! Layers over one another: whiteouts, links across them, and directories made into layers.

use crate::support::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use teu_images::error::UpperFault;
use teu_images::tar::Kind;
use teu_images::{Chain, Error, Layer, LayerOptions, Store};
use teu_oci::Digest;

/// Mounts a chain as an overlay in a mount namespace of its own and runs a shell there.
fn merged(chain: &Chain, script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let lower: Vec<String> = chain.lower.iter().map(|path| path.display().to_string()).collect();
    // A single lower directory needs another beneath it.
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let lower = format!("{}:{}", lower.join(":"), empty.display());
    let at = dir.path().join("at");
    std::fs::create_dir(&at).unwrap();
    let script = format!(
        "mount -t overlay overlay -o 'lowerdir={lower}' {at} && cd {at} && {script}",
        at = at.display()
    );
    let output = run("unshare", &["-m", "--propagation", "private", "sh", "-c", &script]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn chain(store: &Store, layers: &[&Layer]) -> Chain {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
    store.chain_of(&diff_ids).unwrap()
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_else() {
    let w = world();
    let base = layer(
        &w.store,
        &[
            file("gone", "1"),
            file("back", "old"),
            dir("d/"),
            file("d/x", "1"),
            dir("o/"),
            file("o/old", "1"),
            dir("r/"),
            file("r/old", "1"),
            dir("n/"),
            file("n/old", "1"),
        ],
        None,
    );
    let top = layer(
        &w.store,
        &[
            file(".wh.gone", ""),
            // Own entries stay, before or after their whiteout.
            file("back", "new"),
            file(".wh.back", ""),
            file("d/.wh.x", ""),
            file("o/new", "2"),
            file("o/.wh..wh..opq", ""),
            file(".wh.r", ""),
            dir("r/"),
            file("r/new", "2"),
            file(".wh.n", ""),
            file("n/new", "2"),
            file(".wh..wh.plnk", ""),
        ],
        Some(&base),
    );
    let seen = merged(&chain(&w.store, &[&base, &top]), "find . -type f | sort; cat back");
    assert_eq!(seen, "./back\n./n/new\n./o/new\n./r/new\nnew");
    for bad in [".wh.", "d/.wh..", ".wh..."] {
        let bytes = tar(&[file(bad, "")]);
        assert!(w.store.layer_from_tar(&mut &bytes[..], None).is_err(), "{bad}");
    }
}

#[test]
fn a_hard_link_to_a_lower_layer_is_copied_up() {
    let w = world();
    let base = layer(
        &w.store,
        &[dir("a/"), file("a/f", "content"), link(Kind::Symlink, "s", "a/f")],
        None,
    );
    let middle = layer(&w.store, &[file("other", "x")], Some(&base));
    let bytes = [
        link(Kind::HardLink, "l", "a/f"),
        link(Kind::HardLink, "t", "s"),
        link(Kind::HardLink, "late", "z"),
        file("z", "zz"),
    ];
    let top = layer(&w.store, &bytes, Some(&middle));
    let seen = merged(&chain(&w.store, &[&base, &middle, &top]), "cat l t late; readlink t");
    assert_eq!(seen, "contentcontentzza/f\n");
    // What a layer between has hidden is not there to be linked.
    let hiding = layer(&w.store, &[file(".wh.a", "")], Some(&base));
    let bytes = tar(&[link(Kind::HardLink, "l", "a/f")]);
    let error = w.store.layer_from_tar(&mut &bytes[..], Some(&hiding.chain_id)).unwrap_err();
    assert!(matches!(error, Error::Entry { .. }), "{error}");
}

#[test]
fn directories_nobody_describes_look_like_those_below() {
    let w = world();
    let mut private = dir("p/");
    private.mode = 0o700;
    let mut root = dir("./");
    root.mode = 0o711;
    let base = layer(&w.store, &[root, private, dir("p/q/")], None);
    let top = layer(&w.store, &[file("p/q/f", "1"), file("new/f", "2")], Some(&base));
    let seen = merged(&chain(&w.store, &[&base, &top]), "stat -c '%a %n' . p p/q new");
    assert_eq!(seen, "711 .\n700 p\n755 p/q\n755 new\n");
}

fn upper(w: &World, at: &str) -> PathBuf {
    let dir = w.dir.path().join(at);
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(dir.join("sub/file"), "content").unwrap();
    std::fs::set_permissions(dir.join("sub/file"), PermissionsExt::from_mode(0o4711)).unwrap();
    std::fs::hard_link(dir.join("sub/file"), dir.join("twin")).unwrap();
    symlink("sub/file", dir.join("link")).unwrap();
    std::fs::write(dir.join("ünï\u{1F600}"), "").unwrap();
    rustix::fs::mknodat(CWD, dir.join("gone"), FileType::CharacterDevice, Mode::empty(), 0)
        .unwrap();
    rustix::fs::mknodat(CWD, dir.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let set = |path: &str, key: &str, value: &[u8]| {
        rustix::fs::setxattr(dir.join(path), key, value, XattrFlags::empty()).unwrap();
    };
    set("sub", "trusted.overlay.opaque", b"y");
    set("sub/file", "trusted.overlay.origin", b"whatever");
    set("sub/file", "user.note", b"kept");
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    set("ünï\u{1F600}", "security.capability", capability);
    for path in ["sub/file", "sub", "ünï\u{1F600}", ""] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
        std::fs::File::open(dir.join(path)).unwrap().set_modified(time).unwrap();
    }
    dir
}

#[test]
fn an_upper_directory_becomes_the_same_layer_everywhere() {
    let w = world();
    let base = layer(&w.store, &[file("gone", "x"), dir("sub/"), file("sub/hidden", "x")], None);
    let options = LayerOptions { mtime_clamp: Some(1_600_000_000), take: false };
    let first = w.store.commit_layer(&upper(&w, "one"), Some(&base.chain_id), options).unwrap();
    let taken = LayerOptions { take: true, ..options };
    let two = upper(&w, "two");
    let second = w.store.commit_layer(&two, Some(&base.chain_id), taken).unwrap();
    assert_eq!(first, second, "the same tree gives the same digest");
    assert!(!two.exists(), "it was taken");
    let script = "find . | sort; cat twin link; stat -c '%a %h %Y %n' sub/file; \
                  getfattr -n user.note --only-values sub/file 2>/dev/null; getcap * 2>/dev/null";
    let adopted = merged(&chain(&w.store, &[&base, &second]), script);
    assert!(
        adopted.starts_with(".\n./link\n./pipe\n./sub\n./sub/file\n./twin\n./ünï"),
        "{adopted}"
    );
    assert!(adopted.contains("contentcontent4711 2 1500000000 sub/file"), "{adopted}");
    // Another store unpacks the blob to the same tree.
    let other = world();
    let mut blob = w.store.open_blob(&second.descriptor.digest).unwrap();
    let base_again =
        layer(&other.store, &[file("gone", "x"), dir("sub/"), file("sub/hidden", "x")], None);
    let again = other.store.layer_from_tar(&mut blob, Some(&base_again.chain_id)).unwrap();
    assert_eq!(again.diff_id, second.diff_id);
    assert_eq!(merged(&chain(&other.store, &[&base_again, &again]), script), adopted);
    // GNU tar reads it, too.
    let listed = run("tar", &["tf", &blob_path(&w.store, &second.diff_id)]).unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        text.starts_with(".wh.gone\nlink\npipe\nsub/\nsub/.wh..wh..opq\nsub/file\ntwin\n"),
        "{text}"
    );
}

fn blob_path(store: &Store, digest: &Digest) -> String {
    store.dir().join("blobs/sha256").join(digest.hex()).display().to_string()
}

#[test]
fn a_real_overlays_upper_is_committed() {
    let w = world();
    let base = layer(
        &w.store,
        &[file("a", "1"), dir("d/"), file("d/f", "2"), dir("e/"), file("e/f", "3"), file("k", "4")],
        None,
    );
    let lower = chain(&w.store, &[&base]).lower[0].display().to_string();
    let (upper, work, at) =
        (w.dir.path().join("u"), w.dir.path().join("w"), w.dir.path().join("at"));
    for dir in [&upper, &work, &at] {
        std::fs::create_dir(dir).unwrap();
    }
    let script = format!(
        "mount -t overlay overlay -o lowerdir={lower},upperdir={},workdir={} {at} && cd {at} && \
         rm a && rm -r d && mkdir d && echo new > d/g && chmod 600 k && ln k k2 && mv e/f e/g",
        upper.display(),
        work.display(),
        at = at.display()
    );
    let output = run("unshare", &["-m", "--propagation", "private", "sh", "-c", &script]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let options = LayerOptions { mtime_clamp: None, take: true };
    let top = w.store.commit_layer(&upper, Some(&base.chain_id), options).unwrap();
    let look = "find . -type f | sort; stat -c %h k; cat d/g e/g";
    let expected = "./d/g\n./e/g\n./k\n./k2\n2\nnew\n3";
    assert_eq!(merged(&chain(&w.store, &[&base, &top]), look), expected);
    // The snapshot is thrown away and made again from the blob.
    std::fs::remove_dir_all(w.store.dir().join("snapshots").join(top.chain_id.hex())).unwrap();
    let made = image_of(&w.store, &[&base, &top], &["app"]);
    assert_eq!(merged(&w.store.chain(&made).unwrap(), look), expected);
}

#[test]
fn an_upper_that_cannot_be_a_layer_is_refused() {
    let w = world();
    for (key, fault) in [("redirect", UpperFault::Redirect), ("metacopy", UpperFault::Metacopy)] {
        let dir = w.dir.path().join(key);
        std::fs::create_dir_all(dir.join("x")).unwrap();
        let key = format!("trusted.overlay.{key}");
        rustix::fs::setxattr(dir.join("x"), key.as_str(), b"/etc", XattrFlags::empty()).unwrap();
        let error = w.store.commit_layer(&dir, None, LayerOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Upper { reason, .. } if reason == fault), "{error}");
    }
}

#[test]
fn a_changed_root_is_part_of_the_layer() {
    let w = world();
    let base = layer(&w.store, &[file("a", "1")], None);
    let dir = w.dir.path().join("u");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
    let top = w.store.commit_layer(&dir, Some(&base.chain_id), LayerOptions::default()).unwrap();
    let made = image_of(&w.store, &[&base, &top], &["app"]);
    assert_eq!(mode(&w.store.chain(&made).unwrap().lower[0]), 0o700);
    assert_eq!(mode(&w.store.chain(&made).unwrap().lower[1]), 0o755);
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn nothing_is_inherited_from_where_the_store_stands() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o2770)).unwrap();
    std::os::unix::fs::chown(dir.path(), None, Some(12345)).unwrap();
    let store = Store::open(&dir.path().join("images")).unwrap();
    let made =
        layer(&store, &[dir_with("s", 0o2775), file("s/f", "x"), dir_with("s/d", 0o755)], None);
    let root = &chain(&store, &[&made]).lower[0];
    for (path, expected) in [("", 0o755), ("s", 0o2775), ("s/d", 0o755), ("s/f", 0o644)] {
        let found = root.join(path).metadata().unwrap();
        assert_eq!((found.mode() & 0o7777, found.gid()), (expected, 0), "{path}");
    }
}

fn dir_with(path: &str, mode: u32) -> Item<'_> {
    Item { mode, ..dir(path) }
}

#[test]
fn sparse_files_stay_sparse() {
    let w = world();
    let dir = w.dir.path().join("tree");
    std::fs::create_dir(&dir).unwrap();
    std::fs::File::create(dir.join("holes")).unwrap().set_len(50 << 20).unwrap();
    let Some(output) = run("tar", &["-cSf", "-", "-C", &dir.display().to_string(), "."]) else {
        return;
    };
    let made = w.store.layer_from_tar(&mut &output.stdout[..], None).unwrap();
    let found = chain(&w.store, &[&made]).lower[0].join("holes").metadata().unwrap();
    assert_eq!(found.len(), 50 << 20);
    assert!(found.blocks() < 100, "{} blocks", found.blocks());
}

#[test]
fn a_snapshot_of_another_boot_that_was_never_synced_is_made_again() {
    let mut w = world();
    let only = layer(&w.store, &[file("f", "whole")], None);
    let made = image_of(&w.store, &[&only], &["app"]);
    let snapshot = w.store.dir().join("snapshots").join(only.chain_id.hex());
    let record = std::fs::read_to_string(snapshot.join("layer.json")).unwrap();
    assert!(!record.contains("boot"), "an acknowledged image is on disk: {record}");
    // As if the machine had lost its power after a layer was made, and before it was synced.
    let torn = record.replacen('{', r#"{"boot":"another","#, 1);
    std::fs::write(snapshot.join("layer.json"), torn).unwrap();
    std::fs::write(snapshot.join("fs/f"), "").unwrap();
    assert!(!w.again().has_chain(&only.chain_id).unwrap());
    assert!(matches!(w.store.chain_of(&made.config.rootfs.diff_ids), Err(Error::Missing { .. })));
    let chain = w.store.chain(&made).unwrap();
    assert_eq!(std::fs::read_to_string(chain.lower[0].join("f")).unwrap(), "whole");
}

#[test]
fn a_tree_of_any_depth_can_be_removed() {
    use std::os::fd::AsFd;
    let dir = tempfile::tempdir().unwrap();
    let script = "mkdir deep && cd deep && mkdir .teu-removed-1 && touch .teu-removed-2 && \
                  i=0; while [ $i -lt 1500 ]; do mkdir d; cd d || exit 1; i=$((i+1)); done; touch end";
    let made =
        std::process::Command::new("sh").args(["-c", script]).current_dir(dir.path()).status();
    assert!(made.unwrap().success());
    let parent = std::fs::File::open(dir.path()).unwrap();
    teu_images::tree::remove_at(parent.as_fd(), b"deep").unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
