//! A written layer is a gzip of a tar, and every piece is where its table says.

use super::write;
use crate::Limits;
use crate::lazy::footer::{self, FOOTER_BYTES};
use crate::lazy::toc::{CHUNK_BYTES, Toc};
use crate::tar::{Builder, Kind, Reader, WriteEntry};
use std::io::Read as _;
use teu_oci::Digest;

fn tar() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let large = vec![7; usize::try_from(CHUNK_BYTES).expect("it fits") + 10];
    let dir = WriteEntry::new(b"a/", Kind::Directory, 0o755, 0);
    tar.append(&dir, b"").expect("it is written");
    for (name, content) in [("a/small", &b"hello"[..]), ("a/empty", b""), ("a/large", &large)] {
        let entry = WriteEntry::new(name.as_bytes(), Kind::File, 0o644, content.len() as u64);
        tar.append(&entry, content).expect("it is written");
    }
    let mut link = WriteEntry::new(b"a/link", Kind::Symlink, 0o777, 0);
    link.link = b"small";
    tar.append(&link, b"").expect("it is written");
    tar.append(&WriteEntry::new(b"z", Kind::File, 0o600, 3), b"end").expect("it is written");
    tar.finish().expect("it is written")
}

#[test]
fn every_piece_is_where_the_table_says() {
    let limits = Limits::DEFAULT;
    let plain = tar();
    let mut blob = Vec::new();
    let written = write(&mut &plain[..], &mut blob, 6, &limits).expect("it writes").expect("whole");
    // An ordinary gzip of an ordinary tar, with one entry more.
    let mut again = Vec::new();
    flate2::read::MultiGzDecoder::new(&blob[..]).read_to_end(&mut again).expect("it is gzip");
    assert_eq!(Digest::sha256(&again), written.diff_id);
    assert_eq!(again.len() as u64, written.plain_bytes);
    let end = plain.len() - 1024;
    assert_eq!(again[..end], plain[..end]);
    let mut reader = Reader::new(&again[..], &limits);
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().expect("it is a tar") {
        names.push(String::from_utf8(entry.path).expect("plain"));
    }
    assert_eq!(names, ["a/", "a/small", "a/empty", "a/large", "a/link", "z", "stargz.index.json"]);
    let offset = footer::read(&blob[blob.len() - FOOTER_BYTES..]).expect("a footer");
    let mut table = Vec::new();
    let member = &blob[usize::try_from(offset).expect("it fits")..];
    flate2::read::GzDecoder::new(member).read_to_end(&mut table).expect("it is gzip");
    let mut reader = Reader::new(&table[..], &limits);
    reader.next_entry().expect("it is a tar").expect("it has an entry");
    let text = reader.read_all(1 << 20, "a table").expect("it reads");
    assert_eq!(Digest::sha256(&text), written.toc);
    let toc = Toc::parse(&text, &limits).expect("it parses");
    let kinds: Vec<&str> = toc.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["dir", "reg", "reg", "reg", "chunk", "symlink", "reg"]);
    for entry in &toc.entries {
        let Some(wanted) = &entry.chunk_digest else { continue };
        let size = match (entry.kind.as_str(), entry.chunk_size) {
            (_, size @ 1..) => size,
            ("reg", _) => entry.size,
            _ => 10,
        };
        let member = &blob[usize::try_from(entry.offset).expect("it fits")..];
        let mut piece = Vec::new();
        let gzip = flate2::read::GzDecoder::new(member);
        gzip.take(size).read_to_end(&mut piece).expect("it is gzip");
        assert_eq!(&Digest::sha256(&piece), wanted, "{}", entry.name);
    }
    // The table of another time is replaced, and the same tar gives the same bytes.
    let mut second = Vec::new();
    let same = write(&mut &again[..], &mut second, 6, &limits).expect("it writes").expect("whole");
    assert_eq!((same, second), (written, blob));
}
