//! `ADD http://…`: one plain GET over TCP, bounded in bytes, headers and time.
//!
//! `https` needs TLS, which comes with the registry client; until then it is refused, not faked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Bytes of a download.
pub const BODY_LIMIT_BYTES: u64 = 16 << 30;
const HEADER_LIMIT_BYTES: u64 = 64 << 10;
const REDIRECT_LIMIT: u32 = 10;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// TLS is needed.
    #[error("https is not supported yet: download it into the build context and use COPY")]
    Tls,
    /// Not a URL this client knows.
    #[error("only http URLs are supported")]
    Scheme,
    /// Connecting or reading failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The server's answer makes no sense.
    #[error("the server's answer is not HTTP/1")]
    Answer,
    /// The server said no.
    #[error("the server answered {0}")]
    Status(u16),
    /// It leads on and on.
    #[error("more than 10 redirects")]
    Redirects,
    /// Too many bytes.
    #[error("more than 16 GiB")]
    TooLarge,
}

/// A response whose body is still to be read.
pub struct Response {
    /// The body.
    pub body: Box<dyn Read>,
    /// `Last-Modified`, seconds since the epoch.
    pub modified: Option<i64>,
    /// Name in `Content-Disposition`.
    pub file_name: Option<String>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("modified", &self.modified).finish_non_exhaustive()
    }
}

/// Gets a URL, following redirects.
pub fn get(url: &str) -> Result<Response, FetchProblem> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECT_LIMIT {
        let (host, path) = split(&url)?;
        let mut reader = request(host, path)?;
        let (status, headers) = head(&mut reader)?;
        let header = |name: &str| {
            headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        match status {
            200 => {
                let modified = header("last-modified").and_then(date);
                let file_name = header("content-disposition").and_then(disposition);
                let body: Box<dyn Read> = if header("transfer-encoding") == Some("chunked") {
                    Box::new(Chunked { inner: reader, left: 0, first: true, done: false })
                } else if let Some(length) = header("content-length") {
                    let length: u64 = length.parse().map_err(|_| FetchProblem::Answer)?;
                    if length > BODY_LIMIT_BYTES {
                        return Err(FetchProblem::TooLarge);
                    }
                    Box::new(Exact { inner: reader, left: length })
                } else {
                    Box::new(reader.take(BODY_LIMIT_BYTES))
                };
                return Ok(Response { body, modified, file_name });
            }
            301 | 302 | 303 | 307 | 308 => {
                let next = header("location").ok_or(FetchProblem::Answer)?;
                url = if next.starts_with('/') {
                    format!("http://{host}{next}")
                } else {
                    next.to_owned()
                };
            }
            status => return Err(FetchProblem::Status(status)),
        }
    }
    Err(FetchProblem::Redirects)
}

/// Says whether a source of `ADD` is a URL.
pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// The file name that a URL's path ends with.
pub fn name_of(url: &str) -> Option<String> {
    let (_, path) = url.split_once("://")?.1.split_once('/')?;
    let path = path.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}

fn split(url: &str) -> Result<(&str, &str), FetchProblem> {
    if url.starts_with("https://") {
        return Err(FetchProblem::Tls);
    }
    let rest = url.strip_prefix("http://").ok_or(FetchProblem::Scheme)?;
    let rest = rest.split('#').next().unwrap_or(rest);
    let clean = |text: &str| !text.bytes().any(|b| b.is_ascii_control() || b == b' ');
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    if host.is_empty() || host.contains('@') || !clean(rest) {
        return Err(FetchProblem::Scheme);
    }
    Ok((host, path))
}

fn request(host: &str, path: &str) -> Result<BufReader<TcpStream>, FetchProblem> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                let slash = if path.starts_with('/') { "" } else { "/" };
                // In one piece: some servers answer before they have read all of it.
                let text = format!(
                    "GET {slash}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: teu\r\nAccept: */*\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(text.as_bytes())?;
                return Ok(BufReader::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

type Headers = Vec<(String, String)>;

fn head(reader: &mut BufReader<TcpStream>) -> Result<(u16, Headers), FetchProblem> {
    let mut lines = reader.take(HEADER_LIMIT_BYTES);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.trim().parse().ok())
        .ok_or(FetchProblem::Answer)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(FetchProblem::Answer);
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = text.split_once(':').ok_or(FetchProblem::Answer)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A body of a known length: an early end is an error.
struct Exact {
    inner: BufReader<TcpStream>,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut buffer[..want])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

struct Chunked {
    inner: BufReader<TcpStream>,
    left: u64,
    first: bool,
    done: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.done {
            let mut line = String::new();
            if !self.first {
                (&mut self.inner).take(2).read_line(&mut line)?;
            }
            self.first = false;
            line.clear();
            (&mut self.inner).take(1024).read_line(&mut line)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let bad = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
            self.left = u64::from_str_radix(size, 16).map_err(bad)?;
            self.done = self.left == 0;
        }
        if self.done {
            return Ok(0);
        }
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..want])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn disposition(value: &str) -> Option<String> {
    let name = value.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
    let name = name.trim_matches('"').rsplit('/').next()?;
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = text.split([' ', ':']).skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = i64::try_from(MONTHS.find(parts.next()?)? / 3 + 1).ok()?;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (hour, minute, second) = (number()?, number()?, number()?);
    Some(crate::time::days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests;
