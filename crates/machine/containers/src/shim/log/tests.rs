//! Streams in, files out.

use super::entry::{Source, cut, timestamp};
use super::*;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> (PathBuf, OwnedFd) {
    let path = std::env::temp_dir().join(format!("teu-log-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).unwrap();
    let fd = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    (path, fd)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn timestamps_are_those_of_go() {
    for (ns, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_709_210_096_120_000_000, "2024-02-29T12:34:56.12Z"),
        (1_767_225_599_000_000_001, "2025-12-31T23:59:59.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(timestamp(ns), expected);
    }
}

#[test]
fn entries_are_escaped_as_docker_does() {
    for (line, expected) in [
        (&b"plain\n"[..], r"plain\n"),
        (b"\"quoted\" \\ \t\r\x1b[1m\x00", r#"\"quoted\" \\ \t\r\u001b[1m\u0000"#),
        (b"<a href='x'>&</a>", r"\u003ca href='x'\u003e\u0026\u003c/a\u003e"),
        ("ä€😀\u{2028}\u{2029}".as_bytes(), "ä€😀\\u2028\\u2029"),
        (b"bad \xff\xfe utf8 \xe2\x82", r"bad \ufffd\ufffd utf8 \ufffd"),
        (b"\x7f", "\u{7f}"),
    ] {
        let mut out = Vec::new();
        Source::new("stderr", 0).write(line, &mut out);
        let text = String::from_utf8(out).unwrap();
        let tail = "\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:00Z\"}\n";
        assert_eq!(text, format!("{{\"log\":\"{expected}{tail}"));
        serde_json::from_str::<serde_json::Value>(&text).expect("is JSON");
    }
}

/// Lengths of the entries, then of what stays open.
fn check_cut(chunks: &[&[u8]], expected: &[usize], rest: usize) {
    let mut open = Vec::new();
    let mut lengths = Vec::new();
    for chunk in chunks {
        cut(chunk, &mut open, |line| lengths.push(line.len()));
    }
    assert_eq!((lengths.as_slice(), open.len()), (expected, rest));
}

#[test]
fn long_lines_are_cut() {
    check_cut(&[b"a\nbc", b"d\n\n", b"e"], &[2, 4, 1], 1);
    let long = vec![b'x'; LINE_LIMIT_BYTES];
    check_cut(&[&long, b"\n"], &[LINE_LIMIT_BYTES, 1], 0);
    check_cut(&[&long[1..], b"\n"], &[LINE_LIMIT_BYTES], 0);
    check_cut(&[&long[1..], b"yz\n"], &[LINE_LIMIT_BYTES, 2], 0);
    // A character of three bytes across the limit goes whole into the next entry.
    let mut across = vec![b'x'; LINE_LIMIT_BYTES - 1];
    across.extend_from_slice("€\n".as_bytes());
    check_cut(&[&across], &[LINE_LIMIT_BYTES - 1, 4], 0);
    check_cut(&[&across[..LINE_LIMIT_BYTES + 1], b"\xac\n"], &[LINE_LIMIT_BYTES - 1, 4], 0);
    // Continuation bytes without a start are nobody's character.
    let garbage = vec![0x80; LINE_LIMIT_BYTES + 2];
    check_cut(&[&garbage], &[LINE_LIMIT_BYTES], 2);
}

#[test]
fn files_are_rotated_and_bounded() {
    let (path, fd) = folder("rotate");
    let limits = LogRecord { keep: true, max_size_bytes: 200, max_files: 3 };
    let mut log = Log::new(fd, limits);
    let mut open = Vec::new();
    for number in 0..20 {
        let line = format!("line {number:02}\n");
        log.append(&Source::new("stdout", 0), line.as_bytes(), &mut open);
    }
    let names: Vec<String> = ["container.log", "container.log.1", "container.log.2"]
        .into_iter()
        .map(|name| read(&path, name))
        .collect();
    assert!(names.iter().all(|text| !text.is_empty() && text.len() <= 200));
    assert!(names[0].contains("line 19") && !names[0].contains("line 17"));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 3);
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn one_file_starts_over_and_none_keeps_nothing() {
    let (path, fd) = folder("one");
    let mut open = Vec::new();
    let mut log = Log::new(fd, LogRecord { keep: true, max_size_bytes: 150, max_files: 1 });
    for number in 0..5 {
        log.append(&Source::new("stdout", 0), format!("{number}\n").as_bytes(), &mut open);
    }
    assert!(read(&path, "container.log").starts_with("{\"log\":\"4"));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    std::fs::remove_dir_all(path).unwrap();
    let (path, fd) = folder("none");
    let mut log = Log::new(fd, LogRecord { keep: false, ..LogRecord::default() });
    log.append(&Source::new("stdout", 0), b"gone\nopen", &mut open);
    log.finish(&Source::new("stdout", 0), &mut open);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    std::fs::remove_dir_all(path).unwrap();
}

/// B2 row 14: a link planted in the log's place is not followed, nor a fifo waited for.
#[test]
fn a_planted_link_is_not_followed() {
    let (path, fd) = folder("link");
    let victim = path.join("victim");
    std::fs::write(&victim, "kept").unwrap();
    std::os::unix::fs::symlink(&victim, path.join("container.log")).unwrap();
    let mut log = Log::new(fd, LogRecord::default());
    log.append(&Source::new("stdout", 0), b"attack\n", &mut Vec::new());
    assert_eq!(read(&path, "victim"), "kept");
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn what_was_logged_before_is_continued() {
    let (path, fd) = folder("append");
    std::fs::write(path.join("container.log"), "before\n").unwrap();
    let mut log = Log::new(fd, LogRecord::default());
    let mut open = Vec::new();
    log.append(&Source::new("stdout", 0), b"after", &mut open);
    assert_eq!(read(&path, "container.log"), "before\n");
    log.finish(&Source::new("stdout", 0), &mut open);
    assert!(read(&path, "container.log").starts_with("before\n{\"log\":\"after\","));
    assert!(open.is_empty());
    std::fs::remove_dir_all(path).unwrap();
}
