//! Records over a real store: restarts, losses, rewriting.

use super::*;
use std::io::Write;
use teu_images::Store;
use teu_oci::Digest;

fn name() -> Name {
    Name::parse("a/b").expect("a name")
}

fn push_blob(repository: &Repository, store: &Store, content: &str, at: u64) -> Digest {
    let digest = Digest::sha256(content.as_bytes());
    let mut upload = store.begin_upload(&format!("u-{}", digest.hex())).expect("begun");
    upload.write_all(content.as_bytes()).expect("written");
    let note = Note::Blob { digest: digest.clone(), size: content.len() as u64, at };
    repository.take(upload.seal(&digest).expect("sealed"), note).expect("taken");
    digest
}

fn record(blobs: &[&Digest], subject: Option<&Digest>) -> ManifestRecord {
    ManifestRecord {
        media_type: "m".into(),
        size: 8,
        at: 1,
        artifact_type: None,
        subject: subject.cloned(),
        blobs: blobs.iter().map(|digest| (*digest).clone()).collect(),
        manifests: Vec::new(),
    }
}

#[test]
fn a_restart_knows_the_same_and_collection_takes_only_what_went() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("images")).expect("a store");
    let records = Records::open(Depot::local(&store)).expect("opened");
    let repository = records.get_or_create(&name()).expect("created");
    let used = push_blob(&repository, &store, "used", 5);
    let unused = push_blob(&repository, &store, "unused", 6);
    let digest = Digest::sha256(b"manifest");
    let note = |tag: &str| Note::Manifest {
        digest: digest.clone(),
        record: record(&[&used], Some(&unused)),
        tag: Some(tag.into()),
    };
    let sealed = store.seal(b"manifest", &digest).expect("sealed");
    repository.take(sealed, note("v1")).expect("taken");
    repository.change(note("v2")).expect("tagged");
    repository.change(Note::Untag { tag: "v1".into() }).expect("untagged");
    repository.persist().expect("on disk");
    let before = repository.read().clone();
    assert_eq!(before.bytes, 4 + 6 + 8);
    assert_eq!(before.unneeded_blobs(5), []);
    assert_eq!(before.unneeded_blobs(6), std::slice::from_ref(&unused));
    assert_eq!(before.oldest_unneeded(), Some(6));
    assert!(Records::open(Depot::local(&store)).is_err(), "one registry at a time");
    drop((repository, records));
    let records = Records::open(Depot::local(&store)).expect("opened again");
    let repository = records.get(&name()).expect("there");
    assert_eq!(*repository.read(), before);
    // The notes it would be rewritten as come to the same.
    let mut again = State::default();
    before.notes().into_iter().for_each(|note| again.apply(note));
    assert_eq!(again, before);
    repository.change(Note::Unblob { digests: vec![unused.clone()] }).expect("dropped");
    store.collect().expect("collected");
    assert!(store.has_blob(&used) && store.has_blob(&digest) && !store.has_blob(&unused));
    repository.change(Note::Unmanifest { digest: digest.clone() }).expect("dropped");
    repository.change(Note::Unblob { digests: vec![used.clone()] }).expect("dropped");
    assert_eq!(*repository.read(), State::default());
    drop(repository);
    records.forget_if_empty(&name()).expect("forgotten");
    assert!(records.get(&name()).is_none() && store.ledger_names().expect("listed").is_empty());
}

#[test]
fn lost_content_is_no_longer_promised() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("images")).expect("a store");
    let records = Records::open(Depot::local(&store)).expect("opened");
    let repository = records.get_or_create(&name()).expect("created");
    let blob = push_blob(&repository, &store, "content", 1);
    drop((repository, records));
    let path = store.dir().join("blobs/sha256").join(blob.hex());
    std::fs::write(path, "cut").expect("written");
    let records = Records::open(Depot::local(&store)).expect("opened again");
    assert!(records.get(&name()).expect("there").read().is_empty());
}

#[test]
fn a_long_history_is_written_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("images")).expect("a store");
    let records = Records::open(Depot::local(&store)).expect("opened");
    let repository = records.get_or_create(&name()).expect("created");
    let blob = push_blob(&repository, &store, "content", 1);
    let path = store.dir().join("leases/registry.a+b.log");
    while path.metadata().expect("there").len() < 300 << 10 {
        let note = Note::Blob { digest: blob.clone(), size: 7, at: 2 };
        repository.change(note).expect("again");
    }
    repository.shrink().expect("shrunk");
    assert!(path.metadata().expect("there").len() < 1000);
    repository.change(Note::Blob { digest: blob.clone(), size: 7, at: 3 }).expect("again");
    drop((repository, records));
    let records = Records::open(Depot::local(&store)).expect("opened again");
    assert_eq!(records.get(&name()).expect("there").read().blobs[&blob], (7, 3));
}
