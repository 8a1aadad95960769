//! Files of the configuration, whole or not at all: half of one would leave out what it says last, and a rule
//! that is left out lets somebody in.

use std::fs::File;
use std::io::{self, Read as _};

/// All bytes of a file that has no more than so many.
pub fn read(file: File, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit_bytes {
        true => {
            let why = format!("it has more than {limit_bytes} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
        }
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_not_read_in_part() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), "four").expect("written");
        let read = |limit| read(File::open(path.path()).expect("it is there"), limit);
        assert_eq!(read(4).expect("it fits"), b"four");
        assert_eq!(read(3).expect_err("too long").kind(), io::ErrorKind::FileTooLarge);
    }
}
