//! Compressed streams, recognised by their first bytes and decompressed with a bound.
