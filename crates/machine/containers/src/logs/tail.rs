//! The last lines of a file, found from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

const BLOCK_BYTES: u64 = 64 << 10;

/// Where the last `wanted` whole lines of a file begin, and how many there are. What stands behind
/// the last newline is a line that is being written, and not counted.
pub(super) fn offset(file: &File, wanted: u64) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let mut block = vec![0_u8; usize::try_from(BLOCK_BYTES).unwrap_or(0)];
    let (mut end, mut newlines) = (length, 0);
    let mut seen_last = false;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let size = usize::try_from(end - start).unwrap_or(0);
        file.read_exact_at(&mut block[..size], start)?;
        for (index, _) in block[..size].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n')
        {
            if !seen_last {
                // It ends the last line.
                seen_last = true;
                if wanted == 0 {
                    return Ok((start + index as u64 + 1, 0));
                }
                continue;
            }
            newlines += 1;
            if newlines == wanted {
                return Ok((start + index as u64 + 1, wanted));
            }
        }
        end = start;
    }
    Ok((0, newlines + u64::from(seen_last)))
}
