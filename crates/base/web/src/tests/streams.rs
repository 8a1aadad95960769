//! HTTP/2: many streams of one connection, whose frames are gathered on their way.

use super::*;
use bytes::Bytes;
use http_body::Body as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

const STREAMS: usize = 60;
const LARGE_BYTES: usize = 1 << 20;

type Client = http2::SendRequest<Body>;

async fn connect(server: &Server) -> Client {
    let io = TokioIo::new(server.connect().await);
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut Client, path: &str) -> hyper::body::Incoming {
    let request = http::Request::get(format!("http://a{path}")).body(Body::empty());
    let response = client.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

/// The next piece of a body; none at its end, which may be a frame of its own.
async fn next(body: &mut hyper::body::Incoming) -> Option<Bytes> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        let data = frame.expect("a frame").into_data().expect("data");
        if !data.is_empty() {
            return Some(data);
        }
    }
}

#[test]
fn every_stream_hears_each_event_when_it_happens() {
    run(async {
        let (told, events) = tokio::sync::watch::channel(0);
        let handler = move |_: Request| {
            let mut events = events.clone();
            async move {
                let (sender, body) = Body::channel(4);
                tokio::spawn(async move {
                    while events.changed().await.is_ok() {
                        let text = format!("{:>700}", *events.borrow());
                        sender.send(text).await.expect("a client");
                    }
                });
                Response::new(body)
            }
        };
        let server = Server::start(Limits::default(), handler).await;
        let mut client = connect(&server).await;
        let mut bodies = Vec::new();
        for _ in 0..STREAMS {
            bodies.push(ask(&mut client, "/").await);
        }
        // Nobody sends anything between: what a stream is owed does not wait for another's.
        for event in 1..10 {
            told.send_replace(event);
            for body in &mut bodies {
                let mut text = Vec::new();
                while text.len() < 700 {
                    text.extend_from_slice(&next(body).await.expect("an event"));
                }
                assert_eq!(text, format!("{event:>700}").into_bytes());
            }
        }
        drop(told);
        for body in &mut bodies {
            assert_eq!(next(body).await, None);
        }
        assert_eq!(server.stop().await, Drained { cut: 0 });
    });
}

#[test]
fn large_bodies_come_whole_and_a_stop_waits_for_them() {
    run(async {
        let begun = Arc::new(tokio::sync::Notify::new());
        let handler = {
            let begun = Arc::clone(&begun);
            move |_: Request| {
                begun.notify_one();
                async { Response::new(Body::from(vec![b'x'; LARGE_BYTES])) }
            }
        };
        let server = Server::start(Limits::default(), handler).await;
        let mut client = connect(&server).await;
        let mut other = client.clone();
        let mut bodies = [ask(&mut client, "/a").await, ask(&mut other, "/b").await];
        begun.notified().await;
        let stopped = tokio::spawn(server.stop());
        for body in &mut bodies {
            let mut length = 0;
            while let Some(data) = next(body).await {
                length += data.len();
            }
            assert_eq!(length, LARGE_BYTES);
        }
        drop((client, other));
        assert_eq!(stopped.await.expect("no panic"), Drained { cut: 0 });
    });
}
