//! What is written is read back; what other programs write is read; what is broken is refused.

use super::*;
use crate::error::{EntryFault, Error, TarFault};
use crate::limits::Limits;
use std::io::BufReader;

fn entries(bytes: &[u8]) -> crate::Result<Vec<(Entry, Vec<u8>)>> {
    let mut reader = Reader::new(BufReader::with_capacity(100, bytes), &Limits::DEFAULT);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let content = reader.read_all(1 << 20, "test")?;
        all.push((entry, content));
    }
    reader.drain()?;
    Ok(all)
}

fn round_trip(entry: &WriteEntry<'_>, content: &[u8]) {
    let mut builder = Builder::new(Vec::new());
    builder.append(entry, content).unwrap();
    let bytes = builder.finish().unwrap();
    assert_eq!(bytes.len() % BLOCK_BYTES, 0);
    let all = entries(&bytes).unwrap();
    assert_eq!(all.len(), 1);
    let (read, found) = &all[0];
    assert_eq!(read.path, entry.path);
    assert_eq!(read.link, entry.link);
    assert_eq!((read.mode, read.uid, read.gid), (entry.mode, entry.uid, entry.gid));
    assert_eq!(read.mtime, entry.mtime);
    assert_eq!(read.device, entry.device);
    assert_eq!(read.xattrs, entry.xattrs);
    assert_eq!(found, content);
    // Another reader agrees.
    let mut other = ::tar::Archive::new(&bytes[..]);
    let theirs = other.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(theirs.path_bytes().as_ref(), entry.path);
}

#[test]
fn what_is_written_is_read_back() {
    let plain = WriteEntry::new(b"a/b", Kind::File, 0o4755, 3);
    round_trip(&plain, b"abc");
    for length in [99, 100, 101, 155, 156, 255, 256, 257, 3000] {
        let path = vec![b'x'; length];
        round_trip(&WriteEntry { path: &path, ..plain.clone() }, b"abc");
        let mut path = vec![b'x'; length];
        path[length / 2] = b'/';
        round_trip(&WriteEntry { path: &path, link: &path, ..plain.clone() }, b"abc");
    }
    let mtimes = [(0, 0), (-1, 0), (-1, 500_000_000), (-7, 1), (1 << 40, 999_999_999), (12, 120)];
    for (seconds, nanoseconds) in mtimes {
        let mtime = Mtime { seconds, nanoseconds };
        round_trip(&WriteEntry { mtime, ..plain.clone() }, b"abc");
    }
    let xattrs = vec![(b"security.capability".to_vec(), b"\0\n=\x01\xff".to_vec())];
    round_trip(
        &WriteEntry { uid: 3_000_000_000, gid: 2_097_152, xattrs: &xattrs, ..plain.clone() },
        b"abc",
    );
    let device = WriteEntry { kind: Kind::Block, device: (259, 1_048_575), ..plain };
    round_trip(&WriteEntry { size_bytes: 0, ..device }, b"");
}

fn gnu_tar(arguments: &[&str]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("sparse")).unwrap();
    use std::os::unix::fs::FileExt;
    file.write_all_at(b"one", 8192).unwrap();
    file.write_all_at(b"two", 1 << 20).unwrap();
    file.set_len(3 << 20).unwrap();
    std::fs::create_dir_all(dir.path().join("d".repeat(120))).unwrap();
    std::fs::write(dir.path().join("d".repeat(120)).join("f".repeat(130)), b"long").unwrap();
    let output = std::process::Command::new("tar").args(arguments).current_dir(dir.path()).output();
    output.ok().filter(|o| o.status.success()).map(|o| o.stdout)
}

