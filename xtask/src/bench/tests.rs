//! Options, order statistics and the table.

use super::measure::Samples;
use super::table::{Row, markdown, time};
use super::{MARKS, parse, replace};
use std::time::Duration;

fn samples(millis: &[u64]) -> Samples {
    let mut samples = Samples::default();
    for value in millis {
        samples.add(Duration::from_millis(*value));
    }
    samples
}

#[test]
fn percentiles_by_nearest_rank() {
    let hundred: Vec<u64> = (1..=100).rev().collect();
    let all = samples(&hundred);
    assert_eq!(all.percentile(50), Duration::from_millis(50));
    assert_eq!(all.percentile(99), Duration::from_millis(99));
    assert_eq!(all.max(), Duration::from_millis(100));
    assert_eq!(samples(&[7]).percentile(99), Duration::from_millis(7));
    assert_eq!(Samples::default().percentile(50), Duration::ZERO);
    assert_eq!(samples(&[1, 2, 3, 4]).part(2..4).percentile(50), Duration::from_millis(3));
}

#[test]
fn times_have_their_unit() {
    for (micros, expected) in
        [(1234, "1.23 ms"), (12_340, "12.3 ms"), (123_400, "123 ms"), (12_340_000, "12.3 s")]
    {
        assert_eq!(time(Duration::from_micros(micros)), expected);
    }
}

#[test]
fn ratios_are_to_the_first_of_the_case() {
    let rows = [
        Row::of_times("a", "teu", &samples(&[10])),
        Row::of_times("a", "crun", &samples(&[25])),
        Row::of_kib("b", "teu", 10, 400.0),
    ];
    let text = markdown(&rows, "Linux");
    assert!(text.contains("| a | teu | 1 | 10.0 ms | 10.0 ms | 10.0 ms | 1.00 |"), "{text}");
    assert!(text.contains("| a | crun | 1 | 25.0 ms | 25.0 ms | 25.0 ms | 2.50 |"), "{text}");
    assert!(text.contains("| b | teu | 10 | 400 KiB |  |  | 1.00 |"), "{text}");
}

#[test]
fn options() {
    let options = parse(&["--rounds", "5", "--without", "docker", "start", "many"]).unwrap();
    assert_eq!((options.rounds, options.cases.len()), (5, 2));
    assert!(options.wants("start") && !options.wants("build") && !options.has("docker"));
    assert!(parse(&[]).unwrap().wants("unpack"));
    for bad in [&["--rounds"][..], &["--rounds", "0"], &["nonsense"], &["--count", "1"]] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_table_goes_between_the_marks() {
    let text = format!("before {} old {} after", MARKS[0], MARKS[1]);
    let expected = format!("before {}\nnew\n{} after", MARKS[0], MARKS[1]);
    assert_eq!(replace(&text, "new"), Some(expected));
    assert_eq!(replace("none", "new"), None);
}
