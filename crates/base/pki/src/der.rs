//! Just enough of DER (X.690) to walk certificates and requests, and to write a certificate.
//!
//! Lengths are checked against what is there; nothing is recursive, so nothing can be too deep.

/// Tags that are met here.
pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BITS: u8 = 0x03;
pub const OCTETS: u8 = 0x04;
pub const OBJECT_ID: u8 = 0x06;
pub const UTC_TIME: u8 = 0x17;
pub const LONG_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// The tag of a field that is numbered and holds others.
pub const fn numbered(number: u8) -> u8 {
    0xa0 | number
}

/// One element as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    /// With its tag and length.
    pub whole: &'a [u8],
}

/// Takes an element of this kind.
pub fn take<'a>(bytes: &mut &'a [u8], kind: u8) -> Option<&'a [u8]> {
    element(bytes).filter(|found| found.tag == kind).map(|found| found.content)
}

/// Takes an element of this kind, with its tag and length.
pub fn take_whole<'a>(bytes: &mut &'a [u8], kind: u8) -> Option<&'a [u8]> {
    element(bytes).filter(|found| found.tag == kind).map(|found| found.whole)
}

/// Takes one element.
pub fn element<'a>(bytes: &mut &'a [u8]) -> Option<Element<'a>> {
    let all = *bytes;
    let (&tag, rest) = all.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (length, after) = rest.split_at_checked(digits)?;
        rest = after;
        length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    let whole = &all[..all.len() - rest.len()];
    Some(Element { tag, content, whole })
}

/// Writes an element around its parts.
pub fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut written = vec![tag];
    if length < 0x80 {
        written.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        written.push(0x80 | digits.len() as u8);
        written.extend_from_slice(digits);
    }
    parts.iter().for_each(|part| written.extend_from_slice(part));
    written
}

/// Writes a bit string of whole bytes.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    wrap(BITS, &[&[0], bytes])
}

/// The bytes of a bit string's content, if it has whole ones.
pub fn whole_bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let written = wrap(OCTETS, &[&content]);
            let mut bytes = written.as_slice();
            let found = element(&mut bytes).expect("an element");
            assert_eq!((found.tag, found.content, found.whole), (OCTETS, &*content, &*written));
            assert!(bytes.is_empty());
            // Nothing is read beyond the end.
            assert!(element(&mut &written[..written.len() - 1]).is_none() || length == 0);
        }
        assert!(element(&mut &[0x30, 0x85, 1, 1, 1, 1, 1][..]).is_none());
        assert!(element(&mut &[0x30, 0x80][..]).is_none());
    }
}
