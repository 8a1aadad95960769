//! Names, ids, and skopeo reading along.

use crate::support::*;
use teu_images::{Error, RemoveRequest, Removed, Store};

#[test]
fn an_image_is_found_by_every_name_it_has() {
    let w = world();
    let a = image(&w.store, "a", &["busybox", "localhost:5000/team/app:1.2"]);
    let b = image(&w.store, "b", &["debian:12"]);
    let hex = a.id.hex();
    for text in [
        "busybox",
        "busybox:latest",
        "docker.io/library/busybox:latest",
        "library/busybox",
        "localhost:5000/team/app:1.2",
        a.id.as_str(),
        hex,
        &hex[..12],
        &format!("sha256:{}", &hex[..20]),
        a.manifest_digest.as_str(),
        &format!("busybox@{}", a.manifest_digest),
        &format!("busybox:whatever@{}", a.manifest_digest),
    ] {
        assert_eq!(w.store.resolve(text).unwrap().id, a.id, "{text}");
    }
    assert_eq!(w.store.resolve("debian:12").unwrap().id, b.id);
    let near = w.store.resolve("busibox").unwrap_err();
    assert!(
        matches!(&near, Error::NoSuchImage { near: Some(n), .. } if n == "busybox:latest"),
        "{near}"
    );
    let near = w.store.resolve("debian").unwrap_err();
    assert_eq!(near.to_string(), "no such image: debian; did you mean debian:12?");
    assert!(matches!(
        w.store.resolve("nothing-like-it"),
        Err(Error::NoSuchImage { near: None, .. })
    ));
    assert!(matches!(w.store.resolve("UPPER"), Err(Error::Reference(_))));
    assert!(matches!(w.store.resolve(""), Err(Error::Reference(_))));
}

#[test]
fn an_ambiguous_id_lists_what_it_fits() {
    let w = world();
    let ids: Vec<_> = (0..40).map(|n| image(&w.store, &n.to_string(), &[])).collect();
    // Of forty ids two begin with the same digit.
    let ambiguous = "0123456789abcdef".chars().find_map(|digit| {
        let error = w.store.resolve(&digit.to_string()).err()?;
        matches!(error, Error::Ambiguous { .. }).then(|| error.to_string())
    });
    assert!(ambiguous.unwrap().contains("it fits"));
    assert_eq!(w.store.list().unwrap().len(), ids.len());
}

#[test]
fn a_name_moves_and_leaves_a_dangling_image() {
    let mut w = world();
    let a = image(&w.store, "a", &["app"]);
    let b = image(&w.store, "b", &["app"]);
    assert_eq!(w.store.resolve("app").unwrap().id, b.id);
    let all = w.again().list().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().find(|i| i.id == a.id).unwrap().names, []);
    w.store.tag(&a, &name("other")).unwrap();
    assert_eq!(w.store.resolve("other").unwrap().names, [name("other")]);
    assert_eq!(w.store.list().unwrap().len(), 2);
    assert!(w.store.untag(&name("other")).unwrap());
    assert!(!w.store.untag(&name("other")).unwrap());
    assert_eq!(w.store.list().unwrap().len(), 2);
    let digest = format!("app@{}", a.manifest_digest);
    assert!(matches!(w.store.tag(&a, &name(&digest)), Err(Error::TagDigest(_))));
}

