//! A client's packets as data, on a real directory.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn stat(path: &str, mode: u32, size: i64) -> Stat {
    Stat {
        path: path.to_owned(),
        mode,
        size,
        mod_time: 1_700_000_000_000_000_001,
        ..Stat::default()
    }
}

fn packet(stat: Option<Stat>) -> Packet {
    Packet { stat, ..Packet::plain(PacketType::Stat, 0) }
}

fn content(id: u32, text: &str) -> Packet {
    Packet {
        data: bytes::Bytes::copy_from_slice(text.as_bytes()),
        ..Packet::plain(PacketType::Data, id)
    }
}

/// Lists, and gives what is asked for.
fn list(receiver: &mut Receiver, stats: &[Stat]) -> Result<Next, Error> {
    for stat in stats {
        receiver.packet(packet(Some(stat.clone())))?;
    }
    receiver.packet(packet(None))
}

#[test]
fn only_what_differs_is_asked_for_and_what_is_gone_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let link = Stat { linkname: "a/x".to_owned(), ..stat("l", mode::SYMLINK | 0o777, 0) };
    let hard = Stat { linkname: "a/x".to_owned(), ..stat("z", 0o644, 0) };
    let stats = [
        stat("a", mode::DIRECTORY | 0o750, 0),
        stat("a/x", 0o644, 2),
        stat("b", 0o600, 0),
        link,
        hard,
    ];
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert_eq!(list(&mut receiver, &stats).expect("lists"), Next::Request(vec![1, 2]));
    assert_eq!(receiver.packet(content(1, "hi")).expect("takes"), Next::Wait);
    assert_eq!(receiver.packet(content(2, "")).expect("takes"), Next::Wait);
    assert_eq!(receiver.packet(content(1, "")).expect("takes"), Next::Finish);
    assert_eq!(receiver.packet(Packet::plain(PacketType::Fin, 0)).expect("ends"), Next::End);
    let path = |name: &str| dir.path().join(name);
    assert_eq!(std::fs::read_to_string(path("l")).expect("reads"), "hi");
    assert_eq!(path("a").metadata().expect("is there").permissions().mode() & 0o7777, 0o750);
    let file = path("a/x").metadata().expect("is there");
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_700_000_000, 1));
    assert_eq!(file.ino(), path("z").metadata().expect("is there").ino());

    std::fs::write(path("extra"), "left by nobody").expect("writes");
    let mut changed = stats.to_vec();
    changed[2].size = 3;
    changed.remove(3);
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert_eq!(list(&mut receiver, &changed).expect("lists"), Next::Request(vec![2]));
    receiver.packet(content(2, "new")).expect("takes");
    assert_eq!(receiver.packet(content(2, "")).expect("takes"), Next::Finish);
    assert!(!path("extra").exists() && path("l").symlink_metadata().is_err());
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert_eq!(list(&mut receiver, &changed).expect("lists"), Next::Finish, "nothing differs");
}

#[test]
fn a_kind_that_changed_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("x/deep")).expect("makes");
    std::fs::write(dir.path().join("y"), "").expect("writes");
    let stats = [stat("x", 0o644, 0), stat("y", mode::DIRECTORY | 0o755, 0)];
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert_eq!(list(&mut receiver, &stats).expect("lists"), Next::Request(vec![0]));
    receiver.packet(content(0, "")).expect("takes");
    assert!(dir.path().join("x").is_file() && dir.path().join("y").is_dir());
}

#[test]
fn a_client_that_reaches_out_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let directory = mode::DIRECTORY | 0o755;
    let out = Stat { linkname: "/etc".to_owned(), ..stat("d", mode::SYMLINK, 0) };
    let hard = Stat { linkname: "../../etc/passwd".to_owned(), ..stat("h", 0o644, 0) };
    let long = Stat { linkname: "x/".repeat(3000), ..stat("l", mode::SYMLINK, 0) };
    let wide = "\u{20ac}".repeat(2000);
    let cases: &[&[Stat]] = &[
        &[long],
        &[stat(&wide, 0o644, 0)],
        &[stat("../x", 0o644, 0)],
        &[stat("/x", 0o644, 0)],
        &[stat("a/../../x", 0o644, 0)],
        &[stat("", 0o644, 0)],
        &[stat("a//b", 0o644, 0)],
        &[stat("./a", 0o644, 0)],
        &[stat("a\0b", 0o644, 0)],
        &[stat("a/b", 0o644, 0)],
        &[stat(".teu-partial-1", 0o644, 0)],
        &[stat("a", directory, 0), stat("a", directory, 0)],
        &[out, stat("d/x", 0o644, 0)],
        &[hard],
    ];
    for case in cases {
        let mut receiver = Receiver::new(dir.path()).expect("opens");
        assert!(list(&mut receiver, case).is_err(), "{case:?}");
    }
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert!(receiver.packet(content(5, "unasked")).is_err());
}

#[test]
fn a_link_listed_as_a_directory_is_never_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(outside.path(), dir.path().join("d")).expect("links");
    let stats = [stat("d", mode::DIRECTORY | 0o755, 0), stat("d/x", 0o644, 1)];
    let mut receiver = Receiver::new(dir.path()).expect("opens");
    assert_eq!(list(&mut receiver, &stats).expect("lists"), Next::Request(vec![1]));
    receiver.packet(content(1, "y")).expect("takes");
    receiver.packet(content(1, "")).expect("takes");
    assert!(!outside.path().join("x").exists() && dir.path().join("d/x").is_file());
}
