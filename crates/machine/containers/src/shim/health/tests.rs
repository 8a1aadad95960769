//! Scripts of probes and the statuses that follow.

use super::*;

const SECOND: i64 = 1_000_000_000;

fn asked(test: &[&str]) -> Healthcheck {
    Healthcheck { test: test.iter().map(|&word| word.to_owned()).collect(), ..Default::default() }
}

#[test]
fn commands() {
    let command = |test: &[&str]| Check::new(&asked(test)).map(|check| check.command.join("|"));
    assert_eq!(command(&["CMD", "curl", "-f"]).as_deref(), Some("curl|-f"));
    assert_eq!(command(&["CMD-SHELL", "a || b"]).as_deref(), Some("/bin/sh|-c|a || b"));
    for nothing in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"], &["curl"]] {
        assert_eq!(command(nothing), None, "{nothing:?}");
    }
}

/// Statuses after each probe `(seconds since the start, exit code)`.
fn check(asked: &Healthcheck, probes: &[(u64, i32)], expected: &[&str]) {
    let check = Check::new(asked).unwrap();
    let mut health = Check::first();
    let statuses: Vec<String> = probes
        .iter()
        .map(|&(at, exit_code)| {
            let before = health.status.clone();
            let probe = Probe { exit_code, ..Probe::default() };
            let changed = check.record(&mut health, probe, Duration::from_secs(at));
            assert_eq!(changed, before != health.status);
            health.status.clone()
        })
        .collect();
    assert_eq!(statuses, expected, "{probes:?}");
    assert!(health.log.len() <= PROBES_KEPT);
}

#[test]
fn three_failures_in_a_row() {
    let plain = asked(&["CMD", "true"]);
    let probes = [(30, 1), (60, 1), (90, 1), (120, 0), (150, 1), (180, 1), (210, 0)];
    let expected = [STARTING, STARTING, UNHEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY];
    check(&plain, &probes, &expected);
    let once = Healthcheck { retries: 1, ..plain };
    check(&once, &[(1, 1), (2, 0), (3, -1)], &[UNHEALTHY, HEALTHY, UNHEALTHY]);
}

#[test]
fn the_start_period_forgives_until_the_first_success() {
    let slow = Healthcheck { start_period: 60 * SECOND, retries: 1, ..asked(&["CMD", "true"]) };
    check(&slow, &[(10, 1), (59, 1), (60, 1)], &[STARTING, STARTING, UNHEALTHY]);
    check(&slow, &[(10, 1), (20, 0), (30, 1)], &[STARTING, HEALTHY, UNHEALTHY]);
}

#[test]
fn pauses() {
    let times = Healthcheck {
        interval: 7 * SECOND,
        start_period: 60 * SECOND,
        start_interval: 2 * SECOND,
        ..asked(&["CMD", "true"])
    };
    let check = Check::new(&times).unwrap();
    let healthy = Health { status: HEALTHY.to_owned(), ..Health::default() };
    let at = Duration::from_secs;
    assert_eq!(check.pause(&Check::first(), at(0)), at(2));
    assert_eq!(check.pause(&Check::first(), at(60)), at(7));
    assert_eq!(check.pause(&healthy, at(1)), at(7));
    let defaults = Check::new(&asked(&["CMD", "true"])).unwrap();
    assert_eq!(defaults.pause(&Check::first(), at(0)), at(30));
    assert_eq!((defaults.timeout, defaults.retries), (at(30), 3));
}
