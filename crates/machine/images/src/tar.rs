//! The tar format: a bounded reader of ustar, PAX and GNU archives, and a deterministic writer.
