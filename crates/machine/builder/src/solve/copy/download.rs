//! `ADD http://…`: fetched before the key is known, because the key is its content.

use crate::dockerfile::instruction::Copy;
use crate::dockerfile::problem::Problem;
use crate::error::Cause;
use crate::fetch::{self, BODY_LIMIT_BYTES, FetchProblem};
use crate::solve::{Solver, lock};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};
use std::path::PathBuf;

/// A file that was fetched.
pub struct Download {
    /// Where it lies for now.
    pub file: PathBuf,
    /// What it is called in a directory.
    pub name: String,
    /// Hash of its bytes.
    pub digest: [u8; 32],
    /// When the server says it was changed.
    pub modified: i64,
    /// Its content is put, not itself.
    pub unpack: bool,
}

impl Solver<'_> {
    pub(super) fn download(&self, url: &str, copy: &Copy) -> Result<Download, Cause> {
        let failed = |problem| Cause::Fetch { url: url.to_owned(), problem };
        let expected = copy.checksum.as_deref().map(str::parse::<teu_oci::Digest>);
        let expected = expected.transpose().map_err(|_| Problem::FlagInvalid {
            flag: "checksum".to_owned(),
            value: copy.checksum.clone().unwrap_or_default(),
            expected: "sha256: and 64 hex digits",
        })?;
        let response = fetch::get(self.environment.outside, url).map_err(failed)?;
        let name = response.file_name.clone().or_else(|| fetch::name_of(url));
        let named = copy.destination.ends_with('/');
        let name = match (name, named) {
            (Some(name), _) => name,
            (None, false) => String::new(),
            (None, true) => {
                let hint = "the URL has no file name: end the destination without a slash";
                return Err(Problem::NotAllowed { flag: url.to_owned(), hint }.into());
            }
        };
        let file = self.session.directory("download")?.join("file");
        let digest = save(response.body, &file).map_err(failed)?;
        let found = teu_oci::Digest::from_sha256(digest);
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(Cause::Checksum { url: url.to_owned(), found, expected });
        }
        lock(&self.fetched).insert(url.to_owned(), found);
        let unpack = copy.unpack == Some(true);
        Ok(Download { file, name, digest, modified: response.modified.unwrap_or(0), unpack })
    }
}

fn save(mut body: Box<dyn Read + Send>, file: &PathBuf) -> Result<[u8; 32], FetchProblem> {
    let mut out = std::fs::File::create(file)?;
    let (mut hash, mut total, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let count = body.read(&mut buffer)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        total += count as u64;
        if total > BODY_LIMIT_BYTES {
            return Err(FetchProblem::TooLarge);
        }
        hash.update(&buffer[..count]);
        out.write_all(&buffer[..count])?;
    }
}
