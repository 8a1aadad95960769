//! Commands killed at any instant: what is left is a whole store, and the next command cleans up.

use crate::support::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use teu_images::Store;

const ROLE: &str = "TEU_IMAGES_TEST_LOAD";

/// Not a test by itself: the process that is killed.
#[test]
fn child_loads_until_it_is_killed() {
    let Some(arguments) = std::env::var_os(ROLE) else { return };
    let arguments = arguments.into_string().unwrap();
    let (dir, archive) = arguments.split_once('|').unwrap();
    loop {
        let store = Store::open(Path::new(dir)).unwrap();
        // A pipe's order of things, then a file's.
        store.load(&mut std::fs::File::open(archive).unwrap(), None).unwrap();
        let all = teu_images::PruneFilter { all: true, ..Default::default() };
        drop(store);
        let store = Store::open(Path::new(dir)).unwrap();
        store.prune(&all, &[]).unwrap();
        store.load_file(&std::fs::File::open(archive).unwrap(), None).unwrap();
        store.prune(&all, &[]).unwrap();
    }
}

fn archive(w: &World) -> PathBuf {
    let texts: Vec<String> = (0..200).map(|n| format!("{n} ").repeat(2000)).collect();
    let names: Vec<String> = (0..200).map(|n| format!("d{}/f{n}", n % 7)).collect();
    let items: Vec<Item<'_>> =
        names.iter().zip(&texts).map(|(name, text)| file(name, text)).collect();
    let source = Store::open(&w.dir.path().join("source")).unwrap();
    let base = layer(&source, &items, None);
    let top = layer(&source, &[file("top", "t")], Some(&base));
    let made = image_of(&source, &[&base, &top], &["app:1"]);
    let path = w.dir.path().join("app.tar");
    let mut out = std::fs::File::create(&path).unwrap();
    source.save(&[(made, vec![name("app:1")])], Default::default(), &mut out).unwrap();
    out.flush().unwrap();
    path
}

/// Every blob has the bytes of its name, and every image of the table can be read whole.
fn assert_whole(store: &Store) {
    for entry in std::fs::read_dir(store.dir().join("blobs/sha256")).unwrap().flatten() {
        let digest = format!("sha256:{}", entry.file_name().to_str().unwrap()).parse().unwrap();
        assert!(store.verify_blob(&digest).unwrap(), "{digest} is visible and not whole");
    }
    assert!(store.broken().unwrap().is_empty());
    for image in store.list().unwrap() {
        let chain = store.chain(&image).unwrap();
        assert_eq!(std::fs::read_to_string(chain.lower[0].join("top")).unwrap(), "t");
        assert_eq!(std::fs::read_dir(chain.lower[1].join("d3")).unwrap().count(), 29);
    }
}

#[test]
fn killed_at_any_instant_the_store_is_whole() {
    let w = world();
    let archive = archive(&w);
    let dir = w.dir.path().join("images");
    let role = format!("{}|{}", dir.display(), archive.display());
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_loads_until_it_is_killed", "--test-threads=1"])
            .env(ROLE, &role)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(5_000 + random % 120_000));
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_whole(&Store::open(&dir).unwrap());
    }
    let store = Store::open(&dir).unwrap();
    store.load_file(&std::fs::File::open(&archive).unwrap(), None).unwrap();
    assert_eq!(store.resolve("app:1").unwrap().names, [name("app:1")]);
    assert_whole(&store);
    // Nothing is left but what belongs to this handle.
    drop(store);
    let store = Store::open(&dir).unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.join("tmp")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let pruned = store.prune(&Default::default(), &[]).unwrap();
    let usage = store.usage().unwrap();
    assert_eq!(usage.unreferenced_bytes, 0, "{pruned:?}");
}

#[test]
fn many_commands_at_once_agree() {
    let w = world();
    let archive = archive(&w);
    let dir = w.dir.path().join("images");
    std::thread::scope(|scope| {
        for n in 0..12 {
            let (dir, archive) = (&dir, &archive);
            scope.spawn(move || {
                let store = Store::open(dir).unwrap();
                let loaded = store.load_file(&std::fs::File::open(archive).unwrap(), None).unwrap();
                store.tag(&loaded[0].image, &name(&format!("mine:{n}"))).unwrap();
                let image = store.resolve(&format!("mine:{n}")).unwrap();
                assert_eq!(store.chain(&image).unwrap().lower.len(), 2);
            });
        }
    });
    let store = Store::open(&dir).unwrap();
    assert_whole(&store);
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(store.resolve("app:1").unwrap().names.len(), 13);
    assert_eq!(std::fs::read_dir(dir.join("snapshots")).unwrap().count(), 2);
}

const FULL: &str = "TEU_IMAGES_TEST_FULL";

/// Not a test by itself: runs in a mount namespace where the store's disk is small.
#[test]
fn child_fills_the_disk() {
    let Some(arguments) = std::env::var_os(FULL) else { return };
    let arguments = arguments.into_string().unwrap();
    let (dir, archive) = arguments.split_once('|').unwrap();
    let store = Store::open(Path::new(dir)).unwrap();
    for _ in 0..3 {
        let file = std::fs::File::open(archive).unwrap();
        let error = store.load_file(&file, None).unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        let error = store.load(&mut { &file }, None).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    drop(store);
    let store = Store::open(Path::new(dir)).unwrap();
    assert!(store.list().unwrap().is_empty());
    let usage = store.usage().unwrap();
    assert!(usage.total_bytes < 100_000, "nothing is left behind: {usage:?}");
    // What fits is still stored.
    let plain = tar(&[file("small", "x")]);
    store.layer_from_tar(&mut &plain[..], None).unwrap();
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let w = world();
    let archive = archive(&w);
    let disk = w.dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=2m tmpfs {disk} && exec {} --exact crash::child_fills_the_disk",
        std::env::current_exe().unwrap().display(),
        disk = disk.display()
    );
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script])
        .env(FULL, format!("{}|{}", disk.join("images").display(), archive.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
