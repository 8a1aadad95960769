//! The log on disk: segments `<number>.log`, appended to, the oldest removed. A segment begins with how
//! far the one before had come, so that the rest means the same without it.

use super::Bounds;
use super::record::{HEAD_BYTES, MAX_CONTENT_BYTES, Record};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Segments that the bytes are spread over.
const SEGMENTS: u64 = 8;
const SUFFIX: &str = ".log";

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    bounds: Bounds,
    file: File,
    number: u64,
    bytes: u64,
}

impl Log {
    /// Opens the newest segment and cuts a torn end off; makes the first one.
    pub fn open(folder: &Path, bounds: Bounds) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let number = segments(folder)?.last().copied().unwrap_or(1);
        let path = segment(folder, number);
        let file = options().open(&path)?;
        let whole = scan_file(&path, &mut |_| {})?;
        if whole < file.metadata()?.len() {
            file.set_len(whole)?;
        }
        let mut log = Self { folder: folder.to_path_buf(), bounds, file, number, bytes: whole };
        log.trim()?;
        Ok(log)
    }

    /// Appends records in one write.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut out = Vec::new();
        records.iter().for_each(|record| record.write(&mut out));
        self.file.write_all(&out)?;
        self.bytes += out.len() as u64;
        if self.bytes < self.bounds.max_bytes / SEGMENTS {
            return Ok(());
        }
        self.number += 1;
        self.file = options().open(segment(&self.folder, self.number))?;
        let (ms, revision) = last.at();
        let mut first = Vec::new();
        Record::Seen { ms, revision }.write(&mut first);
        self.file.write_all(&first)?;
        self.bytes = first.len() as u64;
        self.trim()
    }

    /// Removes what is too old or too much, but never the segment that is written to.
    fn trim(&mut self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut left = self.bounds.max_bytes;
        for number in segments(&self.folder)?.into_iter().rev() {
            let path = segment(&self.folder, number);
            let about = fs::metadata(&path)?;
            let age = now.duration_since(about.modified()?).unwrap_or_default();
            let fits = left.checked_sub(about.len());
            match fits.filter(|_| age <= self.bounds.span) {
                _ if number == self.number => left = left.saturating_sub(about.len()),
                Some(rest) => left = rest,
                None => {
                    left = 0;
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.create(true).append(true).mode(0o600);
    options
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}{SUFFIX}"))
}

/// The numbers of those that are there, the oldest first.
fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Shows every record, the oldest first.
pub fn scan(folder: &Path, visit: &mut dyn FnMut(Record)) -> io::Result<()> {
    for number in segments(folder)? {
        scan_file(&segment(folder, number), visit)?;
    }
    Ok(())
}

/// The last revision that it knows of; 0 where there is none.
pub fn last_revision(folder: &Path) -> io::Result<u64> {
    let mut last = 0;
    if let Some(number) = segments(folder)?.pop() {
        scan_file(&segment(folder, number), &mut |record| last = record.at().1)?;
    }
    Ok(last)
}

/// Shows a segment's records up to the first that is none; how many bytes they have.
fn scan_file(path: &Path, visit: &mut dyn FnMut(Record)) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path)?);
    let (mut whole, mut frame) = (0, Vec::new());
    loop {
        frame.resize(HEAD_BYTES, 0);
        if reader.read_exact(&mut frame).is_err() {
            return Ok(whole);
        }
        let length = frame.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_CONTENT_BYTES {
            return Ok(whole);
        }
        frame.resize(HEAD_BYTES + length, 0);
        if reader.read_exact(frame.get_mut(HEAD_BYTES..).unwrap_or_default()).is_err() {
            return Ok(whole);
        }
        let Some((record, used)) = Record::read(&frame) else { return Ok(whole) };
        whole += used as u64;
        visit(record);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Ended;
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    fn ended(revision: u64, bytes: usize) -> Record {
        Record::Ended(Ended {
            ms: revision,
            revision,
            created: 1,
            is_deleted: false,
            key: Bytes::from_static(b"k"),
            value: vec![b'x'; bytes].into(),
        })
    }

    fn revisions(folder: &Path) -> Vec<u64> {
        let mut all = Vec::new();
        scan(folder, &mut |record| all.push(record.at().1)).expect("a scan");
        all
    }

    #[test]
    fn a_torn_end_is_dropped_and_bytes_are_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let bounds = Bounds { span: Duration::from_secs(3600), max_bytes: 8 << 10 };
        let mut log = Log::open(path, bounds).expect("a log");
        log.append(&[ended(1, 100), ended(2, 100)]).expect("written");
        drop(log);
        let first = segment(path, 1);
        let length = fs::metadata(&first).expect("a file").len();
        options().open(&first).expect("a file").set_len(length - 1).expect("cut");
        let mut log = Log::open(path, bounds).expect("a log");
        assert_eq!(revisions(path), [1]);
        for revision in 3..100 {
            log.append(&[ended(revision, 300)]).expect("written");
        }
        let kept = revisions(path);
        assert!(
            kept.is_sorted() && kept.first() > Some(&70) && kept.last() == Some(&99),
            "{kept:?}"
        );
        let bytes: u64 = fs::read_dir(path)
            .expect("a folder")
            .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
            .sum();
        assert!(bytes <= bounds.max_bytes + bounds.max_bytes / SEGMENTS, "{bytes}");
        // What is past the span goes at a start.
        drop(log);
        Log::open(path, Bounds { span: Duration::ZERO, ..bounds }).expect("a log");
        assert_eq!(segments(path).expect("a list").len(), 1);
    }
}
