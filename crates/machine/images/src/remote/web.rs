//! A file of a web server, for `ADD`: no registry, no secrets, redirects followed, bytes counted.

use super::client::Client;
use super::error::{RemoteError, Result};
use super::http::{Request, Response, host_of};
use super::session::{absolute, said};
use std::io::{self, Read};

/// Redirects one after another.
const REDIRECT_LIMIT: usize = 10;

/// A file whose bytes are still to be read.
pub struct WebFile {
    /// The bytes; reading fails where the server announced more than it sends.
    pub body: Box<dyn Read + Send>,
    /// `Last-Modified`
    pub last_modified: Option<String>,
    /// `Content-Disposition`
    pub disposition: Option<String>,
}

impl std::fmt::Debug for WebFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebFile")
            .field("last_modified", &self.last_modified)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Gets a file by URL.
    pub fn web_file(&self, url: &str) -> Result<WebFile> {
        let mut url = url.to_owned();
        let authority = url.split_once("://").map(|(_, rest)| rest.split('/').next());
        if !url.starts_with("http") || authority.flatten().is_none_or(|host| host.contains('@')) {
            let location = url.chars().take(200).collect();
            let reason = "it is no http URL of a host";
            return Err(RemoteError::Redirect { host: "ADD".to_owned(), location, reason });
        }
        for _ in 0..=REDIRECT_LIMIT {
            let response = self.http().send(Request::new("GET", url.clone()), true)?;
            match response.status {
                200 => return Ok(file(response)),
                301 | 302 | 303 | 307 | 308 => url = next(&url, &response)?,
                404 | 410 => {
                    let what = format!("{}: file", host_of(&url));
                    return Err(RemoteError::NotFound { what, detail: said(response) });
                }
                status => {
                    return Err(RemoteError::Status {
                        host: response.host.clone(),
                        status,
                        verb: "GET the file".to_owned(),
                        detail: String::new(),
                    });
                }
            }
        }
        Err(RemoteError::Redirect {
            host: host_of(&url).to_owned(),
            location: url.chars().take(200).collect(),
            reason: "there were more than 10 one after another",
        })
    }
}

fn next(url: &str, response: &Response) -> Result<String> {
    let location = response.header("location").unwrap_or_default();
    let refused = |reason| RemoteError::Redirect {
        host: response.host.clone(),
        location: location.chars().take(200).collect(),
        reason,
    };
    let scheme = url.split("://").next().unwrap_or_default();
    let base = format!("{scheme}://{}", host_of(url));
    let next = absolute(&base, location).ok_or_else(|| refused("it is no http URL"))?;
    match scheme == "https" && next.starts_with("http:") {
        true => Err(refused("it leaves the encrypted connection")),
        false => Ok(next),
    }
}

fn file(response: Response) -> WebFile {
    let text = |name: &str| response.header(name).map(str::to_owned);
    let (last_modified, disposition) = (text("last-modified"), text("content-disposition"));
    let length = response.length();
    let body = response.into_reader();
    let body: Box<dyn Read + Send> = match length {
        Some(left) => Box::new(Whole { body, left }),
        None => body,
    };
    WebFile { body, last_modified, disposition }
}

/// Fails where the stream ends early.
struct Whole {
    body: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.body.read(buffer)?;
        self.left = self.left.saturating_sub(length as u64);
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(length)
    }
}
