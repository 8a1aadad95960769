//! Files with holes: which pieces of the file the archive's bytes are.

/// The pieces, in order and apart from one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseMap {
    /// Offset and length of each, in bytes.
    pub fragments: Vec<(u64, u64)>,
    /// Size of the file with its holes.
    pub real_bytes: u64,
}

impl SparseMap {
    /// Checks a list of offsets and lengths in turn against the sizes; `None` where it does not
    /// fit, so that no piece can lie outside the file or reach beyond the entry.
    pub fn new(numbers: &[u64], real_bytes: u64, stored_bytes: u64) -> Option<Self> {
        let mut fragments = Vec::with_capacity(numbers.len() / 2);
        let (mut end, mut sum) = (0u64, 0u64);
        for pair in numbers.chunks(2) {
            let &[offset, length] = pair else { return None };
            let next = offset.checked_add(length)?;
            if offset < end || next > real_bytes {
                return None;
            }
            (end, sum) = (next, sum.checked_add(length)?);
            if length > 0 {
                fragments.push((offset, length));
            }
        }
        (sum == stored_bytes).then_some(Self { fragments, real_bytes })
    }
}
