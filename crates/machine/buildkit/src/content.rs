//! A client's directories of caches, through its session: containerd's content service, as far as
//! `--cache-from` and `--cache-to` of `type=local` need it.

use crate::rpc::client::Metadata;
use crate::rpc::{Code, Status};
use crate::sessions::Session;
use crate::wire::session::{
    ReadContentRequest, ReadContentResponse, WriteAction, WriteContentRequest, WriteContentResponse,
};
use http::{HeaderName, HeaderValue};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use teu_oci::Digest;

const READ: &str = "/containerd.services.content.v1.Content/Read";
const WRITE: &str = "/containerd.services.content.v1.Content/Write";
/// The header that names one of several stores.
const STORE_ID: HeaderName = HeaderName::from_static("buildkit-attachable-store-id");
/// Bytes in one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of one piece of a cache.
const CONTENT_LIMIT_BYTES: u64 = 16 << 30;

/// The client's name for one of its directories.
fn metadata(directory: &str) -> Result<Metadata, Status> {
    let value = HeaderValue::from_str(&format!("local:{directory}")).map_err(|_| {
        let text = format!("the path of the cache {directory:?} is not plain ASCII");
        Status::new(Code::InvalidArgument, text)
    })?;
    Ok(vec![(STORE_ID, value)])
}

/// Fetches a piece into a file, which appears whole; says whether the client has it. Its digest is
/// for whoever reads it to check.
pub async fn fetch(
    session: &Session,
    directory: &str,
    digest: &Digest,
    path: &Path,
) -> Result<bool, Status> {
    let failed = |error: std::io::Error| {
        Status::new(Code::Unknown, format!("cannot write {}: {error}", path.display()))
    };
    let (mut requests, mut responses) = session.open(READ, metadata(directory)?).await?;
    let request = ReadContentRequest { digest: digest.to_string(), offset: 0, size: 0 };
    requests.send(&request).await?;
    requests.finish()?;
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial).map_err(failed)?;
    let mut bytes = 0u64;
    loop {
        match responses.next::<ReadContentResponse>().await {
            Ok(Some(piece)) => {
                bytes += piece.data.len() as u64;
                if bytes > CONTENT_LIMIT_BYTES {
                    let text = "a piece of the cache has more than 16 GiB";
                    return Err(Status::new(Code::ResourceExhausted, text));
                }
                file.write_all(&piece.data).map_err(failed)?;
            }
            Ok(None) => break,
            Err(status) if status.is(Code::NotFound) => return Ok(false),
            Err(status) => return Err(status),
        }
    }
    std::fs::rename(&partial, path).map_err(failed)?;
    Ok(true)
}

/// Puts a file into one of the client's directories, unless it has it already.
pub async fn store(
    session: &Session,
    directory: &str,
    digest: &Digest,
    path: &Path,
) -> Result<(), Status> {
    let failed = |error: std::io::Error| {
        Status::new(Code::Unknown, format!("cannot read {}: {error}", path.display()))
    };
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let (mut requests, mut responses) = session.open(WRITE, metadata(directory)?).await?;
    let first = WriteContentRequest {
        action: WriteAction::Stat.into(),
        r#ref: format!("teu-{digest}"),
        total,
        expected: digest.to_string(),
        ..WriteContentRequest::default()
    };
    let mut next = first.clone();
    let mut offset = 0;
    loop {
        let is_last = next.action == i32::from(WriteAction::Commit);
        requests.send(&next).await?;
        match responses.next::<WriteContentResponse>().await {
            Ok(Some(_)) if is_last => return Ok(()),
            Ok(Some(answer)) if next.action == i32::from(WriteAction::Stat) => {
                // What an earlier, broken transfer has left is gone on with.
                offset = answer.offset.clamp(0, total);
                let start = std::io::SeekFrom::Start(offset.unsigned_abs());
                std::io::Seek::seek(&mut file, start).map_err(failed)?;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(Status::new(Code::Unavailable, "the client stopped reading")),
            Err(status) if status.is(Code::AlreadyExists) => return Ok(()),
            Err(status) => return Err(status),
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(failed)?;
        let action = match chunk.is_empty() {
            true => WriteAction::Commit,
            false => WriteAction::Write,
        };
        let length = i64::try_from(chunk.len()).unwrap_or(0);
        next = WriteContentRequest {
            action: action.into(),
            offset,
            data: chunk.into(),
            ..first.clone()
        };
        offset += length;
    }
}
