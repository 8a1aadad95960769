//! What was found, as Markdown.

use super::measure::Samples;
use std::time::Duration;

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// What was compared.
    pub case: String,
    /// Who did it.
    pub who: String,
    /// How often.
    pub count: usize,
    /// With its unit.
    pub p50: String,
    pub p99: String,
    pub max: String,
    /// For the ratio; in the unit of the case.
    pub value: f64,
}

impl Row {
    /// Of times.
    pub fn of_times(case: &str, who: &str, samples: &Samples) -> Self {
        let p50 = samples.percentile(50);
        Self {
            case: case.to_owned(),
            who: who.to_owned(),
            count: samples.count(),
            p50: time(p50),
            p99: time(samples.percentile(99)),
            max: time(samples.max()),
            value: p50.as_secs_f64(),
        }
    }

    /// Of one number.
    pub fn of_kib(case: &str, who: &str, count: usize, kib: f64) -> Self {
        Self {
            case: case.to_owned(),
            who: who.to_owned(),
            count,
            p50: format!("{kib:.0} KiB"),
            p99: String::new(),
            max: String::new(),
            value: kib,
        }
    }
}

/// With three digits that count.
pub fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        ..100.0 => format!("{millis:.1} ms"),
        ..10_000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

/// The table; ratios are to the first row of the same case, which is Teu's.
pub fn markdown(rows: &[Row], machine: &str) -> String {
    let mut text = format!("{machine}. All rows of a case were measured in turns in one run.\n\n");
    text.push_str("| case | who | n | p50 | p99 | max | × Teu |\n|---|---|--:|--:|--:|--:|--:|\n");
    for row in rows {
        let first = rows.iter().find(|other| other.case == row.case).map_or(row.value, |r| r.value);
        let ratio = if first > 0.0 { format!("{:.2}", row.value / first) } else { String::new() };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {ratio} |\n",
            row.case, row.who, row.count, row.p50, row.p99, row.max
        ));
    }
    text
}
