//! The unpacker: whatever the archive says, nothing beside its root changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::os::fd::AsFd;
use teu_images::Limits;
use teu_images::unpack::{UnpackOptions, Whiteouts, unpack};

fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let (root, bait) = (dir.path().join("root"), dir.path().join("bait"));
    std::fs::create_dir(&root).expect("a new directory");
    std::fs::write(&bait, "bait").expect("a new file");
    let limits = Limits {
        entries: 200,
        layer_bytes: 1 << 20,
        file_bytes: 1 << 24,
        path_depth: 40,
        ..Limits::DEFAULT
    };
    let options = UnpackOptions { limits, whiteouts: Whiteouts::Overlay, ..Default::default() };
    let opened = std::fs::File::open(&root).expect("it exists");
    let mut source = bytes;
    let _ = unpack(&mut source, opened.as_fd(), &options);
    assert_eq!(std::fs::read(&bait).expect("it is still there"), b"bait");
    assert_eq!(std::fs::read_dir(dir.path()).expect("it exists").count(), 2);
    // Removing it must work, too, whatever it is.
    let parent = std::fs::File::open(dir.path()).expect("it exists");
    teu_images::tree::remove_at(parent.as_fd(), b"root").expect("all of it can be removed");
});
