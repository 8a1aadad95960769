//! The same tree gives the same bytes.

use super::*;

fn written(options: &TreeOptions) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        std::fs::write(dir.path().join(name), name).unwrap();
        let file = std::fs::File::open(dir.path().join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_500)).unwrap();
    }
    std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    let mut out = Vec::new();
    write_tree(root.as_fd(), options, &mut out).unwrap();
    out
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let plain = TreeOptions::default();
    assert_eq!(written(&plain), written(&plain));
    // Two files of one block each, and the end; no socket, no record of a fraction.
    assert_eq!(written(&plain).len(), 6 * crate::tar::BLOCK_BYTES);
    let exact = TreeOptions { subseconds: true, ..TreeOptions::default() };
    assert!(String::from_utf8_lossy(&written(&exact)).contains("mtime=1.5\n"));
    let named = TreeOptions { prefix: Some(b"in/here".to_vec()), with_root: true, ..plain };
    let bytes = written(&named);
    assert!(bytes.starts_with(b"in/here\0") && bytes[512..].starts_with(b"in/here/a\0"));
}

/// A container may nest directories without end; whoever copies or commits it is a thread of an
/// engine, with a small stack.
#[test]
fn a_tree_too_deep_to_be_unpacked_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
    let mut dir = rustix::io::dup(&top).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, "d", flags, Mode::empty()).unwrap();
    }
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let written = small
        .spawn(move || {
            let error = write_tree(top.as_fd(), &TreeOptions::default(), &mut std::io::sink());
            clamp_times(top.as_fd(), 0).unwrap();
            remove_all_in(top.as_fd()).unwrap();
            error
        })
        .unwrap();
    let error = written.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Entry { reason: EntryFault::Depth, .. }), "{error}");
}
