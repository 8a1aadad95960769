//! Kubernetes' quantities: `500m`, `1.5`, `64Mi`, `2e3`.

/// Thousandths of a quantity; `None` where it is none, or below zero.
pub fn milli(text: &str) -> Option<u128> {
    let (number, factor) = split(text)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0_u128),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = digits(whole)?.checked_mul(scale)?.checked_add(digits(fraction)?)?;
    // Factors are thousandths already; what is finer counts as one more.
    Some(value.checked_mul(factor)?.div_ceil(scale))
}

/// Whole units.
pub fn units(text: &str) -> Option<i64> {
    i64::try_from(milli(text)?.div_ceil(1000)).ok()
}

/// The number and the thousandths that one of its suffix is.
fn split(text: &str) -> Option<(&str, u128)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, u32); 7] =
        [("m", 0), ("k", 6), ("M", 9), ("G", 12), ("T", 15), ("P", 18), ("E", 21)];
    for (power, suffix) in (1..).zip(BINARY) {
        if let Some(number) = text.strip_suffix(suffix) {
            return Some((number, 1000 * 1024_u128.pow(power)));
        }
    }
    for (suffix, power) in DECIMAL {
        if let Some(number) = text.strip_suffix(suffix) {
            return Some((number, 10_u128.pow(power)));
        }
    }
    if let Some((number, exponent)) = text.split_once(['e', 'E']) {
        let exponent: u32 = exponent.parse().ok().filter(|exponent| *exponent <= 18)?;
        return Some((number, 1000 * 10_u128.pow(exponent)));
    }
    Some((text, 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_and_fractions() {
        let cases = [
            ("1", Some(1000)),
            ("500m", Some(500)),
            ("1.5", Some(1500)),
            ("64Mi", Some(64 * 1024 * 1024 * 1000)),
            ("1G", Some(1_000_000_000_000)),
            ("2e3", Some(2_000_000)),
            ("0.0001", Some(1)),
            (".5", Some(500)),
            ("-1", None),
            ("", None),
            ("1Q", None),
            ("99999999999999999999999Ei", None),
        ];
        for (text, expected) in cases {
            assert_eq!(milli(text), expected, "{text}");
        }
        assert_eq!(units("1500m"), Some(2));
    }
}
