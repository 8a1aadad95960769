//! The protocol and nothing else, for trying a client without an engine:
//! `teu-buildkitd SOCKET ROOT TEU`. Answers `/_ping`, `/version`, `/info`, and upgrades `/grpc` and
//! `/session`; a connection that begins with HTTP/2 is served as buildx's `remote` driver wants it.
#![expect(clippy::print_stderr, reason = "a program for people who test")]

use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Result;
use std::path::PathBuf;
use teu_buildkit::{BuildKit, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt, join};
use tokio::net::{UnixListener, UnixStream};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next = || arguments.next().unwrap_or_default();
    let (socket, root, teu) = (next(), next(), next());
    let images = teu_images::Store::open(&root.join("images")).map_err(std::io::Error::other)?;
    let worker = vec![teu.into(), "--root".into(), root.clone().into(), "build-worker".into()];
    let state = root.join("build");
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let service = BuildKit::new(Config { state, images, worker, version, host_gateway: None });
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(socket)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, service).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(mut stream: UnixStream, service: BuildKit) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(b"PRI ") {
        let (reader, writer) = stream.into_split();
        let io = join(std::io::Cursor::new(head).chain(reader), writer);
        return service.serve(io).await.map_err(std::io::Error::other);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let name = HeaderName::try_from(name.to_ascii_lowercase());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let upgraded = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    match path.rsplit('/').next().unwrap_or_default() {
        "grpc" => {
            stream.write_all(upgraded.as_bytes()).await?;
            service.serve(stream).await.map_err(std::io::Error::other)
        }
        "session" => {
            stream.write_all(upgraded.as_bytes()).await?;
            service.serve_session(stream, &headers).await.map_err(std::io::Error::other)
        }
        "version" => answer(stream, r#"{"Version":"28.0.0","ApiVersion":"1.48","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#).await,
        "info" => answer(stream, r#"{"ID":"x","Driver":"overlay2","ServerVersion":"28.0.0"}"#).await,
        _ => answer(stream, "OK").await,
    }
}

async fn answer(mut stream: UnixStream, body: &str) -> Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nApi-Version: 1.48\r\nBuilder-Version: 2\r\nOstype: linux\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await
}
