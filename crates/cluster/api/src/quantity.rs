//! Quantities: `100m`, `1Gi`, `2e3`: read, written, compared and added as Kubernetes does
//! (`k8s.io/apimachinery/pkg/api/resource`).
//!
//! A quantity is a whole number of billionths in 128 bits and the family of suffixes it was written
//! in. What is finer is rounded away from zero; what is larger stays at the largest, which is ten
//! orders of magnitude beyond `E`.

mod read;
#[cfg(test)]
mod tests;

use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

const NANOS: i128 = 1_000_000_000;

/// Why a text is not a quantity; the words are Kubernetes'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Its parts do not follow each other as they should.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The part before the suffix is not a number.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// There is no such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The family of suffixes that a quantity is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `e3`.
    DecimalExponent,
    /// `Ki`, `Mi`, …
    BinarySi,
    /// `m`, `k`, `M`, …
    #[default]
    DecimalSi,
}

/// An amount of something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// None of it.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole number.
    pub const fn new(value: i64, format: Format) -> Self {
        Self { nanos: value as i128 * NANOS, format }
    }

    /// Thousandths.
    pub const fn from_milli(value: i64, format: Format) -> Self {
        Self { nanos: value as i128 * (NANOS / 1000), format }
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        read::parse(text)
    }

    /// Reads one from a field, which may be a text or a number.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::ZERO),
            _ => Err(QuantityError::Format),
        }
    }

    /// How it is written.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Whole units, rounded away from zero, at most what 64 bits hold.
    pub fn value(self) -> i64 {
        clamp(divide_up(self.nanos, NANOS))
    }

    /// Thousandths, likewise.
    pub fn milli_value(self) -> i64 {
        clamp(divide_up(self.nanos, NANOS / 1000))
    }

    /// Whether it is a whole number.
    pub const fn is_whole(self) -> bool {
        self.nanos % NANOS == 0
    }

    /// Whether it is a whole number of thousandths.
    pub const fn is_whole_milli(self) -> bool {
        self.nanos % (NANOS / 1000) == 0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// -1, 0 or 1.
    pub const fn sign(self) -> i32 {
        self.nanos.signum() as i32
    }

    /// Rounded away from zero to thousandths, as the server does with lists of resources.
    #[must_use]
    pub fn round_up_to_milli(self) -> Self {
        let step = NANOS / 1000;
        Self { nanos: divide_up(self.nanos, step).saturating_mul(step), ..self }
    }

    /// Both together, written as the first unless that is nothing.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it saturates, and picks a format")]
    pub fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// The first without the second.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it saturates, and picks a format")]
    pub fn sub(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_sub(other.nanos), format }
    }

    /// As a floating-point number, which may lose digits.
    pub fn approximate(self) -> f64 {
        self.nanos as f64 / NANOS as f64
    }
}

/// Amounts are compared, not how they are written.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The canonical form: no fraction, the largest suffix that leaves none.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let small = self.nanos.unsigned_abs() < 1024 * NANOS.unsigned_abs();
        match self.format {
            Format::BinarySi if !small && self.is_whole() => {
                let (number, steps) = without_factor(self.nanos / NANOS, 1024, 6);
                write!(f, "{number}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][steps])
            }
            Format::DecimalExponent => {
                let (number, steps) = without_factor(self.nanos, 1000, usize::MAX);
                match steps * 3 {
                    9 => write!(f, "{number}"),
                    exponent => write!(f, "{number}e{}", exponent as i64 - 9),
                }
            }
            Format::BinarySi | Format::DecimalSi => {
                let (number, steps) = without_factor(self.nanos, 1000, 9);
                let suffix = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][steps];
                write!(f, "{number}{suffix}")
            }
        }
    }
}

/// Takes a factor out of a number as often as it is in it; how often.
fn without_factor(mut number: i128, factor: i128, at_most: usize) -> (i128, usize) {
    let mut steps = 0;
    while steps < at_most && number % factor == 0 {
        number /= factor;
        steps += 1;
    }
    (number, steps)
}

fn divide_up(number: i128, by: i128) -> i128 {
    let rest = number % by;
    number / by + rest.signum()
}

fn clamp(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}