#[test]
fn gnu_tar_is_read_in_all_its_dialects() {
    let deep = "d".repeat(120);
    let long = ["d".repeat(120), "f".repeat(130)].join("/");
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let arguments = [&["-c", "-S", "-f", "-"][..], format, &["sparse", &deep]].concat();
        let Some(bytes) = gnu_tar(&arguments) else { continue };
        let all = entries(&bytes).unwrap();
        let (sparse, content) = &all[0];
        assert_eq!(sparse.path, b"sparse", "{format:?}");
        let map = sparse.sparse.as_ref().expect("it is sparse");
        assert_eq!(map.real_bytes, 3 << 20, "{format:?}");
        assert_eq!(content.len() as u64, map.fragments.iter().map(|f| f.1).sum::<u64>());
        assert!(map.fragments.iter().any(|f| f.0 <= 1 << 20 && f.0 + f.1 >= (1 << 20) + 3));
        assert_eq!(
            all.last().map(|(e, c)| (e.path.as_slice(), c.as_slice())),
            Some((long.as_bytes(), &b"long"[..]))
        );
    }
}

/// A header block with a right sum.
fn raw(name: &[u8], flag: u8, size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sum(&mut block);
    block
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
}

fn fault(bytes: &[u8]) -> Error {
    entries(bytes).expect_err("it is broken")
}

#[test]
fn broken_archives_are_refused() {
    let is = |bytes: &[u8], wanted: TarFault| match fault(bytes) {
        Error::Tar { reason, .. } => assert_eq!(reason, wanted),
        other => panic!("{other}"),
    };
    is(&[7; 512], TarFault::Checksum);
    is(&[7; 100], TarFault::Truncated);
    is(&raw(b"f", b'0', b"00000000010\0"), TarFault::Truncated);
    is(&raw(b"f", b'0', b"0000000x010\0"), TarFault::Number);
    is(&raw(b"f", b'0', b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), TarFault::Number);
    is(&raw(b"f", b'0', b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), TarFault::Number);
    let with = |flag: u8, text: &[u8]| {
        let mut bytes = raw(b"x", flag, format!("{:011o}\0", text.len()).as_bytes());
        bytes.extend_from_slice(text);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        bytes
    };
    is(&with(b'x', b"11 path=abc\n"), TarFault::Pax);
    is(&with(b'x', b"99999999999999999999999 path=abc\n"), TarFault::Pax);
    is(&with(b'x', b"12 path=abc"), TarFault::Pax);
    is(&with(b'x', b"12 path=a\0c\n"), TarFault::Pax);
    is(&with(b'x', b"12 path=abc\n"), TarFault::Dangling);
    is(&with(b'x', b"13 size=-123\n"), TarFault::Pax);
    let mut late = vec![0; 512];
    late.extend(raw(b"f", b'0', b"0"));
    is(&late, TarFault::Checksum);
    assert!(matches!(fault(&raw(b"f", b'M', b"0")), Error::Entry { reason: EntryFault::Kind, .. }));
    let huge = raw(b"f", b'L', b"77777777777\0");
    assert!(matches!(fault(&huge), Error::Limit { .. }));
}

#[test]
fn extended_headers_are_bounded_together() {
    // Many small extended headers before one entry cost no more than one large one may.
    let mut bytes = Vec::new();
    for _ in 0..3000 {
        bytes.extend(raw(b"x", b'x', b"00000000000\0"));
    }
    assert!(matches!(fault(&bytes), Error::Limit { .. }));
}

#[test]
fn sizes_are_read_as_docker_reads_them() {
    // The PAX size wins over the header's; a link has no content whatever it says.
    let mut bytes = raw(b"x", b'x', b"00000000012\0");
    bytes.extend_from_slice(b"10 size=1\n");
    bytes.resize(1024, 0);
    bytes.extend(raw(b"f", b'0', b"00000010000\0"));
    bytes.extend([b'a'; 1].iter().chain(&[0; 511]));
    bytes.extend(raw(b"l", b'1', b"00000010000\0"));
    bytes.extend(raw(b"g", b'0', b"00000000000\0"));
    let all = entries(&bytes).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].1, b"a");
}
