//! `execveat(2)` with arguments made ready before the fork, so that nothing is allocated after it.

use crate::checked;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString, NulError, c_char};

/// A list of C strings as the kernel takes it: an array of pointers that ends with a null one.
#[derive(Debug)]
pub struct CStrings {
    /// Owners of what `pointers` point at; their heap blocks do not move with the vector.
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers go to heap blocks owned by the same value, which are never changed.
unsafe impl Send for CStrings {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for CStrings {}

impl Default for CStrings {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl CStrings {
    /// From owned strings.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { strings, pointers }
    }

    /// From text.
    ///
    /// # Errors
    /// A string with a zero byte inside.
    pub fn from_text<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NulError> {
        let strings: Result<Vec<_>, _> =
            texts.into_iter().map(|text| CString::new(text.as_ref())).collect();
        Ok(Self::new(strings?))
    }

    /// As the kernel takes them; an empty list is its lone null pointer.
    fn array(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Replaces the program of this process by the file at `path`. Returns only when it failed.
#[must_use]
///
/// By `execve`, which every filter of system calls made for a program allows.
pub fn exec(path: &CStr, arguments: &CStrings, environment: &CStrings) -> Errno {
    // SAFETY: the path and both arrays are ended by zero and outlive the call, which either does
    // not return or has changed nothing of ours.
    let result = checked(unsafe {
        libc::syscall(libc::SYS_execve, path.as_ptr(), arguments.array(), environment.array())
    });
    result.err().unwrap_or(Errno::INVAL)
}

/// Likewise, the file being one that is open (`O_PATH` is enough).
#[must_use]
pub fn exec_descriptor(
    file: BorrowedFd<'_>,
    arguments: &CStrings,
    environment: &CStrings,
) -> Errno {
    // SAFETY: as above; the empty path stands for the descriptor itself.
    let result = checked(unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.array(),
            environment.array(),
            libc::AT_EMPTY_PATH,
        )
    });
    result.err().unwrap_or(Errno::INVAL)
}
