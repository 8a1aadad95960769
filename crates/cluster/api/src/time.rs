//! Points in time as Kubernetes writes them: RFC 3339, in seconds, in UTC.

const DAY_SECONDS: i64 = 86_400;

/// Writes seconds since 1970.
pub fn rfc3339(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let rest = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads seconds since 1970 (fractions are dropped); `None` if it is no point in time.
pub fn parse(text: &str) -> Option<i64> {
    if !is_rfc3339(text) {
        return None;
    }
    let number = |from: usize, length: usize| text.get(from..from + length)?.parse::<i64>().ok();
    let days = days_since_1970(number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let clock = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    let zone = match text.get(19..)?.find(['+', '-']) {
        None => 0,
        Some(at) => {
            let at = 19 + at;
            let east = number(at + 1, 2)? * 3600 + number(at + 4, 2)? * 60;
            if text.as_bytes().get(at) == Some(&b'-') { -east } else { east }
        }
    };
    Some(days * DAY_SECONDS + clock - zone)
}

/// The days from 1970-01-01 to a date, by the same eras as [`civil`].
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Whether a text is a date and time as RFC 3339 has them, with or without fractions of a second.
pub fn is_rfc3339(text: &str) -> bool {
    let Some((date, rest)) = text.split_once('T') else { return false };
    let end = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts = |text: &str, by: char, lengths: &[usize]| -> Option<Vec<u32>> {
        let parts: Vec<&str> = text.split(by).collect();
        let is_plain = |(part, length): (&&str, &usize)| {
            part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        (parts.len() == lengths.len() && parts.iter().zip(lengths).all(is_plain))
            .then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
    };
    let (Some(date), Some(clock)) = (parts(date, '-', &[4, 2, 2]), parts(clock, ':', &[2, 2, 2]))
    else {
        return false;
    };
    let zone_is_good = match zone.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', ..] => parts(&zone[1..], ':', &[2, 2])
            .is_some_and(|zone| matches!(zone[..], [hours, minutes] if hours < 24 && minutes < 60)),
        _ => false,
    };
    let fraction_is_good =
        !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = matches!(date[..], [year, month, day]
        if (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day));
    let is_clock = matches!(clock[..], [hour, minute, second]
        if hour < 24 && minute < 60 && second < 60);
    zone_is_good && fraction_is_good && is_date && is_clock
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a text is a duration as Go writes them: `1h30m`, `-1.5s`, `0`.
pub fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut any = false;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (number, unit) = rest.split_at(end.unwrap_or(rest.len()));
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let Some(unit) = units.iter().find(|it| unit.starts_with(**it)) else { return false };
        if digits == 0 || number.len() - digits > 1 {
            return false;
        }
        // The longer of `m` and `ms` has come first.
        rest = &rest[number.len() + unit.len()..];
        any = true;
    }
    any
}

/// Days since 1970 as a date, by eras of 400 years that begin in March.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{is_duration, is_rfc3339, rfc3339};

    #[test]
    fn points_in_time_are_read() {
        let check =
            |text: &str, wanted: Option<i64>| assert_eq!(super::parse(text), wanted, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T00:00:00Z", Some(951_782_400));
        check("2026-11-26T15:01:36.5Z", Some(1_795_705_296));
        check("2026-11-26T17:01:36+02:00", Some(1_795_705_296));
        check("2026-11-26T12:31:36.123-02:30", Some(1_795_705_296));
        check("2026-11-31T00:00:00Z", None);
        check("soon", None);
    }

    #[test]
    fn dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_705_296), "2026-11-26T15:01:36Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_651_199), "2026-11-25T23:59:59Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn texts() {
        for good in [
            "2026-11-26T12:00:00Z",
            "2026-11-26T12:00:00.123456Z",
            "2024-02-29T23:59:59+01:00",
            "2026-11-26T12:00:00-07:30",
        ] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "2026-11-26",
            "2026-11-26T12:00:00",
            "2026-11-26 12:00:00Z",
            "2026-13-26T12:00:00Z",
            "2025-02-29T12:00:00Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T12:00:00.Z",
            "2026-11-26T12:00:00+1:00",
            "26-11-26T12:00:00Z",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
        for good in ["0", "1s", "1h30m", "-1.5s", "100ms", "1m1ms", "3µs", ".5h"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "1", "s", "1x", "1.1.1s", "1s1", "-", "."] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
