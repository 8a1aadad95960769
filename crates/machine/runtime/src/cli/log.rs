//! Messages: to standard error, and to the file of `--log` as text or as runc's JSON, where
//! dockerd, containerd and conmon look for the reason of a failure.

use super::{Doing, Outcome};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where messages go.
#[derive(Debug)]
pub struct Log {
    file: Option<File>,
    json: bool,
}

/// Prints a line of output.
#[expect(clippy::print_stdout, reason = "the command's output")]
pub fn print(text: &str) {
    println!("{text}");
}

/// Prints a message on standard error.
#[expect(clippy::print_stderr, reason = "the command's message")]
pub fn complain(text: &str) {
    eprintln!("teu runtime: {text}");
}

impl Log {
    /// As the flags say.
    pub fn open(path: Option<&str>, format: Option<&str>) -> Outcome<Self> {
        let json = match format {
            None | Some("" | "text") => false,
            Some("json") => true,
            Some(other) => {
                return Err(super::Failed::new(format!("unknown log-format {other:?}")));
            }
        };
        let file = match path {
            None | Some("" | "/dev/stderr") => None,
            Some(path) => {
                Some(OpenOptions::new().append(true).create(true).open(path).doing(path)?)
            }
        };
        Ok(Self { file, json })
    }

    /// Why the command failed.
    pub fn error(&self, text: &str) {
        complain(text);
        self.write("error", text);
    }

    /// What was left out.
    pub fn warning(&self, text: &str) {
        if self.file.is_none() {
            complain(&format!("warning: {text}"));
        }
        self.write("warning", text);
    }

    /// The same, to the file only.
    pub fn note(&self, text: &str) {
        self.write("warning", text);
    }

    fn write(&self, level: &str, text: &str) {
        let Some(mut file) = self.file.as_ref() else { return };
        let now = rfc3339(SystemTime::now());
        let line = if self.json {
            serde_json::json!({ "level": level, "msg": text, "time": now }).to_string()
        } else {
            format!("time={now:?} level={level} msg={text:?}")
        };
        // A log that cannot be written is no reason to fail: the message is on standard error.
        let _ = writeln!(file, "{line}");
    }
}

/// `2026-11-22T02:41:12.000000001Z`
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let nanos = since.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March 0000, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_795_315_272, "2026-11-22T02:41:12.000000000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
