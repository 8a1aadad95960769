//! A client that goes in the middle of a transfer takes it along, and the next goes on from there.

use super::{Engine, eventually, finish};
use crate::distribution::server;
use crate::world::World;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes that a slow connection gives at a time.
const DROP_BYTES: usize = 2 << 10;
/// How long it then waits: the layer of busybox takes ten seconds.
const DROP_PAUSE: Duration = Duration::from_millis(20);

/// A connection to a registry that is slow when asked to be.
#[derive(Default)]
struct Line {
    slow: AtomicBool,
    open: AtomicUsize,
    /// Bytes that came from the registry.
    came: AtomicU64,
}

impl Line {
    fn to(registry: String) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let line = Arc::new(Self::default());
        let own = line.clone();
        // Ends with the process: nobody connects any more once the test is over.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&registry) else { continue };
                let line = own.clone();
                std::thread::spawn(move || line.carry(client, server));
            }
        });
        (line, host)
    }

    fn carry(&self, client: TcpStream, server: TcpStream) {
        self.open.fetch_add(1, Ordering::SeqCst);
        let (mut asks, mut asked) = (client.try_clone().expect("cloned"), server.try_clone());
        let upward = std::thread::spawn(move || {
            if let Ok(asked) = &mut asked {
                let _ = std::io::copy(&mut asks, asked);
                let _ = asked.shutdown(std::net::Shutdown::Both);
            }
        });
        let (mut client, mut server) = (client, server);
        let mut bytes = [0; 64 << 10];
        loop {
            let slow = self.slow.load(Ordering::SeqCst);
            let most = if slow { DROP_BYTES } else { bytes.len() };
            let Ok(count) = server.read(&mut bytes[..most]) else { break };
            if count == 0 || client.write_all(&bytes[..count]).is_err() {
                break;
            }
            self.came.fetch_add(count as u64, Ordering::SeqCst);
            if slow {
                std::thread::sleep(DROP_PAUSE);
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
        let _ = upward.join();
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn take(&self) -> u64 {
        self.came.swap(0, Ordering::SeqCst)
    }
}

#[test]
fn ctrl_c_in_docker_pull_ends_the_pull_and_the_next_resumes() {
    let registry = server::Registry::start();
    let (line, host) = Line::to(registry.address.clone());
    let name = format!("{host}/box");
    let maker = World::busybox();
    maker.teu(["tag", "busybox", &name]).ok();
    maker.teu(["push", &name]).ok();
    let whole = |world: &World| {
        line.take();
        world.teu(["pull", &name]).ok();
        line.take()
    };
    let whole_bytes = whole(&World::empty());
    assert!(whole_bytes > 500_000, "{whole_bytes}");

    let world = World::empty();
    let engine = Engine::start(&world);
    line.slow.store(true, Ordering::SeqCst);
    let mut client = engine.docker(&["pull", &name]);
    let mut client = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("docker");
    eventually("some of it has come", || line.came.load(Ordering::SeqCst) > 100_000);
    let pid = client.id().to_string();
    assert!(finish(std::process::Command::new("kill").args(["-INT", &pid])).status.success());
    assert_eq!(client.wait().expect("it ends").code(), Some(130));
    eventually("the engine has hung up", || line.open.load(Ordering::SeqCst) == 0);
    let first_bytes = line.take();
    assert!(first_bytes < whole_bytes - 100_000, "{first_bytes} of {whole_bytes} came");
    assert_eq!(engine.ok(&["images", "-q"]), "");

    line.slow.store(false, Ordering::SeqCst);
    engine.ok(&["pull", &name]);
    let rest_bytes = line.take();
    assert!(rest_bytes < whole_bytes - 50_000, "{rest_bytes} of {whole_bytes} came again");
    assert_eq!(engine.ok(&["run", "--rm", "--network=none", &name, "echo", "ran"]), "ran");
}
