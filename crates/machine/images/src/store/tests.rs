//! The table of names as a value.

use super::index::{keep_dangling, name_of, set_name, take_name};
use teu_oci::image::{ANNOTATION_REF_NAME, Descriptor, Index};
use teu_oci::{Digest, Reference, media};

fn target(text: &str) -> Descriptor {
    Descriptor::new(media::MANIFEST, Digest::sha256(text.as_bytes()), 1)
}

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

fn names(index: &Index) -> Vec<String> {
    let shown =
        |entry: &Descriptor| name_of(entry).map_or_else(|| "<none>".to_owned(), |n| n.familiar());
    index.manifests.iter().map(shown).collect()
}

#[test]
fn names_move_and_leave_dangling_images() {
    let mut index: Index = serde_json::from_str(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    let (a, b) = (target("a"), target("b"));
    keep_dangling(&mut index, vec![a.clone()]);
    assert_eq!(names(&index), ["<none>"]);
    set_name(&mut index, &name("app"), &a);
    assert_eq!(names(&index), ["app:latest"], "a name ends the dangling");
    set_name(&mut index, &name("app"), &b);
    assert_eq!(names(&index), ["app:latest", "<none>"]);
    set_name(&mut index, &name("other"), &b);
    let gone = take_name(&mut index, &name("app"));
    keep_dangling(&mut index, gone);
    assert_eq!(names(&index), ["<none>", "other:latest"], "b still has a name");
}

#[test]
fn names_of_other_writers_are_understood() {
    let entry = |reference: &str| {
        let mut entry = target("x");
        entry.annotations.insert(ANNOTATION_REF_NAME.to_owned(), reference.to_owned());
        name_of(&entry).map(|name| name.familiar())
    };
    assert_eq!(entry("busybox:1").as_deref(), Some("busybox:1"));
    assert_eq!(entry("quay.io/team/app:2").as_deref(), Some("quay.io/team/app:2"));
    assert_eq!(entry("latest"), None, "a bare tag names no image");
    assert_eq!(entry("NOT A NAME"), None);
}
