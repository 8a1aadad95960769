//! What is on disk and what is read, before and after keys are changed.

use super::*;
use teu_store::embedded::Embedded;
use teu_store::{Expect, Span};

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY: &[u8] = b"/registry/secrets/default/a";

fn sealings(providers: &str) -> Arc<Sealings> {
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: [secrets], providers: {providers}}}]"
    );
    Arc::new(Sealings::parse(text.as_bytes()).expect("a configuration"))
}

fn key(name: &str, secret: &str) -> String {
    format!("{{aesgcm: {{keys: [{{name: {name}, secret: {secret}}}]}}}}")
}

/// Whether a text is in any file of a folder.
fn is_on_disk(folder: &std::path::Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => is_on_disk(&path, text),
            false => {
                let bytes = std::fs::read(&path).expect("a file");
                bytes.windows(text.len()).any(|window| window == text)
            }
        }
    })
}

#[test]
fn values_are_sealed_below_and_open_above() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).expect("a store"));
    let store = Sealed::new(Arc::clone(&inner), sealings(&format!("[{}]", key("one", ONE))));
    let put = |key: &[u8], value: &[u8]| {
        store.commit(Txn::put(key.to_vec(), value.to_vec())).wait().expect("written")
    };
    let mut watch = store.watch(WatchRequest::new(Span::prefix(KEY), 1)).wait().expect("a watch");
    let first = put(KEY, b"a very secret value").revision();
    put(KEY, b"another secret value");
    put(b"/registry/configmaps/default/a", b"an open value");
    let value = |found: Found| found.kv.map(|kv| kv.value.to_vec());
    let get = |store: &dyn Store, key| store.get(key, Consistency::Linearizable).wait();
    assert_eq!(value(get(&store, KEY).expect("read")), Some(b"another secret value".to_vec()));
    let listed = store.range(Range::all(Span::prefix(&b"/registry/"[..]))).wait().expect("a list");
    assert_eq!(listed.kvs[1].value, b"another secret value"[..]);
    let message = teu_store::reply::block_on(watch.next()).expect("an event");
    let Message::Events(events) = message else { panic!("{message:?}") };
    assert_eq!(events[0].kv.value, b"a very secret value"[..]);
    // A conflict tells the value, too.
    let lost = Txn::one(KEY.to_vec(), Expect::Revision(first), Change::Delete);
    let Outcome::Conflict { current, .. } = store.commit(lost).wait().expect("an outcome") else {
        panic!("no conflict")
    };
    assert_eq!(current[0].as_ref().expect("a version").value, b"another secret value"[..]);
    let below = value(get(&*inner, KEY).expect("read")).expect("a value");
    assert!(below.starts_with(b"k8s:enc:aesgcm:v1:one:"));
    assert!(is_on_disk(folder.path(), b"an open value"));
    assert!(!is_on_disk(folder.path(), b"secret value"));
    // What was put where it does not belong is refused.
    inner.commit(Txn::put(&b"/registry/secrets/default/b"[..], below)).wait().expect("written");
    assert!(get(&store, b"/registry/secrets/default/b").is_err());
}

#[test]
fn a_file_that_changed_is_taken_over_and_a_broken_one_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("encryption.yaml");
    let write = |kind: &str, name: &str| {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: [secrets], providers: [{{{kind}: {{keys: [{{name: {name}, secret: {ONE}}}]}}}}, {{identity: {{}}}}]}}]"
        );
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    write("secretbox", "one");
    let sealings = Sealings::load(&file).expect("a configuration");
    let seal = || {
        let sealing = sealings.of(KEY).expect("sealed");
        sealing.seal(KEY, b"value").flatten().expect("a value")
    };
    assert!(seal().starts_with(b"k8s:enc:secretbox:v1:one:"));
    write("aescbc", "two");
    sealings.reload(&file).expect("taken over");
    assert!(seal().starts_with(b"k8s:enc:aescbc:v1:two:"));
    write("rot13", "three");
    assert!(sealings.reload(&file).is_err());
    std::fs::remove_file(&file).expect("removed");
    assert!(sealings.reload(&file).is_err());
    assert!(seal().starts_with(b"k8s:enc:aescbc:v1:two:"), "as it was");
}

#[test]
fn keys_are_changed_and_the_old_ones_work_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).expect("a store"));
    let plain = sealings("[{identity: {}}]");
    let put = |sealings: &Arc<Sealings>, key: &[u8]| {
        let store = Sealed::new(Arc::clone(&inner), Arc::clone(sealings));
        store.commit(Txn::put(key.to_vec(), &b"a very secret value"[..])).wait().expect("written");
    };
    put(&plain, KEY);
    assert!(is_on_disk(folder.path(), b"secret value"));
    let both = sealings(&format!("[{}, {{identity: {{}}}}]", key("one", ONE)));
    let turn = |sealings: &Arc<Sealings>| {
        let store = Sealed::new(Arc::clone(&inner), Arc::clone(sealings));
        teu_store::reply::block_on(async {
            let done = rewrite(&*inner, &store, sealings).await.expect("rewritten");
            let newest = inner.status().await.expect("a status").revision;
            forget(&*inner, newest).await.expect("forgotten");
            done
        })
    };
    assert_eq!(turn(&both), Rewritten { looked_at: 1, rewritten: 1 });
    assert_eq!(turn(&both), Rewritten { looked_at: 1, rewritten: 0 });
    assert!(!is_on_disk(folder.path(), b"secret value"));
    // Now a second key, and then the first away.
    let turned = sealings(&format!("[{}, {}]", key("two", TWO), key("one", ONE)));
    put(&turned, b"/registry/secrets/default/b");
    assert_eq!(turn(&turned), Rewritten { looked_at: 2, rewritten: 1 });
    let last = Sealed::new(Arc::clone(&inner), sealings(&format!("[{}]", key("two", TWO))));
    let found = last.get(KEY, Consistency::Linearizable).wait().expect("read").kv;
    assert_eq!(found.expect("a value").value, b"a very secret value"[..]);
}
