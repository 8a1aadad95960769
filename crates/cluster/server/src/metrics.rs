//! What is counted, as Prometheus reads it (`apiserver_request_total` and its kin).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use teu_api::flow::Counts;

/// Upper bounds of a request's time, in milliseconds.
const BUCKETS_MS: [u64; 12] = [5, 25, 50, 100, 200, 400, 600, 800, 1000, 4000, 10_000, 60_000];
/// Kinds of requests that are told apart; further ones count as one.
const MAX_SERIES: usize = 4096;

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// As it is authorised.
    pub verb: String,
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Resource.
    pub resource: String,
    /// Below it.
    pub subresource: String,
    /// HTTP's status.
    pub code: u16,
}

#[derive(Debug, Default)]
struct Counted {
    requests: u64,
    buckets: [u64; BUCKETS_MS.len()],
    seconds: f64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    series: Mutex<BTreeMap<Series, Counted>>,
    /// Requests under way.
    pub inflight: AtomicI64,
    /// Watches under way.
    pub watches: AtomicI64,
    /// Events sent to watchers.
    pub watch_events: AtomicU64,
}

impl Metrics {
    /// A request was answered.
    pub fn count(&self, mut series: Series, took: Duration) {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SERIES && !all.contains_key(&series) {
            let verb = "other".to_owned();
            let empty = String::new;
            let (group, version, resource, subresource) = (empty(), empty(), empty(), empty());
            series = Series { verb, group, version, resource, subresource, code: series.code };
        }
        let counted = all.entry(series).or_default();
        counted.requests += 1;
        counted.seconds += took.as_secs_f64();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        for (bucket, bound) in counted.buckets.iter_mut().zip(BUCKETS_MS) {
            *bucket += u64::from(ms <= bound);
        }
    }

    /// All of it as text, with what is counted elsewhere.
    pub fn print(&self, objects: &[(String, usize)], levels: &[Counts]) -> String {
        let mut out = String::new();
        let all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        head(
            &mut out,
            "apiserver_request_total",
            "counter",
            "Requests by verb, resource and code.",
        );
        for (series, counted) in &*all {
            let labels = labels(series);
            let _ = writeln!(
                out,
                "apiserver_request_total{{code=\"{}\",component=\"apiserver\",dry_run=\"\",{labels}}} {}",
                series.code, counted.requests
            );
        }
        head(
            &mut out,
            "apiserver_request_duration_seconds",
            "histogram",
            "Time until the answer began.",
        );
        for (series, counted) in &*all {
            let labels = format!("{},code=\"{}\"", labels(series), series.code);
            let name = "apiserver_request_duration_seconds";
            for (bound, count) in BUCKETS_MS.iter().zip(counted.buckets) {
                let le = Duration::from_millis(*bound).as_secs_f64();
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counted.requests);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", counted.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", counted.requests);
        }
        drop(all);
        head(&mut out, "apiserver_current_inflight_requests", "gauge", "Requests under way.");
        let _ = writeln!(
            out,
            "apiserver_current_inflight_requests {}",
            self.inflight.load(Ordering::Relaxed)
        );
        head(&mut out, "apiserver_longrunning_requests", "gauge", "Watches under way.");
        let _ = writeln!(
            out,
            "apiserver_longrunning_requests{{verb=\"WATCH\"}} {}",
            self.watches.load(Ordering::Relaxed)
        );
        head(&mut out, "apiserver_watch_events_total", "counter", "Events sent to watchers.");
        let _ = writeln!(
            out,
            "apiserver_watch_events_total {}",
            self.watch_events.load(Ordering::Relaxed)
        );
        head(
            &mut out,
            "apiserver_storage_objects",
            "gauge",
            "Objects of resources that are cached.",
        );
        for (resource, count) in objects {
            let _ = writeln!(out, "apiserver_storage_objects{{resource=\"{resource}\"}} {count}");
        }
        print_levels(&mut out, levels);
        out
    }
}

/// What priority and fairness have counted.
fn print_levels(out: &mut String, levels: &[Counts]) {
    type Figure = fn(&Counts) -> u64;
    let figures: [(&str, &str, &str, Figure); 5] = [
        ("nominal_limit_seats", "gauge", "Seats that are a level's own.", |counts| {
            counts.nominal.into()
        }),
        ("current_executing_seats", "gauge", "Seats that are taken.", |counts| counts.taken.into()),
        ("current_inqueue_requests", "gauge", "Requests that wait for a seat.", |counts| {
            counts.waiting as u64
        }),
        ("dispatched_requests_total", "counter", "Requests that had a seat.", |counts| {
            counts.admitted
        }),
        ("rejected_requests_total", "counter", "Requests that got no seat.", |counts| {
            counts.refused
        }),
    ];
    for (name, kind, help, figure) in figures {
        let name = format!("apiserver_flowcontrol_{name}");
        head(out, &name, kind, help);
        for counts in levels {
            let level = &counts.level;
            let _ = writeln!(out, "{name}{{priority_level=\"{level}\"}} {}", figure(counts));
        }
    }
}

fn labels(series: &Series) -> String {
    let Series { verb, group, version, resource, subresource, .. } = series;
    let verb = match &**verb {
        "deletecollection" => "DELETECOLLECTION".to_owned(),
        "create" => "POST".to_owned(),
        "update" => "PUT".to_owned(),
        other => other.to_uppercase(),
    };
    format!(
        "group=\"{group}\",resource=\"{resource}\",subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
    )
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
