//! The header before each piece of output of a container without a terminal: `[stream, 0, 0, 0]` and
//! the length, big-endian.

/// Bytes of a header.
pub const HEADER_BYTES: usize = 8;

/// Which stream a frame is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// The daemon's own error, in the middle of a stream.
    Error = 3,
}

/// The header of a frame of that length.
pub fn header(stream: Stream, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    #[test]
    fn headers() {
        assert_eq!(super::header(super::Stream::Stderr, 258), [2, 0, 0, 0, 0, 0, 1, 2]);
    }
}
