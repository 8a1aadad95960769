//! The allocator's memory.

/// Gives memory that was freed back to the kernel, for processes that sleep for days after a burst.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: glibc's call takes its own locks and touches only memory that is free.
        unsafe { libc::malloc_trim(0) };
    }
}
