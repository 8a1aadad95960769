//! Streams taken over from HTTP.

use super::*;

/// Echoes what comes on the stream, after the request's own body.
struct Echo;

impl Handler for Echo {
    async fn handle(&self, mut request: Request) -> Response {
        let Some(upgrade) = Upgrade::of(&mut request) else {
            return respond::text(StatusCode::BAD_REQUEST, "no upgrade");
        };
        let protocol = upgrade.protocol().to_owned();
        let body = request.into_body().collect(1000).await.expect("a body");
        let (mut response, upgraded) = upgrade.accept();
        response.headers_mut().insert("x-protocol", protocol.parse().expect("a value"));
        tokio::spawn(async move {
            let mut stream = upgraded.stream().await.expect("a stream");
            stream.write_all(&body).await.expect("sent");
            let mut buffer = [0; 100];
            loop {
                let length = stream.read(&mut buffer).await.expect("read");
                if length == 0 {
                    break;
                }
                stream.write_all(&buffer[..length]).await.expect("sent");
            }
            stream.write_all(b"the end").await.expect("sent");
            stream.shutdown().await.expect("shut down");
        });
        response
    }

    fn expects_raw_stream(&self, method: &str, path: &str) -> bool {
        method == "POST" && path == "/attach"
    }
}

#[test]
fn an_upgraded_stream_goes_both_ways_and_closes_half_by_half() {
    run(async {
        let server = Server::start(Limits::default(), Echo).await;
        let mut stream = server.connect().await;
        let head = "POST /attach HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n";
        // The first bytes of the stream come with the request already.
        stream
            .write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}early").as_bytes())
            .await
            .expect("sent");
        let answer = until(&mut stream, "{}early").await;
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        assert!(answer.contains("\r\nupgrade: tcp\r\n"), "{answer}");
        stream.write_all(b"late").await.expect("sent");
        until(&mut stream, "late").await;
        stream.shutdown().await.expect("shut down");
        assert_eq!(rest(&mut stream).await, "the end");
        server.stop().await;
    });
}

#[test]
fn a_client_that_knows_no_upgrade_gets_its_raw_stream_after_200() {
    run(async {
        let server = Server::start(Limits::default(), Echo).await;
        let mut stream = server.connect().await;
        let head = "POST /attach?stream=1 HTTP/1.1\r\nHost: a\r\n";
        stream
            .write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}early").as_bytes())
            .await
            .expect("sent");
        let answer = until(&mut stream, "{}early").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-protocol: \r\n"), "{answer}");
        for word in ["upgrade", "chunked", "content-length"] {
            assert!(!answer.to_lowercase().contains(word), "{answer}");
        }
        stream.shutdown().await.expect("shut down");
        assert_eq!(rest(&mut stream).await, "the end");
        // Other requests are left alone.
        let answer = server.talk(&get("/attach")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        server.stop().await;
    });
}

#[test]
fn a_stream_can_be_served_as_http_and_gives_up_its_socket() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(10_000);
        let shutdown = Shutdown::new();
        let handler = |_| async { respond::text(StatusCode::OK, "inner") };
        let served = tokio::spawn(serve_stream(
            theirs,
            Peer::unknown(),
            Limits::default(),
            handler,
            shutdown,
        ));
        let mut ours = ours;
        ours.write_all(get("/").as_bytes()).await.expect("sent");
        assert!(rest(&mut ours).await.ends_with("inner"));
        served.await.expect("no panic");

        let handler = |mut request: Request| async move {
            let (response, upgraded) = Upgrade::of(&mut request).expect("a wish").accept();
            tokio::spawn(async move {
                let stream = upgraded.stream().await.expect("a stream");
                let (socket, ahead) = stream.into_socket().expect("a socket");
                let socket = std::net::TcpStream::from(socket);
                let mut socket = TcpStream::from_std(socket).expect("a socket");
                let mut all = ahead.to_vec();
                while all.len() < 5 {
                    socket.read_buf(&mut all).await.expect("read");
                }
                socket.write_all(&all).await.expect("written");
            });
            response
        };
        let server = Server::start(Limits::default(), handler).await;
        let wish = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\nahead";
        let answer = server.talk(wish).await;
        assert!(answer.ends_with("\r\n\r\nahead"), "{answer}");
        server.stop().await;
    });
}
