//! Unix sockets, inherited sockets, TLS.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use teu_pki::{Authority, Identity};
use tokio::net::UnixStream;

async fn who(request: Request) -> Response {
    let peer = peer(&request);
    let name = peer.certificate.as_ref().and_then(|c| c.subject.common_name.clone());
    respond::text(StatusCode::OK, format!("{} {} {name:?}", peer.address, peer.is_tls))
}

#[test]
fn a_unix_socket_has_its_mode_and_knows_its_peers() {
    run(async {
        let dir = tempfile::tempdir().expect("a directory");
        // Longer than an address of the kernel can be.
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).expect("created");
        let path = dir.path().join("s.sock");
        let options = UnixOptions { mode: 0o660, group: None };
        let listener = Listener::unix(&path, options).await.expect("listens");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o660);
        assert!(Listener::unix(&deep.join("s.sock"), options).await.is_ok());
        let server = Server::on(listener, Limits::default(), who);
        let mut stream = UnixStream::connect(&path).await.expect("connected");
        stream.write_all(get("/").as_bytes()).await.expect("sent");
        let uid = rustix::process::getuid().as_raw();
        let expected = format!("unix:uid={uid} false None");
        assert!(rest(&mut stream).await.ends_with(&expected));
        let second = Listener::unix(&path, options).await;
        assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
        server.stop().await;
        assert!(!path.exists(), "the name goes with its server");
        // One that a dead server left is replaced; a file is not.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        drop(Listener::unix(&path, options).await.expect("replaced"));
        std::fs::write(&path, "").expect("written");
        let refused = Listener::unix(&path, options).await;
        assert!(matches!(refused, Err(Error::NotASocket { .. })), "{refused:?}");
    });
}

#[test]
fn inherited_sockets_are_served_and_others_refused() {
    run(async {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let listener = Listener::inherited(socket.into()).expect("taken over");
        let server = Server::on(listener, Limits::default(), who);
        assert!(server.talk(&get("/")).await.starts_with("HTTP/1.1 200 "));
        server.stop().await;
        let file = tempfile::tempfile().expect("a file");
        assert!(matches!(Listener::inherited(file.into()), Err(Error::Inherited { .. })));
    });
}

async fn tls_get(server: &Server, ca: &Authority, client: Option<&Identity>) -> String {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in teu_pki::certificates_from_pem(&ca.certificate_pem(), "ca").expect("PEM") {
        roots.add(certificate).expect("added");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match client {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain().to_vec(), identity.key())
            .expect("an identity"),
        None => builder.with_no_client_auth(),
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().expect("a name");
    let stream = connector.connect(name, server.connect().await).await;
    let Ok(mut stream) = stream else { return "refused".into() };
    if stream.write_all(get("/").as_bytes()).await.is_err() {
        return "refused".into();
    }
    rest(&mut stream).await
}

#[test]
fn tls_with_and_without_client_certificates() {
    run(async {
        let ca = Authority::create("ca").expect("an authority");
        let other = Authority::create("other").expect("an authority");
        let identity = ca.issue(&teu_pki::Request::server(["localhost"])).expect("issued");
        let ann = ca.issue(&teu_pki::Request::client("ann")).expect("issued");
        let eve = other.issue(&teu_pki::Request::client("eve")).expect("issued");
        let roots = teu_pki::certificates_from_pem(&ca.certificate_pem(), "ca").expect("PEM");
        let start = async |clients| {
            let listener = Listener::tcp("127.0.0.1:0").await.expect("a free port");
            let listener = listener.with_tls(Tls::new(&identity, clients).expect("TLS"));
            Server::on(listener, Limits::default(), who)
        };
        let check = |answer: String, expected: Option<&str>| match expected {
            Some(end) => assert!(answer.ends_with(&format!(" true {end}")), "{answer}"),
            None => assert!(!answer.contains("200 OK"), "{answer}"),
        };
        let server = start(ClientCertificates::Ignored).await;
        check(tls_get(&server, &ca, None).await, Some("None"));
        check(tls_get(&server, &other, None).await, None);
        server.stop().await;
        let server = start(ClientCertificates::Welcome(roots.clone())).await;
        check(tls_get(&server, &ca, None).await, Some("None"));
        check(tls_get(&server, &ca, Some(&ann)).await, Some("Some(\"ann\")"));
        server.stop().await;
        let server = start(ClientCertificates::Required(roots)).await;
        check(tls_get(&server, &ca, Some(&ann)).await, Some("Some(\"ann\")"));
        check(tls_get(&server, &ca, Some(&eve)).await, None);
        check(tls_get(&server, &ca, None).await, None);
        server.stop().await;
    });
}
