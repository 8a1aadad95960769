//! Certificates that end: the server shows new ones before, and nobody's connection is cut for it.

use crate::world::PATIENCE;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_pki::Validity;
use teu_server::{Config, Server};
use teu_web::Shutdown;

type Line = StreamOwned<ClientConnection, TcpStream>;

fn connect(config: &Arc<ClientConfig>, address: &std::net::SocketAddr) -> Line {
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::clone(config), name).expect("TLS");
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    StreamOwned::new(client, stream)
}

/// Asks whether it is well on a connection that stays.
fn ask(line: &mut Line) -> std::io::Result<()> {
    line.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut bytes = [0; 1024];
    while !answer.ends_with(b"ok") {
        let read = line.read(&mut bytes)?;
        if read == 0 {
            return Err(std::io::Error::other("the connection was cut"));
        }
        answer.extend_from_slice(&bytes[..read]);
    }
    Ok(())
}

/// When the certificate that is shown ends; none if it is over.
fn shown(config: &Arc<ClientConfig>, address: &std::net::SocketAddr) -> Option<i64> {
    let mut line = connect(config, address);
    line.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let own = line.conn.peer_certificates()?.first()?.clone();
    Some(Validity::of(&own)?.ends)
}

#[test]
fn a_new_certificate_is_shown_before_the_old_one_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::new(folder.path().join("data"), folder.path().join("run"));
    config.bind = "127.0.0.1:0".to_owned();
    // Two thirds of it are over in four seconds.
    config.validity = Duration::from_secs(6);
    let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
    let shutdown = Shutdown::new();
    let address = runtime.block_on(async {
        let server = Server::start(&config, &shutdown).await.expect("a server");
        let address = server.address();
        tokio::spawn(server.serve());
        address
    });
    let kubeconfig = || std::fs::read_to_string(config.kubeconfig()).expect("a kubeconfig");
    let first_kubeconfig = kubeconfig();
    let mut roots = RootCertStore::empty();
    for authority in teu_pki::load_certificates(&config.data.join("pki/ca.crt")).expect("PEM") {
        roots.add(authority).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    let begun = Instant::now();
    let wait = || {
        assert!(begun.elapsed() < PATIENCE, "it does not become true");
        std::thread::sleep(Duration::from_millis(50));
    };
    // A machine that is slow may find one that is over already; then another comes.
    let first = loop {
        if let Some(ends) = shown(&client, &address) {
            break ends;
        }
        wait();
    };
    let mut line = loop {
        let mut line = connect(&client, &address);
        if ask(&mut line).is_ok() {
            break line;
        }
        wait();
    };
    while shown(&client, &address).is_none_or(|ends| ends <= first) {
        wait();
    }
    while kubeconfig() == first_kubeconfig {
        wait();
    }
    // Who was connected before still is.
    ask(&mut line).expect("an answer");
    shutdown.begin();
    runtime.shutdown_timeout(Duration::from_secs(5));
}
