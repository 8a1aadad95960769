//! What goes in and out: input, terminals, floods, execs, attachments.

use super::world::{World, call, exited, id, pipe, reading, script, until, words};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;
use teu_containers::shim::Connection;
use teu_containers::shim::protocol::{Reply, Request, Streams};
use teu_oci::runtime::Process;
use teu_oci::runtime::process::ConsoleSize;

const ALL: Streams = Streams { stdin: true, stdout: true, stderr: false };

/// An exec as it is asked for.
pub fn exec(id: &str, command: Vec<String>) -> Request {
    let process = Box::new(Process { args: command, ..Process::default() });
    Request::Exec { id: id.to_owned(), process, user: None, privileged: false, exec_id: None }
}

fn starting(connection: &Connection, id: &str, fds: &[&OwnedFd]) {
    let request = Request::Start { id: id.to_owned(), attach: Some(ALL) };
    let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    let reply = call(connection, &request, &fds);
    assert!(matches!(reply, Reply::Started { .. }), "{reply:?}");
}

#[test]
fn input_is_handed_on_and_ends() {
    let mut world = World::new();
    let record = world.edited(words("cat"), |_, record| {
        record.stdin_open = true;
        record.stdin_once = true;
    });
    let connection = world.shim(&record.pod);
    let ((stdin, client), (out, write)) = (pipe(), pipe());
    starting(&connection, &record.id, &[&stdin, &write]);
    drop((stdin, write));
    let got = reading(out);
    let sent: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    File::from(client).write_all(&sent).unwrap();
    assert_eq!(exited(&connection), 0);
    assert!(got.join().unwrap() == sent);
}

#[test]
fn a_terminal() {
    let mut world = World::new();
    let record =
        world.edited(script("tty; stty size; read x; echo got $x; stty size"), |_, record| {
            record.tty = true;
            record.stdin_open = true;
        });
    let connection = world.shim(&record.pod);
    let ((stdin, client), (out, write)) = (pipe(), pipe());
    starting(&connection, &record.id, &[&stdin, &write]);
    drop((stdin, write));
    // What is typed is shown, too: after what it says first.
    let mut out = File::from(out);
    let mut text = Vec::new();
    while text.iter().filter(|&&byte| byte == b'\n').count() < 2 {
        let mut chunk = [0; 256];
        let length = out.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "it ended");
        text.extend_from_slice(&chunk[..length]);
    }
    let got = reading(out.into());
    let other = world.shim(&record.pod);
    let resize = Request::Resize { id: record.id.clone(), rows: 33, columns: 77 };
    assert!(matches!(call(&other, &resize, &[]), Reply::Done));
    File::from(client.try_clone().unwrap()).write_all(b"hello\n").unwrap();
    assert_eq!(exited(&connection), 0);
    text.extend(got.join().unwrap());
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("/dev/pts/0\r\n"), "{text:?}");
    assert!(text.contains("got hello\r\n33 77\r\n"), "{text:?}");
}

/// No byte of a flood is lost, and the shim's memory stays as it was.
#[test]
fn a_flood_is_whole_and_memory_flat() {
    const MIB: usize = 128;
    let mut world = World::new();
    let command =
        format!("dd if=/dev/zero bs=1M count={MIB} 2>/dev/null | tr '\\0' 'x'; sleep 0.2");
    let record = world.edited(script(&command), |_, record| record.log.keep = false);
    let connection = world.shim(&record.pod);
    let (out, write) = pipe();
    let streams = Streams { stdout: true, ..Streams::default() };
    let request = Request::Start { id: record.id.clone(), attach: Some(streams) };
    assert!(matches!(call(&connection, &request, &[write.as_fd()]), Reply::Started { .. }));
    drop(write);
    let mut out = File::from(out);
    let (mut total, mut chunk) = (0, vec![0; 1 << 16]);
    let pid = world.shim_pid(&record.pod);
    let mut most = 0;
    loop {
        let length = out.read(&mut chunk).unwrap();
        if length == 0 {
            break;
        }
        assert!(chunk[..length].iter().all(|&byte| byte == b'x'));
        total += length;
        if total % (8 << 20) < length {
            most = most.max(anonymous_kib(pid));
        }
    }
    assert_eq!(total, MIB << 20);
    assert_eq!(exited(&connection), 0);
    assert!(most < 2048, "the shim used {most} KiB");
}

/// Memory of a process that is its own.
pub fn anonymous_kib(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    line.and_then(|line| line.split_whitespace().next()).map_or(0, |kib| kib.parse().unwrap())
}

