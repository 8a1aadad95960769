//! Logs that are whole, torn, rotated, hostile.

use super::tail;
use super::*;
use crate::Home;
use crate::record::{ContainerRecord, PodRecord};
use crate::state::{ContainerState, Status};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct World {
    _dir: tempfile::TempDir,
    containers: Containers,
    folder: PathBuf,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let containers = Containers::open(Home::at(dir.path()), PathBuf::new()).unwrap();
    let folder = containers.home.container(ID, ID);
    fs::create_dir_all(&folder).unwrap();
    let pod = PodRecord { id: ID.into(), implicit: true, ..Default::default() };
    let record =
        ContainerRecord { id: ID.into(), pod: ID.into(), name: "web".into(), ..Default::default() };
    let state = ContainerState { status: Status::Exited, ..Default::default() };
    containers.write_pod(&pod).unwrap();
    containers.write_record(&record).unwrap();
    containers.write_state(ID, ID, &state).unwrap();
    World { _dir: dir, containers, folder }
}

/// `o3` is the line "3" on standard output at second 3.
fn entry(short: &str) -> String {
    let stream = if short.starts_with('o') { "stdout" } else { "stderr" };
    let number = &short[1..];
    let time = time::rfc3339(number.parse::<i64>().unwrap() * 1_000_000_000);
    format!("{{\"log\":\"{number}\\n\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
}

impl World {
    fn write(&self, name: &str, entries: &str) {
        let text: String = entries.split_whitespace().map(entry).collect();
        fs::write(self.folder.join(name), text).unwrap();
    }

    fn read(&self, options: LogOptions) -> String {
        let lines = self.containers.logs(ID, &options).unwrap();
        let text: Vec<String> = lines
            .map(|line| {
                let line = line.unwrap();
                let short = if line.stream == LogStream::Stdout { 'o' } else { 'e' };
                format!("{short}{}", String::from_utf8_lossy(&line.bytes).trim_end())
            })
            .collect();
        text.join(" ")
    }
}

fn both() -> LogOptions {
    LogOptions { stdout: true, stderr: true, ..LogOptions::default() }
}

#[test]
fn rotated_files_are_one_log() {
    let world = world();
    assert_eq!(world.read(both()), "");
    world.write("container.log.2", "o1 e2");
    world.write("container.log.1", "o3 o4");
    world.write("container.log", "e5 o6");
    assert_eq!(world.read(both()), "o1 e2 o3 o4 e5 o6");
    for (tail, expected) in [
        (0, ""),
        (1, "o6"),
        (2, "e5 o6"),
        (3, "o4 e5 o6"),
        (5, "e2 o3 o4 e5 o6"),
        (6, "o1 e2 o3 o4 e5 o6"),
        (99, "o1 e2 o3 o4 e5 o6"),
    ] {
        assert_eq!(world.read(LogOptions { tail: Some(tail), ..both() }), expected, "{tail}");
    }
    let second = 1_000_000_000;
    assert_eq!(world.read(LogOptions { since_ns: Some(4 * second), ..both() }), "o4 e5 o6");
    assert_eq!(world.read(LogOptions { until_ns: Some(3 * second), ..both() }), "o1 e2 o3");
    assert_eq!(world.read(LogOptions { stderr: false, ..both() }), "o1 o3 o4 o6");
    assert_eq!(world.read(LogOptions { stdout: false, ..both() }), "e2 e5");
    assert_eq!(world.read(LogOptions { follow: true, ..both() }), "o1 e2 o3 o4 e5 o6");
}

#[test]
fn torn_and_hostile_lines_are_skipped() {
    let world = world();
    let mut text = entry("o1").into_bytes();
    text.extend_from_slice(
        b"not json\n{}\n{\"log\":1,\"stream\":\"stdout\",\"time\":\"x\"}\n\n\xff\n",
    );
    text.extend_from_slice(&vec![b'x'; ENTRY_LIMIT_BYTES * 3]);
    text.push(b'\n');
    text.extend_from_slice(entry("o2").as_bytes());
    text.extend_from_slice(&entry("o3").as_bytes()[..20]);
    fs::write(world.folder.join("container.log"), text).unwrap();
    assert_eq!(world.read(both()), "o1 o2");
}

#[test]
fn a_link_is_not_a_log() {
    let world = world();
    let secret = world.folder.join("secret");
    fs::write(&secret, entry("o1")).unwrap();
    std::os::unix::fs::symlink(&secret, world.folder.join("container.log")).unwrap();
    assert!(world.containers.logs(ID, &both()).is_err());
    fs::remove_file(world.folder.join("container.log")).unwrap();
    let fifo = world.folder.join("container.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(world.containers.logs(ID, &both()).is_err(), "and a fifo does not hang");
}

#[test]
fn the_end_of_a_large_file_is_found_without_reading_it() {
    let mut file = tempfile::tempfile().unwrap();
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..1000 {
        file.write_all(line.as_bytes()).unwrap();
    }
    file.write_all(b"half").unwrap();
    for (wanted, expected) in [
        (0, (1_000_000, 0)),
        (1, (999_000, 1)),
        (500, (500_000, 500)),
        (1000, (0, 1000)),
        (1001, (0, 1000)),
    ] {
        assert_eq!(tail::offset(&file, wanted).unwrap(), expected, "{wanted}");
    }
    let empty = tempfile::tempfile().unwrap();
    assert_eq!(tail::offset(&empty, 3).unwrap(), (0, 0));
}
