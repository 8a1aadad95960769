//! `ADD http://…`: what a file of a web server is called, and when it was changed. Fetching itself is
//! done by whoever the caller gave as [`Outside`].

use crate::request::Outside;
use std::error::Error;
use std::io::Read;

/// Bytes of a download.
pub const BODY_LIMIT_BYTES: u64 = 16 << 30;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The caller gave no way out.
    #[error("this build has no way to fetch URLs")]
    NoWayOut,
    /// The server or the way to it.
    #[error("{0}")]
    Outside(Box<dyn Error + Send + Sync>),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Too many bytes.
    #[error("more than 16 GiB")]
    TooLarge,
}

/// A response whose body is still to be read.
pub struct Response {
    /// The body.
    pub body: Box<dyn Read + Send>,
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
pub fn get(outside: Option<&(dyn Outside + Sync)>, url: &str) -> Result<Response, FetchProblem> {
    let file = outside.ok_or(FetchProblem::NoWayOut)?.get(url).map_err(FetchProblem::Outside)?;
    Ok(Response {
        body: file.body,
        modified: file.last_modified.as_deref().and_then(date),
        file_name: file.disposition.as_deref().and_then(disposition),
    })
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
