//! What is kept, what goes, and that the figures are those of `du`.

use crate::support::*;
use std::path::Path;
use teu_images::{Error, Keeper, PruneFilter, Store};

fn du(path: &Path) -> u64 {
    let output = run("du", &["-s", "--block-size=1", &path.display().to_string()]).unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn usage_is_what_du_sees() {
    let mut w = world();
    let shared = layer(&w.store, &[file("base", &"b".repeat(100_000))], None);
    let one = layer(&w.store, &[file("one", &"1".repeat(50_000))], Some(&shared));
    let two = layer(&w.store, &[file("two", &"2".repeat(30_000))], Some(&shared));
    image_of(&w.store, &[&shared, &one], &["one"]);
    image_of(&w.store, &[&shared, &two], &["two"]);
    let lost = layer(&w.store, &[file("lost", &"3".repeat(10_000))], None);
    let store = w.again().clone();
    // ext4 gives blocks to what is still in memory when it is written out.
    assert!(run("sync", &["-f", &w.layout()]).unwrap().status.success());
    let usage = store.usage().unwrap();
    assert_eq!(usage.total_bytes, du(store.dir()));
    assert_eq!(usage.images.len(), 2);
    for image in &usage.images {
        assert_eq!(image.total_bytes, image.shared_bytes + image.unique_bytes);
        assert!(image.shared_bytes > 200_000 && image.unique_bytes > 60_000, "{image:?}");
    }
    assert!(usage.unreferenced_bytes > 20_000);
    let before = du(store.dir());
    let pruned = store.prune(&PruneFilter::default(), &[]).unwrap();
    assert_eq!(pruned.freed_bytes, usage.unreferenced_bytes);
    assert_eq!(before - du(store.dir()), pruned.freed_bytes);
    assert!(!store.has_blob(&lost.diff_id) && store.has_blob(&shared.diff_id));
    assert_eq!(store.usage().unwrap().unreferenced_bytes, 0);
    // The last image gives back all but the empty store.
    let all = PruneFilter { all: true, ..PruneFilter::default() };
    store.prune(&all, &[]).unwrap();
    assert!(store.list().unwrap().is_empty());
    let empty = Store::open(&w.dir.path().join("empty")).unwrap();
    assert!(du(store.dir()) <= du(empty.dir()) + 8192, "{} {}", du(store.dir()), du(empty.dir()));
}

#[test]
fn every_byte_has_a_keeper_or_goes() {
    let mut w = world();
    let base = layer(&w.store, &[file("base", "b")], None);
    let top = layer(&w.store, &[file("top", "t")], Some(&base));
    let made = image_of(&w.store, &[&base, &top], &["app"]);
    let running = w.store.why(&base.diff_id).unwrap();
    assert!(running.contains(&Keeper::Running(std::process::id())), "{running:?}");
    let store = w.again().clone();
    let keeper = Keeper::Image(made.id.clone(), vec![name("app")]);
    for digest in [&made.id, &made.manifest_digest, &base.diff_id, top.chain_id.digest()] {
        assert_eq!(store.why(digest).unwrap(), std::slice::from_ref(&keeper), "{digest}");
    }
    let lease = store.lease("container-1").unwrap();
    lease.keep(&[top.chain_id.digest().clone()]).unwrap();
    drop((lease, store));
    let store = w.again().clone();
    store.prune(&PruneFilter { all: true, ..PruneFilter::default() }, &[]).unwrap();
    // The snapshots stay, parents included; the blobs went with the image.
    assert_eq!(
        store.chain_of(&[base.diff_id.clone(), top.diff_id.clone()]).unwrap().lower.len(),
        2
    );
    assert!(!store.has_blob(&base.diff_id));
    drop(store);
    let store = w.again().clone();
    assert_eq!(
        store.why(base.chain_id.digest()).unwrap(),
        [Keeper::Lease("container-1".to_owned())]
    );
    assert_eq!(store.usage().unwrap().leases[0].name, "container-1");
    store.lease("container-1").unwrap().release().unwrap();
    store.collect().unwrap();
    assert!(matches!(store.chain_of(&[base.diff_id]), Err(Error::Missing { .. })));
}

#[test]
fn a_lease_of_a_manifest_keeps_the_whole_image() {
    let mut w = world();
    let made = image(&w.store, "a", &["app"]);
    w.store.lease("c").unwrap().keep(std::slice::from_ref(&made.manifest_digest)).unwrap();
    let store = w.again().clone();
    store.prune(&PruneFilter { all: true, ..PruneFilter::default() }, &[]).unwrap();
    assert!(store.has_blob(&made.id) && store.has_blob(&made.config.rootfs.diff_ids[0]));
    assert!(store.chain_of(&made.config.rootfs.diff_ids).is_ok());
    let absent = teu_oci::Digest::sha256(b"absent");
    assert!(matches!(store.lease("c").unwrap().keep(&[absent]), Err(Error::Missing { .. })));
    for bad in ["", "../x", "a/b", ".hidden", "a b"] {
        assert!(matches!(store.lease(bad), Err(Error::LeaseName(_))), "{bad}");
    }
}

#[test]
fn prune_filters_are_dockers() {
    let mut w = world();
    let old = image(&w.store, "old", &["old"]);
    image(&w.store, "dangling", &[]);
    let store = w.again().clone();
    let prune = |filter: PruneFilter, in_use: &[_]| store.prune(&filter, in_use).unwrap();
    prune(PruneFilter::default(), &[]);
    assert_eq!(store.list().unwrap().len(), 1);
    let all = PruneFilter { all: true, ..PruneFilter::default() };
    prune(all.clone(), &[(old.id.clone(), "c".to_owned())]);
    prune(PruneFilter { until: Some(0), ..all.clone() }, &[]);
    prune(PruneFilter { labels: vec![("x".to_owned(), None)], ..all.clone() }, &[]);
    assert_eq!(store.list().unwrap().len(), 1);
    prune(PruneFilter { until: Some(2_000_000_000), ..all }, &[]);
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn loading_and_pruning_at_once_loses_nothing() {
    let w = world();
    let source = Store::open(&w.dir.path().join("source")).unwrap();
    let archives: Vec<Vec<u8>> = (0..6)
        .map(|n| {
            let base = layer(&source, &[file("base", "shared")], None);
            let top = layer(&source, &[file("top", &n.to_string())], Some(&base));
            let made = image_of(&source, &[&base, &top], &[&format!("app:{n}")]);
            let mut archive = Vec::new();
            let names = vec![name(&format!("app:{n}"))];
            source.save(&[(made, names)], Default::default(), &mut archive).unwrap();
            archive
        })
        .collect();
    let dir = w.dir.path().join("images");
    std::thread::scope(|scope| {
        for archive in &archives {
            let dir = &dir;
            scope.spawn(move || {
                for _ in 0..10 {
                    let store = Store::open(dir).unwrap();
                    let loaded = store.load(&mut &archive[..], None).unwrap();
                    // It has a name now: whoever removes names is not at work here.
                    let image = store.resolve(&loaded[0].names[0].familiar()).unwrap();
                    for lower in store.chain(&image).unwrap().lower {
                        assert!(lower.exists());
                    }
                    store.untag(&loaded[0].names[0]).unwrap();
                }
                let store = Store::open(dir).unwrap();
                store.load(&mut &archive[..], None).unwrap();
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..40 {
                    Store::open(&dir).unwrap().prune(&PruneFilter::default(), &[]).unwrap();
                }
            });
        }
    });
    let store = Store::open(&dir).unwrap();
    assert!(store.broken().unwrap().is_empty());
    for n in 0..archives.len() {
        let image = store.resolve(&format!("app:{n}")).unwrap();
        let chain = store.chain(&image).unwrap();
        assert_eq!(std::fs::read_to_string(chain.lower[0].join("top")).unwrap(), n.to_string());
        assert_eq!(std::fs::read_to_string(chain.lower[1].join("base")).unwrap(), "shared");
    }
}
