//! What happened, in numbers, as Prometheus reads them (text format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Methods that are counted by their name; others are `other`, so that no client can make series.
const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/// Method, route and status.
type Series = (&'static str, &'static str, u16);

/// Counters of a registry.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Series, (u64, Duration)>>,
    /// Bytes of answers that were begun.
    pub sent_bytes: AtomicU64,
    /// Bytes of uploads.
    pub received_bytes: AtomicU64,
    /// Notifications that reached nobody.
    pub hooks_lost: AtomicU64,
    /// Reads of upstreams' content that was here.
    pub cache_hits: AtomicU64,
    /// Those for which the upstream was asked.
    pub cache_misses: AtomicU64,
    /// Those that were answered without it, for it was gone.
    pub cache_stale: AtomicU64,
    /// Bytes of blobs that were fetched from upstreams.
    pub fetched_bytes: AtomicU64,
}

/// What is at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    /// Repositories.
    pub repositories: usize,
    /// Manifests in them.
    pub manifests: usize,
    /// Tags in them.
    pub tags: usize,
    /// Bytes in them, shared ones once for each.
    pub bytes: u64,
    /// Uploads that have not ended.
    pub uploads: usize,
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn count(&self, method: &str, route: &'static str, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let row = requests.entry((method, route, status)).or_default();
        row.0 += 1;
        row.1 += took;
    }

    /// The page.
    pub fn render(&self, gauges: Gauges) -> String {
        let mut page = String::new();
        let head = |page: &mut String, name: &str, kind: &str, help: &str| {
            // Writing to a String does not fail.
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        head(&mut page, "teu_registry_requests_total", "counter", "Requests answered.");
        for ((method, route, status), (count, _)) in &requests {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            let _ = writeln!(page, "teu_registry_requests_total{{{labels}}} {count}");
        }
        let name = "teu_registry_request_seconds_total";
        head(&mut page, name, "counter", "Seconds until answers were begun.");
        for ((method, route, status), (_, took)) in &requests {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            let _ = writeln!(page, "{name}{{{labels}}} {}", took.as_secs_f64());
        }
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let numbers: [(&str, &str, &str, u64); 12] = [
            ("sent_bytes_total", "counter", "Bytes of answers.", load(&self.sent_bytes)),
            ("received_bytes_total", "counter", "Bytes uploaded.", load(&self.received_bytes)),
            ("hooks_lost_total", "counter", "Notifications given up.", load(&self.hooks_lost)),
            ("cache_hits_total", "counter", "Upstreams' content found.", load(&self.cache_hits)),
            ("cache_misses_total", "counter", "Upstreams asked.", load(&self.cache_misses)),
            ("cache_stale_total", "counter", "Upstreams gone.", load(&self.cache_stale)),
            ("fetched_bytes_total", "counter", "Bytes fetched.", load(&self.fetched_bytes)),
            ("repositories", "gauge", "Repositories.", gauges.repositories as u64),
            ("manifests", "gauge", "Manifests.", gauges.manifests as u64),
            ("tags", "gauge", "Tags.", gauges.tags as u64),
            ("content_bytes", "gauge", "Bytes of all repositories.", gauges.bytes),
            ("uploads", "gauge", "Uploads under way.", gauges.uploads as u64),
        ];
        for (name, kind, help, value) in numbers {
            let name = format!("teu_registry_{name}");
            head(&mut page, &name, kind, help);
            let _ = writeln!(page, "{name} {value}");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_kind_and_no_client_makes_series() {
        let metrics = Metrics::default();
        for method in ["GET", "GET", "BREW", "X-1"] {
            metrics.count(method, "blob", 200, Duration::from_millis(250));
        }
        let page = metrics.render(Gauges { repositories: 3, ..Gauges::default() });
        for line in [
            "teu_registry_requests_total{method=\"GET\",route=\"blob\",status=\"200\"} 2",
            "teu_registry_request_seconds_total{method=\"GET\",route=\"blob\",status=\"200\"} 0.5",
            "teu_registry_requests_total{method=\"other\",route=\"blob\",status=\"200\"} 2",
            "teu_registry_repositories 3",
            "# TYPE teu_registry_uploads gauge",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
