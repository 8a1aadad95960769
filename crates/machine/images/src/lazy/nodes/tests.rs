//! Tables that say what they may, and tables that do not.

use super::{Content, Marks, build};
use crate::Limits;
use crate::lazy::toc::{Toc, TocEntry, TocFault};
use teu_oci::Digest;

fn entry(name: &str, kind: &str) -> TocEntry {
    TocEntry { name: name.to_owned(), kind: kind.to_owned(), ..TocEntry::default() }
}

fn file(name: &str, size: u64, offset: u64) -> TocEntry {
    let digest = Some(Digest::sha256(b"x"));
    TocEntry { size, offset, chunk_digest: digest, ..entry(name, "reg") }
}

fn link(name: &str, kind: &str, target: &str) -> TocEntry {
    TocEntry { link_name: target.to_owned(), ..entry(name, kind) }
}

fn built(entries: Vec<TocEntry>) -> Result<Vec<super::Node>, TocFault> {
    build(&Toc { version: 1, entries }, 1000, Marks::Trusted, &Limits::DEFAULT)
}

#[test]
fn a_layer() {
    let chunk = TocEntry {
        chunk_offset: 6,
        offset: 300,
        chunk_digest: Some(Digest::sha256(b"y")),
        ..entry("./a/large", "chunk")
    };
    let large = TocEntry { chunk_size: 6, ..file("./a/large", 10, 100) };
    let nodes = built(vec![
        file("a/small", 3, 0),
        entry("a/", "dir"),
        large,
        chunk,
        link("a/twin", "hardlink", "/a/small"),
        link("a/link", "symlink", "../../etc"),
        entry("b/.wh.gone", "reg"),
        entry("b/.wh..wh..opq", "reg"),
    ])
    .expect("it is good");
    let find = |path: &str| {
        path.split('/').fold(0, |at, name| match &nodes[at].content {
            Content::Directory(names) => names[name.as_bytes()],
            other => panic!("{path}: {other:?}"),
        })
    };
    assert_eq!(find("a/small"), find("a/twin"));
    assert_eq!(nodes[find("a/small")].links, 2);
    assert!(!nodes[find("a")].is_implicit && nodes[find("b")].is_implicit);
    assert_eq!(nodes[find("b/gone")].mode, super::CHAR);
    assert!(nodes[find("b")].xattrs.contains_key(&b"trusted.overlay.opaque"[..]));
    let Content::File(_, pieces) = &nodes[find("a/large")].content else { panic!("a file") };
    let ranges: Vec<_> = pieces.iter().map(|p| (p.file.clone(), p.blob.clone())).collect();
    assert_eq!(ranges, [(0..6, 100..300), (6..10, 300..1000)]);
}

#[test]
fn lies() {
    let small = |change: &dyn Fn(&mut TocEntry)| {
        let mut entry = file("a", 3, 10);
        change(&mut entry);
        vec![entry]
    };
    let gap = TocEntry { chunk_size: 2, ..file("a", 10, 100) };
    let piece = |offset| TocEntry {
        chunk_offset: offset,
        offset: 300,
        chunk_digest: Some(Digest::sha256(b"y")),
        ..entry("a", "chunk")
    };
    for (entries, expected) in [
        (vec![entry("../x", "dir")], TocFault::Path),
        (vec![entry("a/../../x", "dir")], TocFault::Path),
        (vec![entry("", "dir")], TocFault::Path),
        (vec![entry("a\0b", "dir")], TocFault::Path),
        (vec![entry("x/.wh...", "reg")], TocFault::Path),
        (vec![link("l", "symlink", "")], TocFault::Path),
        (vec![link("l", "hardlink", "../../etc/shadow")], TocFault::Path),
        (vec![link("l", "hardlink", "nowhere")], TocFault::HardLink),
        (vec![entry("d", "dir"), link("l", "hardlink", "d")], TocFault::HardLink),
        (vec![file("a", 1, 0), file("a", 1, 5)], TocFault::Twice),
        (vec![file("a", 1, 0), entry("a", "dir")], TocFault::Twice),
        (vec![file("a", 1, 0), file("a/b", 1, 5)], TocFault::Twice),
        (vec![link("a", "symlink", "/etc"), file("a/b", 1, 5)], TocFault::Twice),
        (vec![entry("x", "char")], TocFault::Kind),
        (vec![entry("x", "socket")], TocFault::Kind),
        (small(&|e| e.chunk_digest = None), TocFault::Pieces),
        (small(&|e| e.chunk_offset = 1), TocFault::Pieces),
        (small(&|e| e.chunk_size = 4), TocFault::Pieces),
        (small(&|e| e.chunk_size = 2), TocFault::Pieces),
        (small(&|e| e.inner_offset = u64::MAX), TocFault::Pieces),
        (small(&|e| e.size = 1 << 40), TocFault::Pieces),
        (small(&|e| e.offset = 1000), TocFault::Number),
        (small(&|e| e.offset = u64::MAX), TocFault::Number),
        (small(&|e| e.uid = 1 << 32), TocFault::Number),
        (small(&|e| e.mtime = "yesterday".to_owned()), TocFault::Number),
        (small(&|e| drop(e.xattrs.insert("user.x".into(), "?".into()))), TocFault::Attribute),
        (vec![gap.clone(), piece(3)], TocFault::Pieces),
        (vec![gap.clone(), piece(1)], TocFault::Pieces),
        (vec![gap.clone(), piece(2), piece(2)], TocFault::Pieces),
        (vec![gap, TocEntry { name: "b".into(), ..piece(2) }], TocFault::Pieces),
    ] {
        let shown = format!("{entries:?}");
        assert_eq!(built(entries).err(), Some(expected), "{shown}");
    }
}
