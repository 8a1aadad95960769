//! YAML in and out: [`parse`] gives trees with places, [`emit`] prints them as Compose does.

pub mod emit;
pub mod parse;
pub mod scalar;

pub use emit::emit;
pub use parse::{YamlError, parse};

#[cfg(test)]
mod tests;
