//! Schedules.

use super::Schedule;
use crate::time::parse as seconds;

fn next(schedule: &str, now: &str) -> i64 {
    Schedule::parse(schedule).unwrap().next_after(seconds(now).unwrap()).unwrap()
}

#[test]
fn the_next_time_is_found() {
    for (schedule, now, then) in [
        ("*/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"),
        ("0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 * * MON", "2026-11-26T12:00:00Z", "2026-11-30T00:00:00Z"),
        ("0 0 13 * FRI", "2026-11-26T12:00:00Z", "2026-11-27T00:00:00Z"),
        ("30 8-10/2 * jan-mar ?", "2026-03-31T10:30:00Z", "2027-01-01T08:30:00Z"),
        ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
        ("@weekly", "2026-11-26T12:00:00Z", "2026-11-29T00:00:00Z"),
        ("@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"),
    ] {
        assert_eq!(next(schedule, now), seconds(then).unwrap(), "{schedule}");
    }
    assert_eq!(Schedule::parse("0 0 31 2 *").unwrap().next_after(0), None);
}

#[test]
fn faults_are_said() {
    for (schedule, why) in [
        ("", "empty spec string"),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@never", "unrecognized descriptor: @never"),
    ] {
        assert_eq!(Schedule::parse(schedule).unwrap_err().to_string(), why);
    }
}
