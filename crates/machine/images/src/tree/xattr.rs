//! Extended attributes of a file, all of them.

use super::proc_path;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The kernel's own bound on a list of names and on a value.
const KERNEL_LIMIT_BYTES: usize = 64 << 10;

/// Attributes of an open file or directory.
pub(crate) fn read_xattrs(file: BorrowedFd<'_>) -> Result<Xattrs, Errno> {
    read(
        |buffer| rustix::fs::flistxattr(file, buffer),
        |key, buffer| rustix::fs::fgetxattr(file, key, buffer),
    )
}

/// Attributes of something that must not be opened (a link, a device).
pub(crate) fn read_xattrs_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Xattrs, Errno> {
    let path = proc_path(dir, name);
    read(
        |buffer| rustix::fs::llistxattr(path.as_slice(), buffer),
        |key, buffer| rustix::fs::lgetxattr(path.as_slice(), key, buffer),
    )
}

fn read(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Xattrs, Errno> {
    let mut small = [0; 512];
    let mut large = Vec::new();
    let names = match list(&mut small) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(length) => &small[..length],
        Err(Errno::RANGE) => {
            large.resize(KERNEL_LIMIT_BYTES, 0);
            let length = list(&mut large)?;
            &large[..length]
        }
        Err(source) => return Err(source),
    };
    let mut found = Vec::new();
    let mut value = vec![0; KERNEL_LIMIT_BYTES];
    for key in names.split(|&b| b == 0).filter(|key| !key.is_empty()) {
        match get(key, &mut value) {
            Ok(length) => found.push((key.to_vec(), value[..length].to_vec())),
            // Gone meanwhile, or not for us to read.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(source) => return Err(source),
        }
    }
    Ok(found)
}
