//! Real programs from real packages, reached as people reach them: through published ports on the
//! host's loopback, and by name from another container.

use crate::world::{World, binary};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Sends bytes and returns what comes back, once somebody answers.
#[track_caller]
fn ask(address: SocketAddr, question: &[u8]) -> String {
    let begun = Instant::now();
    loop {
        let answer = try_ask(address, question);
        match answer {
            Ok(text) if !text.is_empty() && !text.starts_with("-LOADING") => return text,
            _ if begun.elapsed() > Duration::from_secs(60) => panic!("{address}: {answer:?}"),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn try_ask(address: SocketAddr, question: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(question)?;
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

fn published(world: &World, name: &str, port: &str) -> SocketAddr {
    let text = world.teu(["port", name, port]).ok();
    let v4 = text.lines().find(|line| !line.contains('[')).expect("an IPv4 line");
    let port: u16 = v4.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}

const GET: &[u8] = b"GET / HTTP/1.0\r\nHost: test\r\n\r\n";

#[test]
fn nginx_answers_through_a_published_port() {
    let world = World::empty();
    world.load("nginx");
    world.line("run -d --name web -p 127.0.0.1::80 --memory 64m nginx").ok();
    let answer = ask(published(&world, "web", "80"), GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // `STOPSIGNAL SIGQUIT` of the image ends it in good order.
    world.line("stop web").ok();
    let code = world.teu(["inspect", "--format", "{{.State.ExitCode}}", "web"]).ok();
    assert_eq!(code, "0");
}

#[test]
fn redis_keeps_data_in_a_volume() {
    let world = World::empty();
    world.load("redis");
    let serve = "run -d --name store -p 127.0.0.1::6379 -v data:/data redis \
                 redis-server --bind 0.0.0.0 --protected-mode no --dir /data --appendonly yes";
    world.line(serve).ok();
    let address = published(&world, "store", "6379");
    assert_eq!(ask(address, b"SET name teu\r\n"), "+OK\r\n");
    world.line("rm -f store").ok();
    world.line(serve).ok();
    assert_eq!(ask(published(&world, "store", "6379"), b"GET name\r\n"), "$3\r\nteu\r\n");
    world.line("rm -f store").ok();
    world.line("volume rm data").ok();
}

#[test]
fn python_serves_another_container_by_name() {
    let world = World::busybox();
    world.load("python");
    world.line("network create --internal inner").ok();
    let serve = "run -d --name app --network inner --network-alias api python \
                 python3 -u -m http.server --bind :: 8000";
    world.line(serve).ok();
    let begun = Instant::now();
    for name in ["app", "api"] {
        let fetch = format!(
            "run --rm --network inner busybox wget -q -O - http://{name}:8000/etc/hostname"
        );
        while world.line(&fetch).code != 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{name}: {:?}",
                world.line("logs app")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    world.line("rm -f app").ok();
    world.line("network rm inner").ok();
}

#[test]
fn published_ports_answer_on_both_families() {
    let world = World::busybox();
    let page = world.file("www/index.html", "both families\n");
    let mount = format!("{}:/www:ro", page.parent().expect("joined").display());
    let serve = ["run", "-d", "--name", "dual", "-p", "18473:80", "-v", &mount, "busybox"];
    world.teu(serve.into_iter().chain(["httpd", "-f", "-p", "80", "-h", "/www"])).ok();
    let v4 = ask(SocketAddr::from(([127, 0, 0, 1], 18473)), GET);
    assert!(v4.contains("both families") || v4.contains("200 OK"), "{v4}");
    let v6 = ask(SocketAddr::from((Ipv6Addr::LOCALHOST, 18473)), GET);
    assert!(v6.contains("both families") || v6.contains("200 OK"), "{v6}");
    let taken = world.line("run -d -p 18473:80 busybox sleep 100").fails(125);
    assert!(taken.contains("18473"), "{taken}");
}

/// Teu in an image of nothing but itself.
#[test]
fn the_binary_makes_an_image() {
    let world = World::empty();
    let dockerfile =
        world.file("self/Dockerfile", "FROM scratch\nCOPY teu /teu\nENTRYPOINT [\"/teu\"]\n");
    let context = dockerfile.parent().expect("joined");
    std::fs::copy(binary(), context.join("teu")).expect("copies");
    world.teu(["build", "-q", "-t", "teu", context.to_str().expect("plain")]).ok();
    let inside = world.line("run --rm --network=none teu version").ok();
    assert!(inside.contains(env!("CARGO_PKG_VERSION")), "{inside}");
}
