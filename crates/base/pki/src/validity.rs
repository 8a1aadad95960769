//! From when until when a certificate is good. RFC 5280, 4.1.2.5.

use crate::der::{LONG_TIME, SEQUENCE, UTC_TIME, element, numbered, take, wrap};
use time::{Date, Month};

const DAY_SECONDS: i64 = 86_400;
const JULIAN_DAY_OF_1970: i64 = 2_440_588;
/// Times until then have two digits for their year: 2050-01-01.
const LONG_FROM: i64 = 2_524_608_000;

/// The time in which a certificate is good, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub begins: i64,
    /// The last.
    pub ends: i64,
}

impl Validity {
    /// Reads it from a certificate in DER.
    pub fn of(mut certificate: &[u8]) -> Option<Self> {
        let mut outer = take(&mut certificate, SEQUENCE)?;
        let mut body = take(&mut outer, SEQUENCE)?;
        if body.first() == Some(&numbered(0)) {
            element(&mut body)?;
        }
        // Serial number, signature, issuer.
        for _ in 0..3 {
            element(&mut body)?;
        }
        let mut validity = take(&mut body, SEQUENCE)?;
        Some(Self { begins: read(&mut validity)?, ends: read(&mut validity)? })
    }

    /// As it is written in a certificate.
    pub(crate) fn to_der(self) -> Vec<u8> {
        wrap(SEQUENCE, &[&write(self.begins), &write(self.ends)])
    }
}

fn read(bytes: &mut &[u8]) -> Option<i64> {
    let found = element(bytes)?;
    let text = std::str::from_utf8(found.content).ok()?.strip_suffix('Z')?;
    let text = match found.tag {
        UTC_TIME if text.len() == 12 => {
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            format!("{century}{text}")
        }
        LONG_TIME if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, length: usize| text.get(from..from + length)?.parse::<i64>().ok();
    let days = days_since_1970(number(0, 4)?, number(4, 2)?, number(6, 2)?)?;
    Some(days * DAY_SECONDS + number(8, 2)? * 3600 + number(10, 2)? * 60 + number(12, 2)?)
}

fn write(seconds: i64) -> Vec<u8> {
    let (days, rest) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let clock = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    match seconds < LONG_FROM {
        true => wrap(UTC_TIME, &[format!("{:02}{clock}", year % 100).as_bytes()]),
        false => wrap(LONG_TIME, &[format!("{year:04}{clock}").as_bytes()]),
    }
}

/// Days since 1970 of a date, if there is such a date.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let day = u8::try_from(day).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
    Some(i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970)
}

/// The date of a day since 1970; the last that can be written where it is beyond.
fn civil(days: i64) -> (i32, u8, u8) {
    let day = i32::try_from(days + JULIAN_DAY_OF_1970).ok();
    let date = day.and_then(|day| Date::from_julian_day(day).ok()).unwrap_or(Date::MAX);
    (date.year(), u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let check = |seconds: i64, wanted: &[u8]| {
            let written = write(seconds);
            assert_eq!(written, wanted);
            assert_eq!(read(&mut written.as_slice()), Some(seconds));
        };
        check(1_780_272_000, b"\x17\x0d260601000000Z");
        check(951_782_399, b"\x17\x0d000228235959Z");
        check(951_782_400, b"\x17\x0d000229000000Z");
        check(LONG_FROM, b"\x18\x0f20500101000000Z");
        assert_eq!(read(&mut &b"\x17\x0d26060100000-Z"[..]), None);
        assert_eq!(read(&mut &b"\x17\x02\xffZ"[..]), None);
        assert_eq!(read(&mut &b"\x17\x0d260231000000Z"[..]), None, "no such day");
    }

    #[test]
    fn certificates_say_it() {
        let authority = crate::Authority::create("a").expect("an authority");
        let issued = authority.issue(&crate::Request::client("b")).expect("a certificate");
        let found = Validity::of(&issued.chain()[0]).expect("a validity");
        // An hour before, a year from now.
        assert_eq!(found.ends - found.begins, 365 * 86_400 + 3600);
        assert_eq!(Validity::of(b"\x30\x02\x30\x00"), None);
    }
}
