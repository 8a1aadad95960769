//! A client that shows the admin's certificate and tells an answer from a line that broke: HTTP/1.1
//! over TLS, blocking, one request after another on a connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use teu_pki::Identity;

/// A server whose store stands still may take its whole time for a refusal; who hears nothing for
/// this long takes the line for broken.
const SILENCE: Duration = Duration::from_secs(90);

/// Where a server is, and who asks.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// What is asked, and of which type its body is.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub media_type: &'a str,
    pub body: &'a str,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, media_type: "application/json", body: "" }
    }
}

impl Door {
    /// As a kubeconfig says it.
    pub fn read(address: SocketAddr, kubeconfig: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
        let pem = |field: &str| {
            let lines = text.lines().map(str::trim);
            let found = lines.filter_map(|line| line.strip_prefix(field)).next();
            let bytes = STANDARD.decode(found.expect("a field").trim()).expect("base64");
            String::from_utf8(bytes).expect("PEM")
        };
        let mut roots = RootCertStore::empty();
        let authority = pem("certificate-authority-data: ");
        for authority in teu_pki::certificates_from_pem(&authority, "CA").expect("an authority") {
            roots.add(authority).expect("an authority");
        }
        let own = (pem("client-certificate-data: "), pem("client-key-data: "));
        let own = Identity::from_pem(&own.0, &own.1).expect("an identity");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|tls| {
                let tls = tls.with_root_certificates(roots);
                tls.with_client_auth_cert(own.chain().to_vec(), own.key())
            });
        Self { address, tls: Arc::new(tls.expect("TLS")) }
    }

    pub fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        Ok(Connection(BufReader::new(StreamOwned::new(tls, stream))))
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, ask: Ask<'_>) -> io::Result<(u16, Value)> {
        self.connect()?.ask(ask)
    }
}

/// A connection; after an error it is of no use.
pub struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

impl Connection {
    fn send(&mut self, Ask { method, path, media_type, body }: Ask<'_>) -> io::Result<()> {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: teu\r\nAccept: application/json\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(text.as_bytes())?;
        self.0.get_mut().flush()
    }

    /// The status, and how long the body is; `None` for one in chunks.
    fn head(&mut self) -> io::Result<(u16, Option<usize>)> {
        let first = self.line()?;
        let code = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.ok_or_else(|| broken("no status"))?;
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((code, length));
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok();
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// The next chunk; `None` at the end.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| broken("no chunk"))?;
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// Asks; an answer that broke off is an error.
    pub fn ask(&mut self, ask: Ask<'_>) -> io::Result<(u16, Value)> {
        self.send(ask)?;
        let (code, length) = self.head()?;
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body)?;
        if length.is_none() {
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
        }
        let value = serde_json::from_slice(&body).map_err(io::Error::other)?;
        Ok((code, value))
    }

    /// Watches; a refusal is its status.
    pub fn watch(mut self, path: &str) -> io::Result<Result<Events, u16>> {
        self.send(Ask::get(path))?;
        let (code, _) = self.head()?;
        Ok(match code {
            200 => Ok(Events { connection: self, bytes: Vec::new() }),
            code => Err(code),
        })
    }
}

/// A watch.
pub struct Events {
    connection: Connection,
    bytes: Vec<u8>,
}

impl Events {
    /// The next; `None` where the server ended it.
    pub fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(io::Error::other);
            }
            match self.connection.chunk()? {
                Some(chunk) => self.bytes.extend(chunk),
                None => return Ok(None),
            }
        }
    }
}
