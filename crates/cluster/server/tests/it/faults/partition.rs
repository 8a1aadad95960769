//! Two servers on an etcd cluster whose members are killed, stood still, and cut off from each other
//! while clients reach both sides.

use super::history::{History, Picture, check_watchers};
use super::kills::{end, seed};
use super::load::{self, Load, picture};
use super::members::{MEMBERS, Members};
use super::process::{Doors, Process};
use super::watcher::{self, Finally};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Each fault lasts so long: longer than etcd takes to find another leader.
const FAULT: Duration = Duration::from_millis(2500);
const CLIENTS: usize = 4;
const WATCHERS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may speak with whom.
#[derive(Default)]
pub struct Network(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    /// Members' numbers, as etcd says them.
    names: [u64; MEMBERS],
    /// The member that is cut off.
    alone: Option<usize>,
}

impl Network {
    fn parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn name(&self, member: usize, number: u64) {
        self.parts().names[member] = number;
    }

    pub fn number(&self, member: usize) -> u64 {
        self.parts().names[member]
    }

    /// Cuts one off, or nobody.
    fn cut(&self, alone: Option<usize>) {
        self.parts().alone = alone;
    }

    fn is_cut(&self, from: u64, to: usize) -> bool {
        let parts = self.parts();
        parts.alone.is_some_and(|alone| alone == to || parts.names[alone] == from)
    }
}

/// What others reach a member by.
pub struct Line {
    network: Arc<Network>,
    to: usize,
    /// Whoever speaks, once that is known.
    from: AtomicU64,
    /// Something did not arrive; the line is of no use any more, but whoever has it only finds out
    /// when the network is whole again.
    is_torn: AtomicBool,
}

impl Line {
    /// A port that leads to a member. Its threads end with the process: a test's, and soon.
    pub fn open(network: &Arc<Network>, to: usize, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let network = Arc::clone(network);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let Ok(member) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let pair = (caller.try_clone(), member.try_clone());
                let (Ok(caller_too), Ok(member_too)) = pair else { continue };
                let line = Arc::new(Self {
                    network: Arc::clone(&network),
                    to,
                    from: AtomicU64::new(0),
                    is_torn: AtomicBool::new(false),
                });
                let back = Arc::clone(&line);
                std::thread::spawn(move || line.pass(caller, member));
                std::thread::spawn(move || back.pass(member_too, caller_too));
            }
        });
        own
    }

    /// What is lost in a cut network is not told to anybody.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            if self.from.load(Ordering::Relaxed) == 0 {
                self.from.store(speaker(&buffer[..read]).unwrap_or(0), Ordering::Relaxed);
            }
            if self.network.is_cut(self.from.load(Ordering::Relaxed), self.to) {
                self.is_torn.store(true, Ordering::Relaxed);
                if read == 0 {
                    break;
                }
                continue;
            }
            let is_torn = self.is_torn.load(Ordering::Relaxed);
            if is_torn || read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    }
}

/// Members say who they are in the first request on a line.
fn speaker(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let (_, rest) = text.split_once("x-server-from:")?;
    u64::from_str_radix(rest.lines().next()?.trim(), 16).ok()
}

/// One fault after another; each ends before the next begins.
fn fail(members: &mut Members, servers: &mut [Process], doors: &Doors) {
    let rest = || std::thread::sleep(FAULT);
    // A leader dies; then each member stands still in turn.
    let leader = members.leader();
    members.kill(leader);
    members.succeed(leader);
    rest();
    members.run(leader);
    members.settle();
    for member in 0..MEMBERS {
        members.pause(member);
        rest();
        members.resume(member);
        members.settle();
    }
    // A leader that does not know that it is none, and whoever a server holds to.
    for _ in 0..2 {
        let leader = members.leader();
        members.network.cut(Some(leader));
        members.succeed(leader);
        rest();
        members.network.cut(None);
        members.settle();
    }
    let follower = (members.leader() + 1) % MEMBERS;
    members.network.cut(Some(follower));
    rest();
    members.network.cut(None);
    members.settle();
    // A server dies, and comes again while another serves.
    servers[0].kill();
    rest();
    doors.set(0, servers[0].start());
}

#[test]
fn two_servers_on_members_that_fail() {
    let mut members = Members::start();
    let folder = tempfile::tempdir().expect("a folder");
    let server = |number: usize| {
        let mut ports = members.ports.clone();
        ports.rotate_left(number);
        let ports: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let store = format!("etcd://{}", ports.join(","));
        Process::new(&folder.path().join(number.to_string()), &store)
    };
    let mut servers = [server(0), server(1)];
    let doors = Doors::new(servers.iter_mut().map(Process::start).collect());
    let (values, is_over, answered) =
        (AtomicU64::new(1), AtomicBool::new(false), AtomicU64::new(0));
    let load = Load {
        doors: &doors,
        zero: Instant::now(),
        values: &values,
        is_over: &is_over,
        answered: &answered,
        pause: Duration::from_millis(40),
    };
    let (begun, begins) = mpsc::channel();
    let (mut history, watchers_are_over, seed) =
        (History::default(), AtomicBool::new(false), seed());
    let (stories, last) = std::thread::scope(|scope| {
        let (over, _all_over) = (Finally(&is_over), Finally(&watchers_are_over));
        let watch = |number| {
            let (doors, begun, is_over) = (&doors, begun.clone(), &watchers_are_over);
            scope.spawn(move || watcher::follow(doors, number, &begun, is_over))
        };
        let watchers: Vec<_> = (0..WATCHERS).map(watch).collect();
        for _ in 0..WATCHERS {
            begins.recv_timeout(PATIENCE).expect("a watcher that begins");
        }
        let client = |number| {
            let load = &load;
            scope.spawn(move || load::run(load, number, seed))
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        fail(&mut members, &mut servers, &doors);
        drop(over);
        for client in clients {
            history.merge(client.join().expect("a client"));
        }
        let last = end(&doors.get(1));
        let stories: Vec<_> =
            watchers.into_iter().map(|watcher| watcher.join().expect("a watcher")).collect();
        (stories, last)
    });
    let at = u64::try_from(load.zero.elapsed().as_nanos()).expect("not that long");
    let (now, _) = picture(&doors.get(0));
    history.judge(&Picture::new(), &now, at);
    check_watchers(&stories, &history, &Picture::new(), &last);
    assert!(history.answered() > history.lost(), "{} lost", history.lost());
    let (answered, lost) = (history.answered(), history.lost());
    eprintln!("{answered} answered, {lost} lost, {} events told", stories[0].len());
}
