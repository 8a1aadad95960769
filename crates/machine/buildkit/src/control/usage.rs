//! `docker buildx du` and `docker buildx prune`: the builder's cache and the contexts that are kept.

use crate::Inner;
use crate::rpc::{Code, Status};
use crate::sync::KeptUsage;
use crate::wire::{DiskUsageRequest, PruneRequest, Timestamp, UsageRecord};
use std::time::{SystemTime, UNIX_EPOCH};
use teu_builder::RecordUsage;

/// The kind of a context that is kept.
const LOCAL: &str = "source.local";

/// What there is.
pub fn list(inner: &Inner, request: &DiskUsageRequest) -> Result<Vec<UsageRecord>, Status> {
    let filters = Filters::read(&request.filter)?;
    let config = &inner.config;
    let records = teu_builder::usage(&config.state, &config.images).map_err(failed)?;
    let records = records
        .iter()
        .map(record)
        .chain(inner.contexts.usage().into_iter().map(|usage| kept(&usage)));
    Ok(records.filter(|record| filters.pass(record)).collect())
}

/// Removes what is not in use; gives what went.
pub fn prune(inner: &Inner, request: &PruneRequest) -> Result<Vec<UsageRecord>, Status> {
    let filters = Filters::read(&request.filter)?;
    let config = &inner.config;
    let mut removed = Vec::new();
    let only = filters.kind.as_deref();
    if let Some(kind) = only.filter(|kind| *kind != LOCAL) {
        let text = format!("records of type {kind} cannot be pruned by themselves, only {LOCAL}");
        return Err(Status::new(Code::Unimplemented, text));
    }
    let keeps =
        request.keep_duration > 0 || request.reserved_space > 0 || request.max_used_space > 0;
    if only.is_none() {
        let duration_s = request.keep_duration / 1_000_000_000;
        let what = teu_builder::PruneRequest {
            all: request.all,
            unused_since_s: (duration_s > 0).then(|| seconds(SystemTime::now()) - duration_s),
            keep_bytes: u64::try_from(request.reserved_space.max(request.max_used_space))
                .unwrap_or(0),
        };
        let report = teu_builder::prune(&config.state, &config.images, what).map_err(failed)?;
        removed.extend(report.removed.iter().map(record));
    }
    if !keeps {
        removed.extend(inner.contexts.prune().iter().map(kept));
    }
    Ok(removed)
}

/// What of containerd's filter language clients send: `type==…`, `id==…`.
#[derive(Debug, Default)]
struct Filters {
    kind: Option<String>,
    id: Option<String>,
}

impl Filters {
    fn read(texts: &[String]) -> Result<Self, Status> {
        let mut filters = Self::default();
        for text in texts.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()) {
            match text.split_once("==") {
                Some(("type", value)) => filters.kind = Some(value.to_owned()),
                Some(("id", value)) => filters.id = Some(value.to_owned()),
                _ => {
                    let text = format!("filter {text:?} is not supported: type==… and id==… are");
                    return Err(Status::new(Code::InvalidArgument, text));
                }
            }
        }
        Ok(filters)
    }

    fn pass(&self, record: &UsageRecord) -> bool {
        self.kind.as_ref().is_none_or(|kind| record.record_type == *kind)
            && self.id.as_ref().is_none_or(|id| record.id == *id)
    }
}

fn record(usage: &RecordUsage) -> UsageRecord {
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    UsageRecord {
        id: usage.id.clone(),
        mutable: usage.kind == "exec.cachemount",
        in_use: usage.in_use,
        size: i64::try_from(usage.size_bytes).unwrap_or(i64::MAX),
        created_at: at(usage.created_s),
        last_used_at: at(usage.last_used_s),
        usage_count: 1,
        description: usage.description.clone(),
        record_type: usage.kind.to_owned(),
        shared: false,
    }
}

fn kept(usage: &KeptUsage) -> UsageRecord {
    let at = Some(Timestamp { seconds: seconds(usage.used), nanos: 0 });
    UsageRecord {
        id: usage.id.clone(),
        mutable: true,
        in_use: usage.in_use,
        size: i64::try_from(usage.size_bytes).unwrap_or(i64::MAX),
        created_at: at,
        last_used_at: at,
        usage_count: 1,
        description: "files of a client's build context".to_owned(),
        record_type: LOCAL.to_owned(),
        shared: false,
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn failed(error: teu_builder::Error) -> Status {
    Status::new(Code::Unknown, error.to_string())
}
