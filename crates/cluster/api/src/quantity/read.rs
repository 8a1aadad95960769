//! The text of a quantity: sign, digits with one dot, suffix.

use super::{Format, NANOS, Quantity, QuantityError};

/// Bytes that a quantity may have; no sensible one comes near.
const MAX_BYTES: usize = 512;

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(QuantityError::Format);
    }
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = unsigned
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    if number.is_empty() || !is_suffix_like(suffix) {
        return Err(QuantityError::Format);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return Err(QuantityError::Format);
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(QuantityError::Number);
    }
    let suffix = interpret(suffix).ok_or(QuantityError::Suffix)?;
    let (nanos, format) = amount(whole, fraction, suffix);
    Ok(Quantity { nanos: if negative { -nanos } else { nanos }, format })
}

fn is_suffix_like(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    rest.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a suffix multiplies by.
enum Factor {
    Ten(i32, Format),
    Two(u32),
}

fn interpret(suffix: &str) -> Option<Factor> {
    let si = |exponent| Some(Factor::Ten(exponent, Format::DecimalSi));
    match suffix {
        "n" => si(-9),
        "u" => si(-6),
        "m" => si(-3),
        "" => si(0),
        "k" => si(3),
        "M" => si(6),
        "G" => si(9),
        "T" => si(12),
        "P" => si(15),
        "E" => si(18),
        "Ki" => Some(Factor::Two(10)),
        "Mi" => Some(Factor::Two(20)),
        "Gi" => Some(Factor::Two(30)),
        "Ti" => Some(Factor::Two(40)),
        "Pi" => Some(Factor::Two(50)),
        "Ei" => Some(Factor::Two(60)),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some(Factor::Ten(exponent, Format::DecimalExponent))
        }
    }
}

/// Billionths of a number without its sign.
fn amount(whole: &str, fraction: &str, factor: Factor) -> (i128, Format) {
    match factor {
        Factor::Ten(exponent, format) => (decimal(whole, fraction, exponent), format),
        Factor::Two(shift) => {
            let nanos = binary(whole, fraction, shift);
            let cap = i128::from(i64::MAX) * NANOS;
            let format =
                if nanos > 0 && nanos < NANOS { Format::DecimalSi } else { Format::BinarySi };
            (nanos.min(cap), format)
        }
    }
}

/// Digits, with the point where the exponent puts it, as billionths rounded up.
fn decimal(whole: &str, fraction: &str, exponent: i32) -> i128 {
    let mut nanos: i128 = 0;
    let mut inexact = false;
    // The place of a digit, 0 being the billionths.
    let mut place = whole.len() as i64 - 1 + i64::from(exponent) + 9;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(digit - b'0');
        if place >= 0 {
            nanos = nanos.saturating_mul(10).saturating_add(digit);
        } else {
            inexact |= digit != 0;
        }
        place -= 1;
    }
    // What is left are zeros up to the billionths.
    for _ in 0..(place + 1).clamp(0, 40) {
        nanos = nanos.saturating_mul(10);
    }
    nanos.saturating_add(i128::from(inexact))
}

fn binary(whole: &str, fraction: &str, shift: u32) -> i128 {
    let factor = 1_i128 << shift;
    let mut nanos = decimal(whole, "", 0).saturating_mul(factor);
    // Long division of the fraction, digit by digit from its end, would need big numbers: eighteen
    // digits are kept exactly, the rest only rounds up.
    let (kept, rest) = fraction.split_at(fraction.len().min(18));
    if let Ok(digits) = kept.parse::<i128>() {
        let one = 10_i128.pow(kept.len() as u32);
        // factor < 2^61 and digits < 10^18 < 2^60; the billion is multiplied after the whole part
        // has been taken off.
        let product = digits * factor;
        let remainder = product % one * NANOS;
        let more = i128::from(remainder % one != 0 || rest.bytes().any(|byte| byte != b'0'));
        nanos = nanos
            .saturating_add((product / one).saturating_mul(NANOS))
            .saturating_add(remainder / one + more);
    }
    nanos
}
