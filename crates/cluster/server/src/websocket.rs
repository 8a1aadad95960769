//! WebSocket (RFC 6455) as far as a watch or a log needs it: the handshake, messages out, and what a client
//! sends looked at for pings and its end.
//!
//! A page of some web site must not use the certificate of whoever looks at it: where a client's
//! `Origin` is not this server, it has to show a token. What comes in is bounded: data is thrown
//! away as it comes, control frames have 125 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue};
use std::io;
use std::time::Duration;
use teu_api::Status;
use teu_web::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// What a key is joined with before it is hashed.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Names a protocol that carries a token, for clients that cannot set headers.
const BEARER: &str = "base64url.bearer.authorization.k8s.io.";
/// Without the client taking what is sent.
const SEND_IDLE: Duration = Duration::from_secs(120);
/// Bytes of a ping, a pong or a close.
const MAX_CONTROL_BYTES: u64 = 125;
/// Pings that wait to be answered.
const PINGS: usize = 4;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text in UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// Where messages come from. It may be asked again after it was not waited for.
pub trait Source: Send {
    /// The next; none at the end.
    fn next(&mut self) -> impl Future<Output = Option<Message>> + Send;
}

/// A handshake that is agreed to.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
}

fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let all = all.filter_map(|value| value.to_str().ok());
    all.flat_map(|list| list.split(',')).map(str::trim).filter(|protocol| !protocol.is_empty())
}

/// The token that a client shows as a protocol.
pub fn token(headers: &HeaderMap) -> Option<String> {
    let encoded = protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?).ok()
}

impl Handshake {
    /// A client's wish; `None` if it does not speak of WebSocket.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Status> {
        if !text(headers, UPGRADE).is_some_and(|word| word.eq_ignore_ascii_case("websocket")) {
            return Ok(None);
        }
        if text(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(Status::bad_request("Sec-WebSocket-Version: 13 is what is spoken here"));
        }
        let has_token = headers.contains_key(AUTHORIZATION) || token(headers).is_some();
        if let (Some(origin), false) = (text(headers, ORIGIN), has_token) {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            if text(headers, HOST) != Some(host) {
                let why = format!("pages of {origin} have to show a token");
                return Err(Status::new(403, "Forbidden", why));
            }
        }
        let key = text(headers, SEC_WEBSOCKET_KEY)
            .filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
        let key =
            key.ok_or_else(|| Status::bad_request("Sec-WebSocket-Key is not 16 bytes in base64"))?;
        let joined = format!("{key}{MAGIC}");
        let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
        let accept = HeaderValue::from_str(&STANDARD.encode(hash)).map_err(Status::internal)?;
        // A token is nothing to be told.
        let protocol = protocols(headers).find(|protocol| !protocol.starts_with(BEARER));
        let protocol = protocol.and_then(|protocol| HeaderValue::from_str(protocol).ok());
        Ok(Some(Self { accept, protocol }))
    }

    /// The protocol that is agreed to; empty where none was asked for.
    pub fn protocol(&self) -> &str {
        self.protocol.as_ref().and_then(|protocol| protocol.to_str().ok()).unwrap_or_default()
    }

    /// Puts its answer into a response.
    pub fn answer(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
    }
}

/// Sends messages until there are no more, or the client has gone.
pub async fn send_all(
    stream: impl AsyncRead + AsyncWrite + Send,
    mut source: impl Source,
) -> io::Result<()> {
    let (mut input, mut output) = tokio::io::split(stream);
    let (pings, mut pinged) = mpsc::channel(PINGS);
    let mut reading = std::pin::pin!(read(&mut input, pings));
    loop {
        tokio::select! {
            read = &mut reading => {
                write(&mut output, CLOSE, &1000u16.to_be_bytes()).await?;
                return read;
            }
            Some(ping) = pinged.recv() => write(&mut output, PONG, &ping).await?,
            message = source.next() => match message {
                Some(Message::Text(bytes)) => write(&mut output, TEXT, &bytes).await?,
                Some(Message::Binary(bytes)) => write(&mut output, BINARY, &bytes).await?,
                None => {
                    write(&mut output, CLOSE, &1000u16.to_be_bytes()).await?;
                    return output.shutdown().await;
                }
            },
        }
    }
}

async fn write(output: &mut (impl AsyncWrite + Unpin), opcode: u8, bytes: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(bytes.len() + 10);
    frame.push(0x80 | opcode);
    match (u8::try_from(bytes.len()), u16::try_from(bytes.len())) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(long)) => {
            frame.push(126);
            frame.extend(long.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((bytes.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(bytes);
    let sent = async {
        output.write_all(&frame).await?;
        output.flush().await
    };
    tokio::time::timeout(SEND_IDLE, sent)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads frames until the client closes.
async fn read(
    input: &mut (impl AsyncRead + Unpin),
    pings: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no frame of a client");
    loop {
        let mut head = [0; 2];
        input.read_exact(&mut head).await?;
        let (opcode, is_masked) = (head[0] & 0x0f, head[1] & 0x80 != 0);
        let length = match head[1] & 0x7f {
            126 => input.read_u16().await?.into(),
            127 => input.read_u64().await?,
            short => short.into(),
        };
        let is_control = opcode >= CLOSE;
        if !is_masked || head[0] & 0x70 != 0 || (is_control && length > MAX_CONTROL_BYTES) {
            return Err(wrong());
        }
        let mut mask = [0; 4];
        input.read_exact(&mut mask).await?;
        match opcode {
            CLOSE => return Ok(()),
            PING => {
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
                input.read_exact(&mut bytes).await?;
                bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
                if pings.send(bytes).await.is_err() {
                    return Ok(());
                }
            }
            0..=BINARY | PONG => {
                let mut rest = (&mut *input).take(length);
                tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            }
            _ => return Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests;
