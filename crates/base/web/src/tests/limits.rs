//! Slow, large and many clients; and the end of a server.

use super::*;

/// Soon over. Each test has one of these only: on a busy machine, whoever is quick is too slow for it.
const SOON: Duration = Duration::from_millis(200);

fn small() -> Limits {
    Limits { body_bytes: 10, header_bytes: 8 << 10, ..Limits::default() }
}

async fn read_body(request: Request) -> Response {
    let mut body = request.into_body();
    loop {
        match body.next().await {
            None => return respond::text(StatusCode::OK, "all"),
            Some(Ok(_)) => {}
            Some(Err(error)) => return respond::text(error.status(), error.to_string()),
        }
    }
}

#[test]
fn slow_and_large_requests_end() {
    run(async {
        let limits = Limits { header_timeout: SOON, ..small() };
        let server = Server::start(limits, read_body).await;
        // Headers that never end; at first none at all.
        for start in ["", "G", "PRI * HTTP", "GET / HTTP/1.1\r\nHost: a\r\n"] {
            let answer = server.talk(start).await;
            assert!(!answer.contains("200 OK"), "{start:?}: {answer}");
        }
        server.stop().await;
        let server = Server::start(small(), read_body).await;
        let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        let mut stream = server.connect().await;
        let _ = stream.write_all(endless.as_bytes()).await;
        assert!(!rest(&mut stream).await.contains("200 OK"));
        let post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        let large = server.talk(&format!("{post}Content-Length: 11\r\n\r\nabcdefghijk")).await;
        assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
        let chunked =
            format!("{post}Transfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n0\r\n\r\n");
        assert!(server.talk(&chunked).await.starts_with("HTTP/1.1 413 "));
        server.stop().await;
        let limits = Limits { body_idle: Some(SOON), ..small() };
        let server = Server::start(limits, read_body).await;
        let slow = server.talk(&format!("{post}Content-Length: 5\r\n\r\nabc")).await;
        assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
        server.stop().await;
    });
}

/// Whoever is refused before its body was read is told so, also when it first sends all of it.
#[test]
fn a_refusal_waits_for_the_little_that_is_still_sent() {
    run(async {
        let refuse = |_| async { respond::text(StatusCode::BAD_REQUEST, "no") };
        let server = Server::start(Limits::default(), refuse).await;
        let mut stream = server.connect().await;
        let body = "x".repeat(200 << 10);
        let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 400");
        // The refusal is here, and what it was not about is taken all the same.
        for piece in body.as_bytes().chunks(8 << 10) {
            stream.write_all(piece).await.expect("taken");
            tokio::task::yield_now().await;
        }
        // The connection is good for the next request.
        let next = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(next.as_bytes()).await.expect("taken");
        let answer = rest(&mut stream).await;
        assert!(answer.contains("HTTP/1.1 400 "), "{answer}");
        server.stop().await;
    });
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    run(async {
        let (ended, mut end) = tokio::sync::mpsc::channel(1);
        let handler = move |_| {
            let ended = ended.clone();
            async move {
                let (sender, body) = Body::channel(1);
                tokio::spawn(async move {
                    while sender.send(vec![0; 1 << 16]).await.is_ok() {}
                    let _ = ended.send(()).await;
                });
                respond::with(StatusCode::OK, None, body)
            }
        };
        let limits = Limits { send_idle: Some(SOON), ..Limits::default() };
        let server = Server::start(limits, handler).await;
        let mut stream = server.connect().await;
        stream.write_all(get("/").as_bytes()).await.expect("sent");
        end.recv().await.expect("the body ends");
        server.stop().await;
    });
}

#[test]
fn connections_beyond_the_limit_wait_their_turn() {
    run(async {
        let limits = Limits { connections: 1, ..Limits::default() };
        let server = Server::start(limits, read_body).await;
        let mut first = server.connect().await;
        first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
        until(&mut first, "\r\n\r\nall").await;
        let mut second = server.connect().await;
        second.write_all(get("/").as_bytes()).await.expect("sent");
        let early = tokio::time::timeout(Duration::from_millis(100), second.read_u8()).await;
        assert!(early.is_err(), "the second was answered while the first was there");
        drop(first);
        assert!(rest(&mut second).await.ends_with("all"));
        server.stop().await;
    });
}

#[test]
fn a_stop_loses_no_request_and_waits_for_no_idle_connection() {
    run(async {
        let (started, mut start) = tokio::sync::mpsc::channel(1);
        let (release, wait) = tokio::sync::watch::channel(false);
        let handler = move |_| {
            let (started, mut wait) = (started.clone(), wait.clone());
            async move {
                let _ = started.send(()).await;
                let _ = wait.wait_for(|go| *go).await;
                respond::text(StatusCode::OK, "done")
            }
        };
        let server = Server::start(Limits::default(), handler).await;
        let _idle = server.connect().await;
        let mut busy = server.connect().await;
        busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
        start.recv().await.expect("started");
        server.shutdown.begin();
        // Nobody listens any more, but who was heard is answered.
        while TcpStream::connect(&server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        release.send(true).expect("the handler waits");
        assert!(rest(&mut busy).await.ends_with("done"));
        assert_eq!(server.stop().await, Drained { cut: 0 });
    });
}

#[test]
fn what_does_not_end_is_cut() {
    run(async {
        let (started, mut start) = tokio::sync::mpsc::channel(1);
        let handler = move |_| {
            let started = started.clone();
            async move {
                let _ = started.send(()).await;
                std::future::pending::<Response>().await
            }
        };
        let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
        let server = Server::start(limits, handler).await;
        let mut busy = server.connect().await;
        busy.write_all(get("/").as_bytes()).await.expect("sent");
        start.recv().await.expect("started");
        assert_eq!(server.stop().await, Drained { cut: 1 });
    });
}
