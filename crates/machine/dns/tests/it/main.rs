//! The server on real sockets, in network namespaces of its own; asked by hand and by `dig`. Needs
//! root.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use teu_dns::{Server, Zone, bind_in};
use teu_sys::namespace::unshare;
use teu_sys::process::CloneFlags;

const ADDRESS: &str = "127.0.0.11:53";
/// What is quick is seen to be so in one of these at least, however busy the machine is.
const TRIES: usize = 20;

struct Names;

impl Zone for Names {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        match name {
            "web" | "web.net" => {
                Some(vec!["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()])
            }
            "many" => Some((1..=60).map(|host| IpAddr::from([10, 0, 1, host])).collect()),
            _ => None,
        }
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        (address == IpAddr::from([10, 0, 0, 5])).then(|| "web.net".to_owned())
    }
}

/// A server in this thread's own new namespace; ends when dropped.
struct Running {
    stop: Arc<AtomicBool>,
    wakes: Arc<AtomicUsize>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(upstreams: &[&str]) -> Running {
    serve_after(upstreams, || {})
}

/// `meanwhile` runs while the sockets are bound and nobody reads them.
fn serve_after(upstreams: &[&str], meanwhile: impl FnOnce()) -> Running {
    unshare(CloneFlags::NEW_NET).expect("these tests need root");
    let netns = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let sockets = bind_in(netns.as_fd(), ADDRESS.parse().unwrap()).unwrap();
    meanwhile();
    let upstreams = upstreams.iter().map(|text| text.parse().unwrap()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let wakes = Arc::new(AtomicUsize::new(0));
    let running = Running { stop: stop.clone(), wakes: wakes.clone() };
    std::thread::spawn(move || {
        let mut server = Server::new(sockets, upstreams).unwrap();
        let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        while !stop.load(Ordering::Relaxed) {
            let mut fds = [PollFd::new(&server, PollFlags::IN)];
            if poll(&mut fds, Some(&tick)).unwrap() > 0 {
                wakes.fetch_add(1, Ordering::Relaxed);
                server.handle(&Names).unwrap();
            }
        }
    });
    running
}

/// Waits far longer than an answer takes, as a machine may be busy, and asks once.
fn dig(arguments: &str) -> String {
    let all = format!("dig @127.0.0.11 +tries=1 +timeout=60 {arguments}");
    let output = Command::new("sh").args(["-c", &all]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn dig_is_content() {
    let _running = serve(&[]);
    assert_eq!(dig("+short web A"), "10.0.0.5\n");
    assert_eq!(dig("+short WeB.net. AAAA"), "fd00::5\n");
    assert_eq!(dig("+short +tcp web A"), "10.0.0.5\n");
    assert_eq!(dig("+short +noedns web A"), "10.0.0.5\n");
    assert_eq!(dig("+short -x 10.0.0.5"), "web.net.\n");
    assert_eq!(dig("+short many A").lines().count(), 60);
    // Too long for 512 bytes: cut, asked again over a connection.
    let whole = dig("+noedns many A");
    assert!(whole.contains("Truncated, retrying in TCP"), "{whole}");
    assert!(whole.contains("ANSWER: 60"), "{whole}");
    let cut = dig("+noedns +ignore many A");
    assert!(cut.contains("flags: qr aa tc rd ra"), "{cut}");
    let nodata = dig("web MX");
    assert!(nodata.contains("NOERROR") && nodata.contains("ANSWER: 0"), "{nodata}");
    // Nobody to ask.
    assert!(dig("nobody.example A").contains("SERVFAIL"));
    let pipelined = dig("+tcp +keepopen web A web AAAA");
    assert!(pipelined.contains("10.0.0.5") && pipelined.contains("fd00::5"), "{pipelined}");
}

/// An upstream that answers with the question and this address.
fn reply_to(query: &[u8], address: [u8; 4]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let mut reply = query[..end].to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    reply.extend_from_slice(&address);
    reply
}

fn upstream(address: &str, octets: [u8; 4]) {
    let udp = UdpSocket::bind(address).unwrap();
    let tcp = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            // A stranger's guess first: a wrong id must not be heard.
            let mut wrong = reply_to(&buffer[..length], [6, 6, 6, 6]);
            wrong[0] ^= 0xff;
            let _ = udp.send_to(&wrong, from);
            let _ = udp.send_to(&reply_to(&buffer[..length], octets), from);
        }
    });
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            answer_stream(stream, octets);
        }
    });
}

fn answer_stream(mut stream: TcpStream, octets: [u8; 4]) {
    let mut length = [0; 2];
    if stream.read_exact(&mut length).is_err() {
        return;
    }
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    if stream.read_exact(&mut query).is_ok() {
        let reply = reply_to(&query, octets);
        let _ = stream.write_all(&(reply.len() as u16).to_be_bytes());
        let _ = stream.write_all(&reply);
    }
}

