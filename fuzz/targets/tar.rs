//! The tar reader: no input makes it panic, take memory beyond its limits, or read past an entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::BufReader;
use teu_images::Limits;
use teu_images::tar::{Builder, Reader, WriteEntry};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 1000, extended_header_bytes: 1 << 16, ..Limits::DEFAULT };
    let mut reader = Reader::new(BufReader::with_capacity(64, bytes), &limits);
    let mut out = Builder::new(Vec::new());
    while let Ok(Some(entry)) = reader.next_entry() {
        let Ok(content) = reader.read_all(1 << 20, "content") else { return };
        assert_eq!(content.len() as u64, entry.size_bytes);
        if let Some(map) = &entry.sparse {
            assert_eq!(map.fragments.iter().map(|f| f.1).sum::<u64>(), entry.size_bytes);
            assert!(map.fragments.iter().all(|f| f.0 + f.1 <= map.real_bytes));
        }
        // Whatever was read can be written and is read back the same.
        let written = WriteEntry {
            path: &entry.path,
            link: &entry.link,
            kind: entry.kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size_bytes: entry.size_bytes,
            mtime: entry.mtime,
            device: entry.device,
            xattrs: &entry.xattrs,
        };
        if out.append(&written, &content).is_err() {
            return;
        }
    }
    if let Ok(written) = out.finish() {
        let mut again = Reader::new(&written[..], &Limits::DEFAULT);
        while let Ok(Some(_)) = again.next_entry() {}
    }
});
