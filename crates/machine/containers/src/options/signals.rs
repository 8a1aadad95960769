//! Signals by name and number, as `kill`, `--signal` and `--stop-signal` take them.

/// Names by number; signal(7) of x86 and arm.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A text that is no signal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid signal: {0}")]
pub struct InvalidSignal(String);

/// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32, InvalidSignal> {
    let error = || InvalidSignal(text.chars().take(40).collect());
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=RTMAX).contains(&number) { Ok(number) } else { Err(error()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |base: i32, sign: i32, rest: &str| match rest {
        "" => Some(base),
        rest => rest[1..].parse::<i32>().ok().map(|offset| base + sign * offset),
    };
    let number = match name {
        "IOT" => Some(6),
        "POLL" => Some(29),
        "CLD" => Some(17),
        _ => match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
            (Some(rest), _) if rest.is_empty() || rest.starts_with('+') => {
                real_time(RTMIN, 1, rest)
            }
            (_, Some(rest)) if rest.is_empty() || rest.starts_with('-') => {
                real_time(RTMAX, -1, rest)
            }
            _ => NAMES
                .iter()
                .position(|known| *known == name)
                .and_then(|i| i32::try_from(i + 1).ok()),
        },
    };
    number.filter(|number| (1..=RTMAX).contains(number)).ok_or_else(error)
}