#[test]
fn other_names_are_asked_elsewhere() {
    // The second is silent for datagrams: nothing listens there.
    let _running = serve(&["127.0.0.21:53", "127.0.0.20:53"]);
    upstream("127.0.0.20:53", [9, 9, 9, 9]);
    assert_eq!(dig("+short elsewhere.example A"), "9.9.9.9\n");
    assert_eq!(dig("+short +tcp elsewhere.example A"), "9.9.9.9\n");
    assert_eq!(dig("+short web A"), "10.0.0.5\n");
}

#[test]
fn an_upstream_that_says_nothing_is_given_up() {
    let running = serve(&["127.0.0.20:53", "127.0.0.21:53"]);
    let mute = UdpSocket::bind("127.0.0.20:53").unwrap();
    upstream("127.0.0.21:53", [9, 9, 9, 9]);
    let netns = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    // On a busy machine the mute one may be given up before we have asked for anything else.
    let served_meanwhile = (0..TRIES).any(|_| {
        let before = running.wakes.load(Ordering::Relaxed);
        let netns = netns.try_clone().unwrap();
        let slow = std::thread::spawn(move || {
            teu_sys::netlink::within(netns.as_fd(), || Ok(dig("+short slow.example A"))).unwrap()
        });
        mute.recv(&mut [0; 512]).unwrap();
        assert_eq!(dig("+short web A"), "10.0.0.5\n");
        let meanwhile = !slow.is_finished();
        assert_eq!(slow.join().unwrap(), "9.9.9.9\n");
        // And nothing turns in circles while it waits.
        assert!(running.wakes.load(Ordering::Relaxed) - before < 40);
        meanwhile
    });
    assert!(served_meanwhile, "one that waits holds up the others");
}

#[test]
fn a_client_that_has_gone_is_no_work() {
    let running = serve(&["127.0.0.20:53"]);
    let mute = TcpListener::bind("127.0.0.20:53").unwrap();
    let mut client = TcpStream::connect(ADDRESS).unwrap();
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.extend_from_slice(b"\x04slow\x07example\x00\x00\x01\x00\x01");
    client.write_all(&(question.len() as u16).to_be_bytes()).unwrap();
    client.write_all(&question).unwrap();
    // It is on its way once the upstream has it.
    let (mut asked, _) = mute.accept().unwrap();
    let mut whole = vec![0; question.len() + 2];
    asked.read_exact(&mut whole).unwrap();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    let before = running.wakes.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(300));
    let wakes = running.wakes.load(Ordering::Relaxed) - before;
    assert!(wakes < 20, "{wakes} wakes for nobody");
}

#[test]
fn a_circle_ends() {
    let _running = serve(&[ADDRESS]);
    // Where nobody saw the circle, every question would wait for its answer in vain, for 2.5 s.
    let at_once = (0..TRIES).any(|number| {
        let start = Instant::now();
        assert!(dig(&format!("circle{number}.example A")).contains("SERVFAIL"));
        start.elapsed() < Duration::from_secs(2)
    });
    assert!(at_once, "it ends by waiting only");
}

/// 600 questions that nobody here can answer.
fn ask_for_strangers() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..600u32 {
        let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4];
        query.extend_from_slice(format!("{number:04}").as_bytes());
        query.extend_from_slice(&[3, b'f', b'o', b'o', 0, 0, 1, 0, 1]);
        let _ = socket.send_to(&query[..], ADDRESS);
    }
}

#[test]
fn a_question_behind_a_flood_waits_for_a_busy_server() {
    let mut last = None;
    let _running = serve_after(&["127.0.0.20:53"], || {
        ask_for_strangers();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let query = b"\x07\x08\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01";
        socket.send_to(query, ADDRESS).unwrap();
        last = Some(socket);
    });
    let socket = last.unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).expect("the question was dropped");
    assert!(reply[..length].ends_with(&[10, 0, 0, 5]));
}

#[test]
fn a_flood_is_bounded_and_passes() {
    let _running = serve(&["127.0.0.20:53"]);
    let _mute = UdpSocket::bind("127.0.0.20:53").unwrap();
    let server: SocketAddr = ADDRESS.parse().unwrap();
    // Half-open connections, junk, and more questions than are forwarded at the same time.
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(server)).collect();
    let mut junk = TcpStream::connect(server).unwrap();
    junk.write_all(&[0xff; 1000]).unwrap();
    ask_for_strangers();
    assert_eq!(dig("+short web A"), "10.0.0.5\n");
    assert_eq!(dig("+short +tcp web A"), "10.0.0.5\n");
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(descriptors < 600, "{descriptors}");
    drop(idle);
}
