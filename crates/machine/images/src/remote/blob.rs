//! A blob as it comes down: a stream that asks for the rest when its connection is cut.
//!
//! The stream gives exactly the bytes from its offset to the size that the descriptor says, or
//! fails. A server that ignores a range is read past what is known. Hashing is the caller's.

use super::error::{RemoteError, Result};
use super::http::Request;
use super::repository::{Repository, unexpected};
use super::retry;
use std::io::{self, Read};
use std::ops::Range;
use teu_oci::image::Descriptor;

/// Cut connections without a single byte between them.
const BARREN_LIMIT: u32 = 6;
/// Cut connections of one blob in all.
const CUTS_LIMIT: u32 = 200;

/// Places of a foreign layer that are tried.
const URLS_LIMIT: usize = 5;

/// The stream.
pub struct BlobStream {
    repository: Repository,
    descriptor: Descriptor,
    at: u64,
    /// Where it ends, which need not be the blob's end.
    end: u64,
    body: Option<Box<dyn Read + Send>>,
    cuts: u32,
    barren: u32,
}

impl std::fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobStream")
            .field("digest", &self.descriptor.digest)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl BlobStream {
    pub(super) fn open(
        repository: Repository,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Self> {
        Self::part(repository, descriptor, offset..descriptor.size)
    }

    pub(super) fn part(
        repository: Repository,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Self> {
        let mut stream = Self {
            repository,
            descriptor: descriptor.clone(),
            at: part.start,
            end: part.end.min(descriptor.size),
            body: None,
            cuts: 0,
            barren: 0,
        };
        if stream.at < stream.end {
            stream.body = Some(stream.connect()?);
        }
        Ok(stream)
    }

    /// Asks for the bytes from where the stream is.
    fn connect(&self) -> Result<Box<dyn Read + Send>> {
        let session = &self.repository.0.session;
        let url = self.repository.url(&format!("blobs/{}", self.descriptor.digest));
        let make = || {
            let request = Request::new("GET", url.clone());
            match self.at == 0 && self.end == self.descriptor.size {
                true => request,
                false => request.header("range", format!("bytes={}-{}", self.at, self.end - 1)),
            }
        };
        let response = session.send(&self.repository.scope("pull"), &make, None)?;
        let wrong = |reason: String| session.protocol("GET the blob", reason);
        let (at, size) = (self.at, self.descriptor.size);
        match response.status {
            200 => {
                if let Some(length) = response.length().filter(|length| *length != size) {
                    let digest = &self.descriptor.digest;
                    return Err(wrong(format!(
                        "{digest} has {length} bytes where its descriptor says {size}"
                    )));
                }
                let mut body = response.into_reader();
                if at > 0 {
                    let host = super::http::host_of(&session.base).to_owned();
                    let skipped = io::copy(&mut (&mut body).take(at), &mut io::sink())
                        .map_err(|source| RemoteError::Body { host: host.clone(), source })?;
                    if skipped < at {
                        let source = io::ErrorKind::UnexpectedEof.into();
                        return Err(RemoteError::Body { host, source });
                    }
                }
                Ok(body)
            }
            206 => {
                let range = response.header("content-range").unwrap_or_default();
                if range_start(range) != Some(at) {
                    return Err(wrong(format!("it sends {range:?} instead of bytes from {at}")));
                }
                Ok(response.into_reader())
            }
            404 | 401 | 403 | 429 => {
                let digest = &self.descriptor.digest;
                let what = format!("blob {digest} for {}", self.repository.name());
                Err(session.refusal(&what, "GET the blob", response))
            }
            _ => Err(unexpected("GET the blob", response)),
        }
    }

    /// Lets the client see the end of an answer, so that its connection serves the next request.
    fn end_part(&mut self) {
        if self.at == self.end
            && let Some(mut body) = self.body.take()
        {
            // More than was asked for is a server that knows no ranges: its connection ends.
            let _ = body.read(&mut [0]);
        }
    }

    /// The connection was cut: waits a little and asks for the rest.
    fn resume(&mut self, error: io::Error) -> io::Result<()> {
        let session = &self.repository.0.session;
        let host = super::http::host_of(&session.base).to_owned();
        let mut last = RemoteError::Body { host, source: error };
        loop {
            self.cuts += 1;
            self.barren += 1;
            if self.barren > BARREN_LIMIT || self.cuts > CUTS_LIMIT {
                return Err(last.into());
            }
            // The first try after some success is at once.
            if self.barren > 1
                && let Some(wait) = session.retries.wait(self.barren - 1, None, retry::chance())
            {
                std::thread::sleep(wait);
            }
            match self.connect() {
                Ok(body) => {
                    self.body = Some(body);
                    return Ok(());
                }
                Err(error) if is_worth_waiting(&error) => last = error,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Repository {
    /// A foreign layer from the places that its descriptor names; no secret goes there.
    pub fn foreign(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send>> {
        let session = &self.0.session;
        let mut last = RemoteError::Foreign(blob.digest.clone());
        for url in blob.urls.iter().filter(|url| url.starts_with("http")).take(URLS_LIMIT) {
            match session.http.send(Request::new("GET", url.clone()), session.verify) {
                Ok(response) if response.status == 200 => {
                    let mut body = response.into_reader();
                    let host = super::http::host_of(url).to_owned();
                    io::copy(&mut (&mut body).take(offset), &mut io::sink())
                        .map_err(|source| RemoteError::Body { host, source })?;
                    return Ok(body);
                }
                Ok(response) => last = unexpected("GET the foreign layer", response),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Amid a download even a server that is down for a moment is waited for.
fn is_worth_waiting(error: &RemoteError) -> bool {
    error.is_passing() || matches!(error, RemoteError::Transport { .. })
}

impl Read for BlobStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.end.saturating_sub(self.at);
            if left == 0 || buffer.is_empty() {
                self.end_part();
                return Ok(0);
            }
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let outcome = match &mut self.body {
                Some(body) => body.read(&mut buffer[..wanted]),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            match outcome {
                Ok(0) => {
                    self.body = None;
                    self.resume(io::ErrorKind::UnexpectedEof.into())?;
                }
                Ok(length) => {
                    self.at += length as u64;
                    self.barren = 0;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.body = None;
                    self.resume(error)?;
                }
            }
        }
    }
}

/// The first byte of `Content-Range: bytes 10-99/100`.
pub fn range_start(header: &str) -> Option<u64> {
    let range = header.trim().strip_prefix("bytes")?.trim_start();
    let start = range.split('-').next()?.trim();
    start.bytes().all(|b| b.is_ascii_digit()).then(|| start.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::range_start;

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes 10-99/100", Some(10)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */100", None),
            ("items 1-2/3", None),
            ("bytes +1-2/3", None),
            ("", None),
        ] {
            assert_eq!(range_start(header), expected, "{header}");
        }
    }
}
