//! Scripts of endings and the pauses that follow.

use super::*;

fn ending(exit_code: i32, ran_s: u64, restart_count: u32) -> Ending {
    Ending { exit_code, ran: Duration::from_secs(ran_s), restart_count, stopped_by_user: false }
}

/// Pauses in milliseconds after each (exit code, seconds it ran); -1 for the end.
fn check(policy: RestartPolicy, runs: &[(i32, u64)], expected: &[i128]) {
    let mut backoff = Backoff::default();
    let pauses: Vec<i128> = (0..)
        .zip(runs)
        .map(|(count, &(code, ran))| match backoff.next(policy, ending(code, ran, count)) {
            Some(pause) => i128::try_from(pause.as_millis()).unwrap(),
            None => -1,
        })
        .collect();
    assert_eq!(pauses, expected, "{policy:?} after {runs:?}");
}

#[test]
fn pauses_double_to_a_minute_and_reset() {
    check(RestartPolicy::Always, &[(0, 0); 5], &[100, 200, 400, 800, 1600]);
    check(RestartPolicy::Always, &[(1, 0), (1, 9), (1, 10), (1, 0)], &[100, 200, 100, 200]);
    let long = [(1, 0); 12];
    let expected = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000];
    check(RestartPolicy::UnlessStopped, &long, &expected);
}

#[test]
fn policies() {
    check(RestartPolicy::No, &[(1, 0)], &[-1]);
    check(
        RestartPolicy::OnFailure { max_retries: 0 },
        &[(1, 0), (137, 0), (0, 0)],
        &[100, 200, -1],
    );
    check(RestartPolicy::OnFailure { max_retries: 2 }, &[(1, 0), (1, 0), (1, 0)], &[100, 200, -1]);
}

#[test]
fn a_stop_holds_every_policy() {
    for policy in [
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure { max_retries: 0 },
    ] {
        let stopped = Ending { stopped_by_user: true, ..ending(137, 100, 0) };
        assert_eq!(Backoff::default().next(policy, stopped), None, "{policy:?}");
    }
}