#[test]
fn rmi_means_what_docker_means() {
    let mut w = world();
    let a = image(&w.store, "a", &["app:1", "app:2", "other"]);
    let store = w.again().clone();
    let remove = |text: &str, force| {
        let request = RemoveRequest { text, force, in_use: &[(a.id.clone(), "web".to_owned())] };
        store.remove(&request)
    };
    assert_eq!(remove("app:1", false).unwrap(), [Removed::Untagged(name("app:1"))]);
    assert!(matches!(remove(a.id.short(), false), Err(Error::SeveralNames { .. })));
    assert_eq!(remove("other", false).unwrap(), [Removed::Untagged(name("other"))]);
    let error = remove("app:2", false).unwrap_err();
    assert_eq!(error.to_string(), "image app:2 is used by web; remove them first, or force");
    assert!(matches!(remove(a.id.short(), false), Err(Error::InUse { .. })));
    let done = remove("app:2", true).unwrap();
    assert_eq!(done[..2], [Removed::Untagged(name("app:2")), Removed::Deleted(a.id.clone())]);
    assert_eq!(done.len(), 3, "and its layer: {done:?}");
    assert!(!store.has_blob(&a.id) && !store.has_blob(&a.manifest_digest));
    assert_eq!(std::fs::read_dir(store.dir().join("snapshots")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(store.dir().join("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn skopeo_reads_and_writes_the_store() {
    let mut w = world();
    let made = image(&w.store, "a", &["busybox", "quay.io/team/app:1"]);
    let layout = w.layout();
    for reference in ["busybox:latest", "quay.io/team/app:1"] {
        let Some(text) = skopeo(&["inspect", &format!("oci:{layout}:{reference}")]) else { return };
        assert!(text.contains(made.manifest_digest.as_str()), "{text}");
    }
    // skopeo copies out, and into the same layout under another name.
    let out = w.dir.path().join("out");
    skopeo(&[
        "copy",
        "-q",
        &format!("oci:{layout}:busybox:latest"),
        &format!("oci:{}:x", out.display()),
    ]);
    let again = Store::open(&w.dir.path().join("second")).unwrap();
    let loaded = again.load_dir(&out, None).unwrap();
    assert_eq!(loaded[0].image.id, made.id);
    assert_eq!(loaded[0].names, [name("x")]);
    skopeo(&["copy", "-q", &format!("oci:{}:x", out.display()), &format!("oci:{layout}:copied:2")]);
    let copied = w.again().resolve("copied:2").unwrap();
    assert_eq!(copied.id, made.id);
    assert_eq!(copied.names, [name("copied:2")], "skopeo compressed it: another manifest");
    assert!(w.store.chain(&copied).unwrap().lower[0].join("file").exists());
    // Both manifests are one image; by its id both go.
    let store = w.again().clone();
    let request = RemoveRequest { text: made.id.as_str(), force: true, in_use: &[] };
    let removed = store.remove(&request).unwrap();
    assert!(removed.contains(&Removed::Untagged(name("copied:2"))), "{removed:?}");
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn a_corrupted_blob_is_named_and_healed_by_loading_again() {
    let mut w = world();
    let only = layer(&w.store, &[file("file", &"x".repeat(5000))], None);
    let made = image_of(&w.store, &[&only], &["app"]);
    let mut archive = Vec::new();
    w.store.save(&[(made.clone(), vec![name("app")])], Default::default(), &mut archive).unwrap();
    let blob = w.store.dir().join("blobs/sha256").join(only.descriptor.digest.hex());
    let good = std::fs::read(&blob).unwrap();
    let mut bad = good.clone();
    bad[600] ^= 1;
    std::fs::write(&blob, &bad).unwrap();
    let error =
        w.store.save(&[(made.clone(), vec![])], Default::default(), &mut Vec::new()).unwrap_err();
    assert!(
        matches!(&error, Error::Corrupted { expected, .. } if expected == &only.descriptor.digest)
    );
    assert!(error.to_string().contains("load or pull them again"), "{error}");
    // Without its snapshot the layer would be unpacked from the bad blob.
    std::fs::remove_dir_all(w.store.dir().join("snapshots").join(only.chain_id.hex())).unwrap();
    let error = w.again().chain(&made).unwrap_err();
    assert!(matches!(error, Error::Corrupted { .. }), "{error}");
    assert_eq!(std::fs::read_dir(w.store.dir().join("snapshots")).unwrap().count(), 0);
    let loaded = w.again().load(&mut &archive[..], None).unwrap();
    assert_eq!(loaded[0].image.id, made.id);
    assert_eq!(std::fs::read(&blob).unwrap(), good);
    assert_eq!(w.store.chain(&made).unwrap().lower.len(), 1);
    // A configuration that is corrupted is not believed either, and its image can be removed.
    let config = w.store.dir().join("blobs/sha256").join(made.id.hex());
    std::fs::write(&config, b"{}").unwrap();
    assert!(matches!(w.again().resolve("app"), Err(Error::Corrupted { .. } | Error::Size { .. })));
    assert_eq!(w.store.broken().unwrap()[0].names, [name("app")]);
    assert!(w.store.list().unwrap().is_empty());
    let request = RemoveRequest { text: "app", force: false, in_use: &[] };
    w.again().remove(&request).unwrap();
    assert!(w.store.broken().unwrap().is_empty());
}

#[test]
fn state_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let w = world();
    image(&w.store, "a", &["app"]);
    for name in ["", "tmp", "snapshots", "leases", "blobs/sha256"] {
        let mode = w.store.dir().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
}
