//! Protobuf's wire format: what is written, and a reader that trusts no length.

/// A message being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u16, kind: u8) {
        self.varint(u64::from(field) << 3 | u64::from(kind));
    }

    /// A number or truth.
    pub(crate) fn number(&mut self, field: u16, value: i64) {
        self.key(field, 0);
        // Negative numbers take all 64 bits: protobuf's int32 and int64 alike.
        self.varint(value as u64);
    }

    pub(crate) fn double(&mut self, field: u16, value: f64) {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, field: u16, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, field: u16, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message within. It is written in place; its length, known only afterwards, is put before it.
    pub(crate) fn message(&mut self, field: u16, write: impl FnOnce(&mut Self)) {
        let done: Result<(), std::convert::Infallible> = self.try_message(field, |inner| {
            write(inner);
            Ok(())
        });
        let Ok(()) = done;
    }

    /// The same, for what may fail.
    pub(crate) fn try_message<E>(
        &mut self,
        field: u16,
        write: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.key(field, 2);
        let start = self.0.len();
        self.0.push(0);
        write(self)?;
        let length = self.0.len() - start - 1;
        if length < 0x80 {
            self.0[start] = length as u8;
            return Ok(());
        }
        let mut prefix = Self::default();
        prefix.varint(length as u64);
        self.0.splice(start..=start, prefix.0);
        Ok(())
    }
}

/// A value as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    /// A number or truth.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

/// A message being read, field by field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// The bytes are no message: cut short, or of a form that has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

impl<'a> Reader<'a> {
    /// The next field's number and value; none at the end.
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Broken)?;
        if number == 0 {
            return Err(Broken);
        }
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups have been given up before Kubernetes began.
            _ => return Err(Broken),
        };
        Ok(Some((number, value)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            if shift == 63 && byte > 1 {
                return Err(Broken);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Broken)?;
        self.0 = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests;
