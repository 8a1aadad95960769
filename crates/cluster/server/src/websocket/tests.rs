//! Handshakes and frames.

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let usual = [
        ("upgrade", "WebSocket"),
        ("host", "server:6443"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in usual.iter().chain(pairs) {
        headers.insert(*name, value.parse().expect("a value"));
    }
    headers
}

#[test]
fn handshakes() {
    let agreed = |pairs: &[(&'static str, &str)]| {
        let handshake = Handshake::of(&headers(pairs)).expect("agreed").expect("a handshake");
        let protocol = handshake.protocol.map(|value| value.to_str().unwrap_or("?").to_owned());
        (handshake.accept.to_str().unwrap_or("?").to_owned(), protocol)
    };
    // The example of RFC 6455, 1.3.
    assert_eq!(agreed(&[]).0, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let token = "base64url.bearer.authorization.k8s.io.YWJj";
    let both = format!("{token}, base64.binary.k8s.io");
    let shown = [("sec-websocket-protocol", &*both), ("origin", "https://elsewhere")];
    assert_eq!(agreed(&shown).1.as_deref(), Some("base64.binary.k8s.io"));
    assert_eq!(super::token(&headers(&shown)).as_deref(), Some("abc"));
    assert_eq!(agreed(&[("origin", "https://server:6443")]).1, None);
    let refused = |pairs: &[(&'static str, &str)]| {
        Handshake::of(&headers(pairs)).expect_err("a refusal").code
    };
    assert_eq!(refused(&[("origin", "https://elsewhere")]), 403);
    assert_eq!(refused(&[("sec-websocket-version", "8")]), 400);
    assert_eq!(refused(&[("sec-websocket-key", "short")]), 400);
    assert!(Handshake::of(&headers(&[("upgrade", "h2c")])).is_ok_and(|found| found.is_none()));
}

struct Few(Vec<Message>);

impl Source for Few {
    async fn next(&mut self) -> Option<Message> {
        match self.0.pop() {
            Some(message) => Some(message),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn messages_go_out_and_pings_are_answered() {
    let (ours, mut client) = tokio::io::duplex(1 << 20);
    let long = Bytes::from(vec![b'x'; 70_000]);
    let few = Few(vec![Message::Binary(long.clone()), Message::Text(Bytes::from_static(b"hello"))]);
    let sending = tokio::spawn(send_all(ours, few));
    let mut head = [0; 7];
    client.read_exact(&mut head).await.expect("a frame");
    assert_eq!(&head, b"\x81\x05hello");
    let mut head = [0; 10];
    client.read_exact(&mut head).await.expect("a frame");
    assert_eq!(head, [0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    let mut body = vec![0; long.len()];
    client.read_exact(&mut body).await.expect("its bytes");
    assert_eq!(body, long);
    // A message is thrown away, a ping answered, a close closes.
    client.write_all(&[0x81, 0x83, 1, 2, 3, 4, 9, 9, 9]).await.expect("sent");
    client.write_all(&[0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]).await.expect("sent");
    let mut pong = [0; 4];
    client.read_exact(&mut pong).await.expect("a pong");
    assert_eq!(&pong, b"\x8a\x02hi");
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.expect("sent");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("the end");
    assert_eq!(rest, [0x88, 2, 0x03, 0xe8]);
    assert!(sending.await.expect("no panic").is_ok());
}

#[tokio::test]
async fn what_is_no_frame_ends_it() {
    for wrong in
        [&[0x81u8, 0x01, 0x00][..], &[0x89, 0xfe, 1, 0, 0, 0, 0, 0], &[0x83, 0x80, 0, 0, 0, 0]]
    {
        let (ours, mut client) = tokio::io::duplex(1 << 10);
        client.write_all(wrong).await.expect("sent");
        let ended = send_all(ours, Few(Vec::new())).await;
        assert_eq!(ended.expect_err("an error").kind(), io::ErrorKind::InvalidData, "{wrong:?}");
    }
}