#[test]
fn an_exec_has_the_clients_own_streams() {
    let mut world = World::new();
    let record = world.edited(words("sleep 1000"), |_, record| {
        record.env.push("OWN=container".to_owned());
        record.user = "1000:1000".to_owned();
    });
    world.start(&record);
    let run = |command: Vec<String>, edit: &dyn Fn(&mut Request)| {
        let connection = world.shim(&record.pod);
        let ((stdin, client), (out, write)) = (pipe(), pipe());
        let mut request = exec(&record.id, command);
        edit(&mut request);
        let reply = call(&connection, &request, &[stdin.as_fd(), write.as_fd(), write.as_fd()]);
        drop((stdin, write, client));
        match reply {
            Reply::Executing { pid } => assert!(pid > 0),
            Reply::Failed { exit_code, message } => return (exit_code, message),
            other => panic!("{other:?}"),
        }
        let text = String::from_utf8(reading(out).join().unwrap()).unwrap();
        (exited(&connection), text)
    };
    let plain = |text: &str| run(script(text), &|_| ());
    assert_eq!(plain("id -u; echo $OWN; exit 4"), (4, "1000\ncontainer\n".to_owned()));
    assert_eq!(plain("kill -9 $$").0, 137);
    assert_eq!(run(words("nothing-there"), &|_| ()).0, 127);
    let (code, text) =
        run(script("id -u; pwd; echo $MORE; grep CapEff /proc/self/status"), &|request| {
            if let Request::Exec { process, user, privileged, .. } = request {
                *user = Some("root".to_owned());
                *privileged = true;
                process.cwd = "/tmp".to_owned();
                process.env = words("MORE=1");
            }
        });
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("0\n/tmp\n1\n"), "{text}");
    assert!(!text.contains("00000000a80425fb"), "{text}");
    // B2 row 2: nothing of ours is open in it.
    let (_, text) = plain("ls /proc/self/fd");
    assert_eq!(words(&text), words("0 1 2 3"), "ls opens the directory itself as 3");
}

#[test]
fn an_exec_with_a_terminal_answers_its_master() {
    let mut world = World::new();
    let record = world.container(words("sleep 1000"));
    let connection = world.start(&record);
    let mut request = exec(&record.id, script("stty size; tty"));
    if let Request::Exec { process, .. } = &mut request {
        process.terminal = true;
        process.console_size = Some(ConsoleSize { height: 11, width: 22 });
    }
    connection.send(&request, &[]).unwrap();
    let (reply, mut fds) = connection.receive().unwrap();
    assert!(matches!(reply, Reply::Executing { .. }), "{reply:?}");
    let mut master = File::from(fds.pop().expect("the terminal's master"));
    let mut text = Vec::new();
    let mut chunk = [0; 256];
    while let Ok(length @ 1..) = master.read(&mut chunk) {
        text.extend_from_slice(&chunk[..length]);
    }
    assert_eq!(String::from_utf8(text).unwrap(), "11 22\r\n/dev/pts/0\r\n");
    assert_eq!(exited(&connection), 0);
}

/// B2 row 18: many execs leave nothing in the shim.
#[test]
fn a_storm_of_execs_leaves_nothing() {
    let mut world = World::new();
    let record = world.container(words("sleep 1000"));
    world.start(&record);
    let pid = world.shim_pid(&record.pod);
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let storm = |count: usize| {
        for _ in 0..count {
            let connection = world.shim(&record.pod);
            let reply = call(&connection, &exec(&record.id, words("true")), &[]);
            assert!(matches!(reply, Reply::Executing { .. }), "{reply:?}");
            assert_eq!(exited(&connection), 0);
        }
    };
    storm(20);
    // Buffers and the like are given back when it is idle.
    std::thread::sleep(Duration::from_millis(700));
    let (fds, memory) = (open(), anonymous_kib(pid));
    storm(300);
    until("as few descriptors as before", || open() <= fds);
    let grown = || anonymous_kib(pid).saturating_sub(memory);
    until("as much memory as before", || grown() < 128);
}

#[test]
fn a_late_client_sees_what_comes() {
    let mut world = World::new();
    let waits = "while ! [ -e /go ]; do sleep 0.01; done; echo late; exit 2";
    let record = world.container(script(waits));
    let connection = world.start(&record);
    let (out, write) = pipe();
    let streams = Streams { stdout: true, ..Streams::default() };
    let attach = Request::Attach { id: record.id.clone(), streams };
    assert!(matches!(call(&connection, &attach, &[write.as_fd()]), Reply::Done));
    drop(write);
    let absent = Request::Attach { id: id(), streams };
    assert!(matches!(call(&world.shim(&record.pod), &absent, &[]), Reply::Failed { .. }));
    // Through its root: what lies beneath an overlay must not be changed.
    let state = world.state(&record);
    std::fs::write(format!("/proc/{}/root/go", state.pid), "").unwrap();
    assert_eq!(reading(out).join().unwrap(), b"late\n");
}
