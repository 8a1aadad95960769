//! The allocator's memory.

/// Gives memory that was freed back to the kernel, for processes that sleep for days after a burst.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: glibc's call takes its own locks and touches only memory that is free.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Takes the pages of the program's own file out of this process's page tables, for processes that
/// sleep: what is needed next is found again in the page cache, a page fault at a time.
///
/// # Errors
/// No `/proc`.
pub fn forget_program() -> std::io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/smaps")?;
    for (start, length) in clean(&maps) {
        // SAFETY: the mapping is one of a file, private, read-only and without a page of our own:
        // its content comes back from the file, which cannot be written while it is executed.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
    Ok(())
}

/// Start and length of read-only mappings of a file that hold nothing but the file's own pages.
fn clean(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-') {
            let mut rest = words;
            let readonly = rest.next().is_some_and(|rights| matches!(rights, "r-xp" | "r--p"));
            let of_file = rest.nth(2).is_some_and(|inode| inode != "0");
            let number = |text| usize::from_str_radix(text, 16).ok();
            let range = number(start).zip(number(end)).map(|(start, end)| (start, end - start));
            candidate = range.filter(|_| readonly && of_file);
        } else if first == "Anonymous:" && words.next() == Some("0") {
            found.extend(candidate.take());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn only_untouched_pages_of_files() {
        let maps = "\
55550000-55560000 r--p 00000000 fe:00 77    /bin/teu
Rss:   40 kB
Anonymous:   0 kB
55560000-55570000 r-xp 00010000 fe:00 77    /bin/teu
Anonymous:   0 kB
55570000-55580000 r--p 00020000 fe:00 77    /bin/teu
Anonymous:   76 kB
55580000-55590000 rw-p 00030000 fe:00 77    /bin/teu
Anonymous:   0 kB
7fff0000-7fff2000 r-xp 00000000 00:00 0     [vdso]
Anonymous:   0 kB
7fffa000-7fffb000 rw-s 00000000 fe:00 78    /tmp/shared
Anonymous:   0 kB
";
        assert_eq!(clean(maps), [(0x5555_0000, 0x1_0000), (0x5556_0000, 0x1_0000)]);
    }

    #[test]
    fn the_program_goes_on() {
        super::forget_program().unwrap();
        assert_eq!(format!("{}", 6 * 7), "42");
    }
}
