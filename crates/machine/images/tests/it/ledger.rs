//! Ledgers and uploads: what is kept by them, and what a crash leaves.

use std::io::Write;
use teu_images::{Error, LedgerEntry, Store};
use teu_oci::Digest;

struct Fixture {
    _dir: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("images")).expect("a store");
        Self { _dir: dir, store }
    }
}

fn entry(keep: &[&Digest], drop: &[&Digest]) -> LedgerEntry {
    LedgerEntry {
        keep: keep.iter().map(|d| (*d).clone()).collect(),
        drop: drop.iter().map(|d| (*d).clone()).collect(),
        note: serde_json::json!({ "why": "a test" }),
    }
}

#[test]
fn a_ledger_keeps_until_it_drops_and_is_told_again() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let ledger = store.ledger("registry.a+b", |_| Ok(())).expect("opened");
    let (one, two) = (Digest::sha256(b"one"), Digest::sha256(b"two"));
    store.seal(b"one", &one).expect("sealed").place(&ledger, &entry(&[&one], &[])).expect("placed");
    store.seal(b"two", &two).expect("sealed").place(&ledger, &entry(&[&two], &[])).expect("placed");
    ledger.persist().expect("on disk");
    let missing = Digest::sha256(b"missing");
    assert!(matches!(ledger.append(&entry(&[&missing], &[])), Err(Error::Missing { .. })));
    store.collect().expect("collected");
    assert!(store.has_blob(&one) && store.has_blob(&two));
    ledger.append(&entry(&[], &[&one])).expect("dropped");
    store.collect_blobs_among(vec![one.clone(), two.clone()]).expect("collected");
    assert!(!store.has_blob(&one) && store.has_blob(&two));
    assert!(matches!(store.ledger("registry.a+b", |_| Ok(())), Err(Error::LedgerInUse(_))));
    drop(ledger);
    let mut told = Vec::new();
    let again = store.ledger("registry.a+b", |entry| {
        told.push(entry);
        Ok(())
    });
    let again = again.expect("opened");
    assert_eq!(told, [entry(&[&one], &[]), entry(&[&two], &[]), entry(&[], &[&one])]);
    again.rewrite([entry(&[&two], &[])]).expect("rewritten");
    again.append(&entry(&[], &[&two])).expect("dropped");
    store.collect().expect("collected");
    assert!(!store.has_blob(&two));
    assert_eq!(store.ledger_names().expect("listed"), ["registry.a+b"]);
}

#[test]
fn half_a_line_is_cut_and_a_broken_one_stops_collection() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let one = Digest::sha256(b"one");
    let ledger = store.ledger("l", |_| Ok(())).expect("opened");
    store.seal(b"one", &one).expect("sealed").place(&ledger, &entry(&[&one], &[])).expect("placed");
    drop(ledger);
    let path = store.dir().join("leases/l.log");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("opened");
    file.write_all(b"{\"drop\":[\"sha256:").expect("written");
    store.collect().expect("half a line says nothing");
    assert!(store.has_blob(&one));
    let mut count = 0;
    let counted = store.ledger("l", |_| {
        count += 1;
        Ok(())
    });
    let ledger = counted.expect("opened");
    assert_eq!(count, 1);
    ledger.append(&entry(&[&one], &[])).expect("the half line is gone");
    drop(ledger);
    std::fs::write(&path, "rubbish\n").expect("written");
    // Nobody knows what it keeps: nothing may be collected.
    assert!(store.collect().is_err());
    assert!(store.has_blob(&one));
}

#[test]
fn an_upload_is_found_again_and_ends_as_the_promised_blob_only() {
    let fixture = Fixture::new();
    let ledger = fixture.store.ledger("l", |_| Ok(())).expect("opened");
    let mut upload = fixture.store.begin_upload("id@a+b").expect("begun");
    upload.write_all(b"hello ").expect("written");
    assert!(fixture.store.begin_upload("id@a+b").is_err(), "the name is taken");
    drop(upload);
    // As after a restart.
    let store = Store::open(fixture.store.dir()).expect("opened");
    assert_eq!(store.uploads().expect("listed")[0].bytes, 6);
    let mut upload = store.resume_upload("id@a+b").expect("read").expect("there");
    assert_eq!(upload.written_bytes(), 6);
    upload.write_all(b"world").expect("written");
    let digest = Digest::sha256(b"hello world");
    let sealed = upload.seal(&digest).expect("sealed");
    assert_eq!(sealed.size_bytes(), 11);
    sealed.place(&ledger, &entry(&[&digest], &[])).expect("placed");
    assert!(
        store.verify_blob(&digest).expect("read") && store.uploads().expect("listed").is_empty()
    );
    let mut wrong = store.begin_upload("id2").expect("begun");
    wrong.write_all(b"other").expect("written");
    let ended = wrong.seal(&digest);
    assert!(matches!(ended, Err(Error::Mismatch { .. })));
    assert!(store.resume_upload("id2").expect("read").is_none());
    // Another algorithm is computed when it is asked for.
    let mut long = store.begin_upload("id3").expect("begun");
    long.write_all(b"").expect("written");
    let empty: Digest = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e".parse().expect("a digest");
    long.seal(&empty).expect("sealed").place(&ledger, &entry(&[&empty], &[])).expect("placed");
    assert!(store.has_blob(&empty));
    assert!(store.begin_upload("../x").is_err());
}
