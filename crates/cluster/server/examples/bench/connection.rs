//! HTTP/1.1 over TLS, kept alive: as much of it as the bench needs.

use crate::server::Server;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Read at a time: a record of TLS.
const READ_BYTES: usize = 16 << 10;

/// A connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(server: &Server) -> Result<Self> {
        let stream = TcpStream::connect(&server.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(&server.tls)).connect(name, stream).await?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(head.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(READ_BYTES);
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server has gone");
        Ok(())
    }

    async fn head(&mut self) -> Result<String> {
        loop {
            let end = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8(self.buffer.drain(..end + 4).collect())?;
                ensure!(head.starts_with("HTTP/1.1 20"), "refused: {head}");
                return Ok(head);
            }
            self.fill().await?;
        }
    }

    /// One request; answers the length of what came.
    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<usize> {
        self.send(method, path, body).await?;
        let head = self.head().await?.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.trim().parse()?;
        while self.buffer.len() < length {
            self.fill().await?;
        }
        self.buffer.drain(..length);
        Ok(length)
    }
}
