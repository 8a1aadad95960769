//! A host, pods and talkers, each in a network namespace.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};
use teu_network::{Config, Connected, EndpointRequest, HostPort, Networks, PortRequest, Protocol};
use teu_sys::namespace::unshare;
use teu_sys::netlink::within;
use teu_sys::process::CloneFlags;

/// For what must happen, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// For what must not happen.
pub const BRIEFLY: Duration = Duration::from_millis(1500);

/// A host: this thread's own network, and an instance of Teu on it.
pub struct Host {
    pub dir: tempfile::TempDir,
    pub networks: Networks,
}

impl Host {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        unshare(CloneFlags::NEW_NET).expect("these tests need root");
        // What this machine has by default is not what the tests are about.
        run("ip link set lo up; echo 0 > /proc/sys/net/ipv4/ip_forward");
        run("echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
        Self::beside(change)
    }

    /// Another instance on the same host.
    pub fn beside(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut config = Config::new(dir.path(), dir.path().join("run"), "");
        change(&mut config);
        let networks = Networks::open(config).unwrap();
        Self { dir, networks }
    }

    pub fn pod(&self, name: &str, change: impl FnOnce(&mut EndpointRequest)) -> Pod {
        self.try_pod(name, change).unwrap()
    }

    pub fn try_pod(
        &self,
        name: &str,
        change: impl FnOnce(&mut EndpointRequest),
    ) -> teu_network::Result<Pod> {
        let netns = new_netns();
        let mut request = EndpointRequest {
            network: "bridge".to_owned(),
            pod: format!("{name}-id"),
            name: name.to_owned(),
            ..EndpointRequest::default()
        };
        change(&mut request);
        let connected = self.networks.connect(&request, netns.as_fd())?;
        Ok(Pod { netns, connected })
    }

    /// Nothing of Teu's is left in the kernel.
    pub fn assert_clean(&self) {
        assert_eq!(run("nft list ruleset"), "");
        assert_eq!(run("ip -o link show | grep -v ': lo:' | grep -E ': teu|: br' || true"), "");
        assert_eq!(run("ip route show | grep -E 'unreachable|teu' || true"), "");
        assert_eq!(run("ip -6 route show | grep -E 'unreachable|teu' || true"), "");
    }
}

pub struct Pod {
    pub netns: OwnedFd,
    pub connected: Connected,
}

impl Pod {
    pub fn within<T: Send>(&self, visit: impl FnOnce() -> T + Send) -> T {
        within(self.netns.as_fd(), || Ok(visit())).unwrap()
    }

    pub fn ipv4(&self) -> IpAddr {
        self.connected.endpoint.ipv4.unwrap().address
    }

    pub fn ipv6(&self) -> IpAddr {
        self.connected.endpoint.ipv6.unwrap().address
    }

    /// Says its name and its client's address to whoever connects.
    pub fn serve(&self, port: u16) {
        serve(self.netns.as_fd(), &self.connected.endpoint.name, port);
    }

    /// Likewise to every datagram.
    pub fn serve_udp(&self, port: u16) {
        let socket = self.within(|| UdpSocket::bind(("::", port)).unwrap());
        let name = self.connected.endpoint.name.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(format!("{name} {}", plain(from.ip())).as_bytes(), from);
            }
        });
    }

    pub fn fetch(&self, address: IpAddr, port: u16) -> std::io::Result<String> {
        self.within(|| fetch(address, port))
    }

    pub fn cannot_reach(&self, address: IpAddr, port: u16) -> bool {
        self.within(|| cannot_reach(address, port))
    }
}

pub fn serve(netns: BorrowedFd<'_>, name: &str, port: u16) {
    let listener = within(netns, || TcpListener::bind(("::", port))).unwrap();
    let name = name.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let Ok(peer) = stream.peer_addr() else { continue };
            let _ = write!(stream, "{name} {}", plain(peer.ip()));
        }
    });
}

fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What is said at an address, asked again until somebody answers: while another test makes or drops
/// a thousand links, the kernel brings up none of ours for many seconds, and new addresses are not
/// anybody's yet.
pub fn fetch(address: IpAddr, port: u16) -> std::io::Result<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match fetch_within(address, port, Duration::from_secs(5)) {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            answer => return answer,
        }
    }
}

/// Whether nobody says anything there.
pub fn cannot_reach(address: IpAddr, port: u16) -> bool {
    fetch_within(address, port, BRIEFLY).is_err()
}

fn fetch_within(address: IpAddr, port: u16, limit: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), limit)?;
    stream.set_read_timeout(Some(limit))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

pub fn ask_udp(address: IpAddr, port: u16) -> std::io::Result<String> {
    let from = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from)?;
    socket.connect((address, port))?;
    answer_to(&socket, PATIENCE)
}

/// What is said to a datagram, which is sent again until it is answered.
pub fn answer_to(socket: &UdpSocket, limit: Duration) -> std::io::Result<String> {
    let end = Instant::now() + limit;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    let mut buffer = [0; 64];
    loop {
        match socket.send(b"?").and_then(|_| socket.recv(&mut buffer)) {
            Ok(length) => return Ok(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

pub fn new_netns() -> OwnedFd {
    let make = || {
        unshare(CloneFlags::NEW_NET).unwrap();
        std::fs::File::open("/proc/thread-self/ns/net").unwrap().into()
    };
    std::thread::spawn(make).join().unwrap()
}

/// A machine elsewhere: reached by a link, `203.0.113.2` and `2001:db8::2`, the host being `.1`.
pub fn outside() -> OwnedFd {
    let netns = new_netns();
    run("ip link add uplink type veth peer name far");
    run("ip addr add 203.0.113.1/24 dev uplink; ip addr add 2001:db8::1/64 dev uplink nodad");
    let pid = std::process::id();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&netns);
    run(&format!("ip link set far netns /proc/{pid}/fd/{fd}; ip link set uplink up"));
    within(netns.as_fd(), || {
        run("ip link set lo up; ip link set far up; ip addr add 203.0.113.2/24 dev far");
        run("ip addr add 2001:db8::2/64 dev far nodad");
        Ok(())
    })
    .unwrap();
    netns
}

/// Runs a command in this thread's namespace; its words.
pub fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn tcp(host_port: u16, container_port: u16) -> PortRequest {
    PortRequest {
        host_ip: None,
        host_port: if host_port == 0 { HostPort::Free } else { HostPort::From(host_port) },
        container_port,
        count: 1,
        protocol: Protocol::Tcp,
    }
}
