//! Extended headers: `length key=value\n`, and what of them changes an entry.

use super::{Entry, Mtime, SparseMap};
use crate::error::TarFault;
use std::collections::BTreeMap;

const XATTR: &[u8] = b"SCHILY.xattr.";
const SPARSE: &[u8] = b"GNU.sparse.";

/// What extended headers said about the entry that follows.
#[derive(Debug, Default)]
pub(super) struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Mtime>,
    device: (Option<u32>, Option<u32>),
    /// By name: a hostile header has tens of thousands.
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) sparse: SparseKeys,
    /// Bytes of extended headers read for this entry.
    pub(super) bytes: u64,
    /// There was one at all.
    pub(super) is_present: bool,
}

/// The three PAX dialects of sparse files.
#[derive(Debug, Default)]
pub(super) struct SparseKeys {
    /// `major`, `minor` of dialect 1.0.
    pub(super) version: (Option<u64>, Option<u64>),
    pub(super) real_bytes: Option<u64>,
    /// Dialects 0.0 and 0.1: offsets and lengths in turn.
    pub(super) map: Vec<u64>,
}

impl Extended {
    /// Takes the records of one `x` header.
    pub(super) fn read(&mut self, mut records: &[u8], fragments: usize) -> Result<(), TarFault> {
        while !records.is_empty() {
            let space = records.iter().position(|&b| b == b' ').ok_or(TarFault::Pax)?;
            let length = decimal(&records[..space])?;
            let length = usize::try_from(length).map_err(|_| TarFault::Pax)?;
            if length > records.len() || length < space + 3 || records[length - 1] != b'\n' {
                return Err(TarFault::Pax);
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|&b| b == b'=').ok_or(TarFault::Pax)?;
            self.set(&record[..equals], &record[equals + 1..], fragments)?;
            records = &records[length..];
        }
        Ok(())
    }

    pub(super) fn set_long_path(&mut self, path: Vec<u8>) {
        self.path = Some(path);
    }

    pub(super) fn set_long_link(&mut self, link: Vec<u8>) {
        self.link = Some(link);
    }

    fn set(&mut self, key: &[u8], value: &[u8], fragments: usize) -> Result<(), TarFault> {
        if let Some(name) = key.strip_prefix(XATTR) {
            self.xattrs.insert(name.to_vec(), value.to_vec());
            return Ok(());
        }
        if let Some(key) = key.strip_prefix(SPARSE) {
            return self.set_sparse(key, value, fragments);
        }
        // An empty value takes an earlier one back.
        let given = !value.is_empty();
        match key {
            b"path" => self.path = given.then(|| plain(value)).transpose()?,
            b"linkpath" => self.link = given.then(|| plain(value)).transpose()?,
            b"size" => self.size = given.then(|| decimal(value)).transpose()?,
            b"uid" => self.uid = given.then(|| id(value)).transpose()?,
            b"gid" => self.gid = given.then(|| id(value)).transpose()?,
            b"mtime" => self.mtime = given.then(|| time(value)).transpose()?,
            b"SCHILY.devmajor" => self.device.0 = given.then(|| id(value)).transpose()?,
            b"SCHILY.devminor" => self.device.1 = given.then(|| id(value)).transpose()?,
            _ => {}
        }
        Ok(())
    }

    fn set_sparse(&mut self, key: &[u8], value: &[u8], fragments: usize) -> Result<(), TarFault> {
        let keys = &mut self.sparse;
        match key {
            b"major" => keys.version.0 = Some(decimal(value)?),
            b"minor" => keys.version.1 = Some(decimal(value)?),
            b"name" => self.path = Some(plain(value)?),
            b"realsize" | b"size" => keys.real_bytes = Some(decimal(value)?),
            b"offset" | b"numbytes" => {
                // They come in turn: an offset where the list is even, a length where it is odd.
                let is_offset = key == b"offset";
                if keys.map.len().is_multiple_of(2) != is_offset || keys.map.len() > 2 * fragments {
                    return Err(TarFault::Pax);
                }
                keys.map.push(decimal(value)?);
            }
            b"map" => {
                keys.map.clear();
                for number in value.split(|&b| b == b',').filter(|part| !part.is_empty()) {
                    if keys.map.len() > 2 * fragments {
                        return Err(TarFault::Pax);
                    }
                    keys.map.push(decimal(number)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts what was said over what the header says.
    pub(super) fn apply(self, entry: &mut Entry) -> Result<(), TarFault> {
        if let Some(path) = self.path {
            entry.path = path;
        }
        if let Some(link) = self.link {
            entry.link = link;
        }
        entry.uid = self.uid.unwrap_or(entry.uid);
        entry.gid = self.gid.unwrap_or(entry.gid);
        entry.mtime = self.mtime.unwrap_or(entry.mtime);
        entry.device.0 = self.device.0.unwrap_or(entry.device.0);
        entry.device.1 = self.device.1.unwrap_or(entry.device.1);
        entry.xattrs = self.xattrs.into_iter().collect();
        if let (Some(real_bytes), false) = (self.sparse.real_bytes, self.sparse.map.is_empty()) {
            let map = SparseMap::new(&self.sparse.map, real_bytes, entry.size_bytes);
            entry.sparse = Some(map.ok_or(TarFault::Pax)?);
        }
        Ok(())
    }
}

fn plain(value: &[u8]) -> Result<Vec<u8>, TarFault> {
    if value.contains(&0) { Err(TarFault::Pax) } else { Ok(value.to_vec()) }
}

/// A number in decimal digits.
pub(super) fn decimal(digits: &[u8]) -> Result<u64, TarFault> {
    let text = std::str::from_utf8(digits).map_err(|_| TarFault::Pax)?;
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(TarFault::Pax);
    }
    text.parse().map_err(|_| TarFault::Pax)
}

fn id(value: &[u8]) -> Result<u32, TarFault> {
    u32::try_from(decimal(value)?).map_err(|_| TarFault::Pax)
}

/// `[-]seconds[.fraction]`; digits beyond nanoseconds are cut off towards the past.
fn time(value: &[u8]) -> Result<Mtime, TarFault> {
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let dot = digits.iter().position(|&b| b == b'.').unwrap_or(digits.len());
    let seconds = i64::try_from(decimal(&digits[..dot])?).map_err(|_| TarFault::Pax)?;
    let mut nanoseconds = 0u32;
    let fraction = digits.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(TarFault::Pax);
    }
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |b| b - b'0');
        nanoseconds = nanoseconds * 10 + u32::from(digit);
    }
    Ok(match (is_negative, nanoseconds) {
        (false, _) => Mtime { seconds, nanoseconds },
        (true, 0) => Mtime { seconds: -seconds, nanoseconds: 0 },
        (true, _) => Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}
