//! One 512-byte block: its fields, numbers and checksum.

use super::{BLOCK_BYTES, Kind};
use crate::error::TarFault;

/// A header block.
pub(super) struct Header(pub [u8; BLOCK_BYTES]);

impl Header {
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|&b| b == 0)
    }

    /// Checks the sum; old archives summed signed bytes.
    pub(super) fn verify(&self) -> Result<(), TarFault> {
        let stated = number(&self.0[148..156]).map_err(|_| TarFault::Checksum)?;
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, &byte) in self.0.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        if stated == unsigned || stated == signed { Ok(()) } else { Err(TarFault::Checksum) }
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The kind of a plain entry; `None` of extension headers and of unknown ones.
    pub(super) fn kind(&self) -> Option<Kind> {
        Some(match self.flag() {
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return None,
        })
    }

    fn is_ustar(&self) -> bool {
        &self.0[257..263] == b"ustar\0"
    }

    fn is_gnu(&self) -> bool {
        &self.0[257..265] == b"ustar  \0"
    }

    /// The name with its ustar prefix.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = if self.is_ustar() { text(&self.0[345..500]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, TarFault> {
        let mode = number(&self.0[100..108])?;
        Ok(u32::try_from(mode & 0o7777).unwrap_or(0))
    }

    pub(super) fn uid(&self) -> Result<u32, TarFault> {
        u32::try_from(number(&self.0[108..116])?).map_err(|_| TarFault::Number)
    }

    pub(super) fn gid(&self) -> Result<u32, TarFault> {
        u32::try_from(number(&self.0[116..124])?).map_err(|_| TarFault::Number)
    }

    pub(super) fn size(&self) -> Result<u64, TarFault> {
        u64::try_from(number(&self.0[124..136])?).map_err(|_| TarFault::Number)
    }

    pub(super) fn mtime(&self) -> Result<i64, TarFault> {
        number(&self.0[136..148])
    }

    pub(super) fn device(&self) -> Result<(u32, u32), TarFault> {
        if !self.is_ustar() && !self.is_gnu() {
            return Ok((0, 0));
        }
        let part = |field: &[u8]| u32::try_from(number(field)?).map_err(|_| TarFault::Number);
        Ok((part(&self.0[329..337])?, part(&self.0[337..345])?))
    }
}

/// A field's bytes up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits among blanks, or a big-endian binary number where the first bit is set.
pub(super) fn number(field: &[u8]) -> Result<i64, TarFault> {
    let Some((&first, rest)) = field.split_first() else { return Err(TarFault::Number) };
    if first & 0x80 != 0 {
        return binary(first, rest);
    }
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let Some(start) = field.iter().position(|b| !blank(b)) else { return Ok(0) };
    let digits = text(&field[start..]).trim_ascii_end();
    let mut value = 0i64;
    for &digit in digits {
        if !(b'0'..=b'7').contains(&digit) {
            return Err(TarFault::Number);
        }
        value = value.checked_mul(8).ok_or(TarFault::Number)? + i64::from(digit - b'0');
    }
    Ok(value)
}

fn binary(first: u8, rest: &[u8]) -> Result<i64, TarFault> {
    let is_negative = first & 0x40 != 0;
    let mut value = if is_negative { i128::from(first) - 0x100 } else { i128::from(first & 0x7f) };
    for &byte in rest {
        value = value * 256 + i128::from(byte);
        if i64::try_from(value).is_err() {
            return Err(TarFault::Number);
        }
    }
    i64::try_from(value).map_err(|_| TarFault::Number)
}
