//! A blob as it goes up: mounted from a neighbour if it is there already, else sent in one stream,
//! and continued where the registry says when the connection is cut. Distribution-spec, "Push".

use super::error::{RemoteError, Result};
use super::http::{Payload, Request, Response, host_of};
use super::repository::Repository;
use super::retry;
use super::session::absolute;
use std::io::{self, Read};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// Cut connections without a single byte taken between them.
const BARREN_LIMIT: u32 = 6;
/// Cut connections of one upload in all.
const CUTS_LIMIT: u32 = 100;

/// Gives the blob's bytes from an offset on.
pub type OpenAt<'a> = &'a (dyn Fn(u64) -> crate::Result<Box<dyn Read + Send + 'a>> + Sync);

/// What `begin` found.
enum Begun {
    /// It is there now, without a byte sent.
    Mounted,
    /// Where to send it.
    Upload(String),
}

impl Repository {
    /// Takes over a blob of another repository of the same registry; `false` if that is not possible.
    pub fn mount(&self, digest: &Digest, from: &str) -> Result<bool> {
        match self.begin(Some((digest, from)))? {
            Begun::Mounted => Ok(true),
            Begun::Upload(location) => {
                // The upload that was begun instead is not wanted yet.
                let make = || Request::new("DELETE", location.clone());
                let _ = self.0.session.send(&self.scope("pull,push"), &make, None);
                Ok(false)
            }
        }
    }

    fn begin(&self, mount: Option<(&Digest, &str)>) -> Result<Begun> {
        let session = &self.0.session;
        let mut scope = self.scope("pull,push");
        let mut url = self.url("blobs/uploads/");
        if let Some((digest, from)) = mount {
            url.push_str(&format!("?mount={digest}&from={from}"));
            scope.push_str(&format!(" repository:{from}:pull"));
        }
        let response = session.send(&scope, &|| Request::new("POST", url.clone()), Some(b""))?;
        match response.status {
            201 if mount.is_some() => Ok(Begun::Mounted),
            202 => self.location(&response).map(Begun::Upload),
            _ => {
                let what = format!("upload to {}", self.name());
                Err(session.refusal(&what, "POST the upload", response))
            }
        }
    }

    /// Where the upload goes on.
    fn location(&self, response: &Response) -> Result<String> {
        let session = &self.0.session;
        let location = response.header("location").unwrap_or_default();
        let wrong = || {
            let location: String = location.chars().take(200).collect();
            session.protocol("POST the upload", format!("its location is {location:?}"))
        };
        let url = absolute(&session.base, location).ok_or_else(wrong)?;
        if session.base.starts_with("https:") && url.starts_with("http:") {
            return Err(RemoteError::Redirect {
                host: host_of(&session.base).to_owned(),
                location: url.chars().take(200).collect(),
                reason: "the upload would leave the encrypted connection",
            });
        }
        Ok(url)
    }

    /// Sends a blob. Its bytes may be asked for several times.
    pub fn upload(&self, blob: &Descriptor, open: OpenAt<'_>) -> crate::Result<()> {
        let Begun::Upload(mut location) = self.begin(None)? else { return Ok(()) };
        let (mut at, mut barren, mut cuts) = (0, 0, 0);
        loop {
            let error = match self.send_rest(&location, blob, at, open)? {
                Sent::Done => return Ok(()),
                Sent::Cut(error) => error,
            };
            cuts += 1;
            barren += 1;
            if barren > BARREN_LIMIT || cuts > CUTS_LIMIT {
                return Err(error.into());
            }
            if barren > 1
                && let Some(wait) = self.0.session.retries.wait(barren - 1, None, retry::chance())
            {
                std::thread::sleep(wait);
            }
            match self.status(&location) {
                Ok((next, taken)) => {
                    if taken > at {
                        barren = 0;
                    }
                    at = taken.min(blob.size);
                    location = next;
                }
                // The upload is forgotten: a new one.
                Err(RemoteError::NotFound { .. }) => {
                    let Begun::Upload(next) = self.begin(None)? else { return Ok(()) };
                    (location, at) = (next, 0);
                }
                Err(other) if other.is_passing() => {}
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// One stream: the rest of the blob, then its digest.
    fn send_rest(
        &self,
        location: &str,
        blob: &Descriptor,
        at: u64,
        open: OpenAt<'_>,
    ) -> crate::Result<Sent> {
        let session = &self.0.session;
        let scope = self.scope("pull,push");
        let mut reader = Remembering { inner: open(at)?, error: None };
        let length = blob.size - at;
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{separator}digest={}", blob.digest);
        // A whole blob needs one request; the rest of one is a chunk, which `PUT` may not be.
        let mut place = url;
        if at > 0 && length > 0 {
            let request = Request {
                payload: Payload::Stream(length, &mut reader),
                ..Request::new("PATCH", location)
                    .header("content-type", "application/octet-stream")
                    .header("content-range", format!("{at}-{}", blob.size - 1))
            };
            let response = session.send_once(&scope, request);
            reader.check()?;
            match response {
                Ok(response) if response.status == 202 => {
                    let next = self.location(&response)?;
                    let separator = if next.contains('?') { '&' } else { '?' };
                    place = format!("{next}{separator}digest={}", blob.digest);
                }
                Ok(response) => return self.judged(response),
                Err(error) => return cut(error),
            }
        }
        let response = match at {
            0 => {
                let request = Request {
                    payload: Payload::Stream(length, &mut reader),
                    ..Request::new("PUT", place).header("content-type", "application/octet-stream")
                };
                let response = session.send_once(&scope, request);
                reader.check()?;
                response
            }
            _ => session.send(&scope, &|| Request::new("PUT", place.clone()), Some(b"")),
        };
        match response {
            Ok(response) if matches!(response.status, 201 | 204) => Ok(Sent::Done),
            Ok(response) => self.judged(response),
            Err(error) => cut(error),
        }
    }

    /// An answer that is no success: tried again if that may help.
    fn judged(&self, response: Response) -> crate::Result<Sent> {
        let session = &self.0.session;
        if response.status == 401 && session.authenticate(&response, &self.scope("pull,push"))? {
            return Ok(Sent::Cut(session.refusal("upload", "PUT the blob", response)));
        }
        // 416: the registry has another number of bytes than we think; its status will tell.
        let is_passing = super::error::is_passing_status(response.status) || response.status == 416;
        let what = format!("upload to {}", self.name());
        let error = session.refusal(&what, "PUT the blob", response);
        if is_passing { Ok(Sent::Cut(error)) } else { Err(error.into()) }
    }

    /// Where an upload goes on, and how many bytes of it were taken.
    fn status(&self, location: &str) -> Result<(String, u64)> {
        let session = &self.0.session;
        let make = || Request::new("GET", location.to_owned());
        let response = session.send(&self.scope("pull,push"), &make, None)?;
        match response.status {
            204 | 200 | 202 => {
                let end = response.header("range").and_then(range_end);
                let next = match response.header("location") {
                    Some(_) => self.location(&response)?,
                    None => location.to_owned(),
                };
                Ok((next, end.unwrap_or(0)))
            }
            _ => Err(session.refusal("upload", "GET the upload", response)),
        }
    }
}

enum Sent {
    Done,
    Cut(RemoteError),
}

fn cut(error: RemoteError) -> crate::Result<Sent> {
    match error {
        RemoteError::Transport { .. } | RemoteError::Body { .. } => Ok(Sent::Cut(error)),
        other => Err(other.into()),
    }
}

/// Bytes that a `Range: 0-99` of an upload tells of; `0-0` is how some say none.
pub fn range_end(header: &str) -> Option<u64> {
    let range = header.trim().strip_prefix("bytes=").unwrap_or_else(|| header.trim());
    let (start, end) = range.split_once('-')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if start != "0" || !plain(end) {
        return None;
    }
    let end: u64 = end.parse().ok()?;
    Some(if end == 0 { 0 } else { end.checked_add(1)? })
}

/// Tells an error of the blob's own source from one of the connection.
struct Remembering<'a> {
    inner: Box<dyn Read + Send + 'a>,
    error: Option<crate::Error>,
}

impl Remembering<'_> {
    fn check(&mut self) -> crate::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Read for Remembering<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let kind = error.kind();
                self.error = Some(crate::Error::stream("read the blob", error));
                return io::Error::from(kind);
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::range_end;

    #[test]
    fn ranges_of_uploads() {
        for (header, expected) in [
            ("0-99", Some(100)),
            ("bytes=0-99", Some(100)),
            ("0-0", Some(0)),
            ("5-9", None),
            ("0-", None),
            ("0-+9", None),
            ("0-18446744073709551615", None),
        ] {
            assert_eq!(range_end(header), expected, "{header}");
        }
    }
}
