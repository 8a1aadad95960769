//! A tar from a client, plain or compressed: its first bytes say.

use crate::error::{Error, Result};
use std::io::{BufReader, Read};
use teu_images::Limits;
use teu_images::compression::Decoder;

const BUFFER_BYTES: usize = 256 << 10;

/// The tar.
pub fn reader(source: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>> {
    let source = BufReader::with_capacity(BUFFER_BYTES, source);
    let decoder =
        Decoder::new(source, &Limits::default()).map_err(Error::io("read the archive"))?;
    Ok(Box::new(decoder))
}
