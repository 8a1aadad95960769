//! The store in a real etcd cluster (v3 protocol), for many servers.
//!
//! Keys, revisions, leases and compaction are etcd's own, laid out as Kubernetes does, so that its
//! tools work. The client is written here on `h2`: the only one there is generates its code with
//! `protoc`, which a build of Teu must not need, and what is used of the protocol is small. Reads
//! move on to another member when one fails; a write whose answer was lost is `Uncertain`, never
//! done twice. All work runs on the runtime that was handed in.

mod members;
mod message;
mod rpc;
mod watch;

use crate::error::{Error, Invalid};
use crate::kv::{KeyValue, LeaseId, Revision, Span};
use crate::reply::Reply;
use crate::store::{Consistency, Found, Listed, Range, Status, Store, io_error};
use crate::txn::{Change, Expect, Outcome, Txn, check_key};
use crate::watch::{Watch, WatchRequest};
use bytes::Bytes;
use members::{Members, Repeat, Times};
use message as wire;
use rpc::{Connection, Failure, Target};
use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Keys of one page of a list without a limit.
const PAGE: usize = 1000;
/// The longest lease that etcd grants.
const MAX_LEASE_S: u64 = 9_000_000_000;

/// One member's address for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Where a cluster is, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its members, or some of them.
    pub endpoints: Vec<Endpoint>,
    /// Whom to trust and who we are; `None` speaks in the clear.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// For a connection, sign of life included.
    pub connect: Duration,
    /// For one member to answer a call.
    pub attempt: Duration,
    /// For a call, all tries together.
    pub call: Duration,
    /// Between two signs of life of an open connection, and for each to come.
    pub heartbeat: Duration,
    /// Whether members order reports of progress with events: `None` believes it of versions that
    /// do (3.4.25, 3.5.8 and later; before, a report could overtake events).
    pub ordered_progress: Option<bool>,
}

impl Config {
    /// The usual times.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            tls: None,
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(5),
            call: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            ordered_progress: None,
        }
    }
}

/// A cluster.
pub struct Etcd {
    members: Arc<Members>,
    runtime: Handle,
    ordered_progress: bool,
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Etcd({})", self.members.describe())
    }
}

impl Etcd {
    /// Connects to some member; the work runs on the runtime.
    pub async fn connect(config: Config, runtime: Handle) -> Result<Self, Error> {
        let tls = config.tls.map(|tls| {
            let mut tls = (*tls).clone();
            tls.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(tls)
        });
        let target = |endpoint: Endpoint| Target {
            host: endpoint.host,
            port: endpoint.port,
            tls: tls.clone(),
            connect: config.connect,
            heartbeat: config.heartbeat,
        };
        let targets = config.endpoints.into_iter().map(target).collect();
        let times = Times { attempt: config.attempt, call: config.call };
        let members = Arc::new(Members::new(targets, times));
        let asked = Arc::clone(&members);
        let status = Self::spawn(&runtime, async move { status(&asked).await }).await?;
        let ordered_progress =
            config.ordered_progress.unwrap_or_else(|| orders_progress(&status.version));
        Ok(Self { members, runtime, ordered_progress })
    }

    async fn spawn<T: Send + 'static>(
        runtime: &Handle,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        runtime.spawn(future).await.unwrap_or(Err(Error::Closed))
    }

    /// A reply from a task of the runtime, so that whoever waits needs none.
    fn reply<T, F>(&self, act: impl FnOnce(Arc<Members>) -> F) -> Reply<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let task = self.runtime.spawn(act(Arc::clone(&self.members)));
        Reply::boxed(async move { task.await.unwrap_or(Err(Error::Closed)) })
    }
}

/// Whether a version orders reports of progress with events.
fn orders_progress(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let (major, minor, patch) = (parts.next(), parts.next(), parts.next());
    match (major.unwrap_or(0), minor.unwrap_or(0), patch.unwrap_or(0)) {
        (3, 4, patch) => patch >= 25,
        (3, 5, patch) => patch >= 8,
        (3, minor, _) => minor > 5,
        (major, _, _) => major > 3,
    }
}

/// etcd counts with a sign.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn kv(kv: wire::Kv) -> KeyValue {
    KeyValue {
        key: kv.key,
        value: kv.value,
        created: unsigned(kv.create_revision),
        modified: unsigned(kv.mod_revision),
        lease: unsigned(kv.lease),
    }
}

/// The end of a span as etcd writes it: a zero byte for no end.
fn range_end(span: &Span) -> Bytes {
    if span.end.is_empty() { Bytes::from_static(b"\0") } else { span.end.clone() }
}

/// The beginning: etcd refuses an empty one.
fn range_start(span: &Span) -> Bytes {
    if span.start.is_empty() { Bytes::from_static(b"\0") } else { span.start.clone() }
}

/// What etcd's words about revisions and leases mean.
fn meaning(members: &Members, failure: Failure, repeat: Repeat, asked: u64) -> Error {
    match &failure {
        Failure::Status { message, .. } if message.contains("has been compacted") => {
            Error::Compacted { asked, compacted: 0 }
        }
        Failure::Status { message, .. } if message.contains("future revision") => {
            Error::Future { asked, current: 0 }
        }
        Failure::Status { message, .. } if message.contains("lease not found") => {
            Error::NoLease(asked)
        }
        _ => members.error(failure, repeat),
    }
}

async fn status(members: &Members) -> Result<wire::StatusResponse, Error> {
    let path = "/etcdserverpb.Maintenance/Status";
    let answer = members.call(path, &wire::Nothing {}, Repeat::Always).await;
    answer.map_err(|failure| members.error(failure, Repeat::Always))
}

async fn range(members: &Members, range: &Range) -> Result<Listed, Error> {
    let mut listed = Listed { revision: 0, kvs: Vec::new(), more: false, count: 0 };
    if range.span.is_empty() {
        listed.revision = unsigned(status(members).await?.header.map_or(0, |it| it.revision));
        return Ok(listed);
    }
    let (mut span, mut at) = (range.span.clone(), range.at);
    loop {
        let request = wire::RangeRequest {
            key: range_start(&span),
            range_end: range_end(&span),
            limit: i64::try_from(if range.limit == 0 { PAGE } else { range.limit }).unwrap_or(0),
            revision: number(at),
            serializable: range.consistency == Consistency::Local,
        };
        let path = "/etcdserverpb.KV/Range";
        let answer = members.call(path, &request, Repeat::Always).await;
        let answer: wire::RangeResponse =
            answer.map_err(|failure| meaning(members, failure, Repeat::Always, at))?;
        let revision = unsigned(answer.header.map_or(0, |header| header.revision));
        if listed.revision == 0 {
            listed.revision = revision;
            listed.count = if range.count { unsigned(answer.count) } else { 0 };
        }
        listed.kvs.extend(answer.kvs.into_iter().map(|found| Arc::new(kv(found))));
        listed.more = answer.more;
        let Some(last) = listed.kvs.last().filter(|_| answer.more && range.limit == 0) else {
            return Ok(listed);
        };
        // The rest, as it stood with the first page.
        span = range.span.behind(&last.key);
        at = if at == 0 { listed.revision } else { at };
    }
}

fn transaction(txn: &Txn) -> wire::TxnRequest {
    let compare = txn.writes.iter().filter_map(|write| {
        let revision = match write.expect {
            Expect::Any => return None,
            Expect::Absent => 0,
            Expect::Revision(revision) => number(revision),
        };
        let key = write.key.clone();
        // Target 2 is the revision of the last change, which is 0 where there is no key.
        Some(wire::Compare { target: 2, key, mod_revision: Some(revision) })
    });
    let success = txn.writes.iter().filter_map(|write| {
        let key = write.key.clone();
        Some(match &write.change {
            Change::Check => return None,
            Change::Delete => wire::Op::Delete(wire::DeleteRequest { key }),
            Change::Put { value, lease } => {
                let (value, lease) = (value.clone(), number(*lease));
                wire::Op::Put(wire::PutRequest { key, value, lease })
            }
        })
    });
    let failure = txn.writes.iter().map(|write| {
        wire::Op::Range(wire::RangeRequest { key: write.key.clone(), ..Default::default() })
    });
    let op = |op| wire::RequestOp { op: Some(op) };
    wire::TxnRequest {
        compare: compare.collect(),
        success: success.map(op).collect(),
        failure: failure.map(op).collect(),
    }
}

async fn commit(members: &Members, txn: &Txn) -> Result<Outcome, Error> {
    let path = "/etcdserverpb.KV/Txn";
    let answer = members.call(path, &transaction(txn), Repeat::IfNotDone).await;
    let leases = txn.writes.iter().find_map(|write| match write.change {
        Change::Put { lease, .. } if lease != 0 => Some(lease),
        _ => None,
    });
    let answer: wire::TxnResponse = answer
        .map_err(|failure| meaning(members, failure, Repeat::IfNotDone, leases.unwrap_or(0)))?;
    let revision = unsigned(answer.header.map_or(0, |header| header.revision));
    if answer.succeeded {
        return Ok(Outcome::Done { revision });
    }
    let found = |response: wire::ResponseOp| {
        let found = response.range?.kvs.into_iter().next()?;
        Some(Arc::new(kv(found)))
    };
    Ok(Outcome::Conflict { revision, current: answer.responses.into_iter().map(found).collect() })
}

async fn keep_alive(members: &Members, lease: LeaseId) -> Result<u64, Error> {
    // A stream in etcd's protocol; one question, one answer is all that is wanted of it.
    let path = "/etcdserverpb.Lease/LeaseKeepAlive";
    let request = wire::LeaseRequest { id: number(lease) };
    let answer = members.call(path, &request, Repeat::Always).await;
    let answer: wire::LeaseResponse =
        answer.map_err(|failure| meaning(members, failure, Repeat::Always, lease))?;
    match unsigned(answer.ttl) {
        0 => Err(Error::NoLease(lease)),
        seconds => Ok(seconds),
    }
}

async fn snapshot(members: &Members, mut sink: Box<dyn Write + Send>) -> Result<u64, Error> {
    let failed = |failure| members.error(failure, Repeat::Always);
    let connection = members.connection().await.map_err(failed)?;
    let path = "/etcdserverpb.Maintenance/Snapshot";
    let mut call = connection.start(path).await.map_err(failed)?;
    call.send(&wire::Nothing {}, true).map_err(failed)?;
    let mut bytes = 0;
    while let Some(part) = call.next::<wire::SnapshotResponse>().await.map_err(failed)? {
        bytes += part.blob.len() as u64;
        let written = sink.write_all(&part.blob);
        written.map_err(|error| io_error("writing the snapshot", &error))?;
    }
    sink.flush().map_err(|error| io_error("writing the snapshot", &error))?;
    Ok(bytes)
}

/// Every member has a file of its own.
async fn defragment(members: &Members) -> Result<(), Error> {
    let failed = |failure| members.error(failure, Repeat::Always);
    for target in members.targets() {
        let connection = Connection::open(target).await.map_err(failed)?;
        let path = "/etcdserverpb.Maintenance/Defragment";
        let answer = connection.unary(path, &wire::Nothing {}, members.times().call * 4).await;
        connection.give_up();
        let _: wire::Nothing = answer.map_err(failed)?;
    }
    Ok(())
}

impl Store for Etcd {
    fn get(&self, key: &[u8], consistency: Consistency) -> Reply<Found> {
        if let Err(error) = check_key(key) {
            return Reply::now(Err(error));
        }
        let key = Bytes::copy_from_slice(key);
        self.reply(|members| async move {
            let one = Range { limit: 1, consistency, ..Range::all(Span::key(key)) };
            let listed = range(&members, &one).await?;
            Ok(Found { revision: listed.revision, kv: listed.kvs.into_iter().next() })
        })
    }

    fn range(&self, wanted: Range) -> Reply<Listed> {
        self.reply(|members| async move { range(&members, &wanted).await })
    }

    fn commit(&self, txn: Txn) -> Reply<Outcome> {
        match txn.check() {
            Ok(()) => self.reply(|members| async move { commit(&members, &txn).await }),
            Err(error) => Reply::now(Err(error)),
        }
    }

    fn watch(&self, mut request: WatchRequest) -> Reply<Watch> {
        request.span.start = range_start(&request.span);
        let (receiver, starting) = {
            let _runtime = self.runtime.enter();
            watch::start(Arc::clone(&self.members), request, self.ordered_progress)
        };
        Reply::boxed(async move {
            starting.await.unwrap_or(Err(Error::Closed))?;
            Ok(Watch::new(receiver))
        })
    }

    fn grant(&self, seconds: u64) -> Reply<LeaseId> {
        if !(1..=MAX_LEASE_S).contains(&seconds) {
            let refused = Invalid::LeaseTime { limit_s: MAX_LEASE_S };
            return Reply::now(Err(Error::Invalid(refused)));
        }
        self.reply(|members| async move {
            let path = "/etcdserverpb.Lease/LeaseGrant";
            let request = wire::GrantRequest { ttl: number(seconds) };
            // A lease too many ends by itself.
            let answer = members.call(path, &request, Repeat::Always).await;
            let answer: wire::LeaseResponse =
                answer.map_err(|failure| members.error(failure, Repeat::Always))?;
            Ok(unsigned(answer.id))
        })
    }

    fn keep_alive(&self, lease: LeaseId) -> Reply<u64> {
        self.reply(|members| async move { keep_alive(&members, lease).await })
    }

    fn revoke(&self, lease: LeaseId) -> Reply<()> {
        self.reply(|members| async move {
            let path = "/etcdserverpb.Lease/LeaseRevoke";
            let request = wire::LeaseRequest { id: number(lease) };
            let answer = members.call(path, &request, Repeat::IfNotDone).await;
            let _: wire::Nothing =
                answer.map_err(|failure| meaning(&members, failure, Repeat::IfNotDone, lease))?;
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> Reply<()> {
        self.reply(|members| async move {
            let path = "/etcdserverpb.KV/Compact";
            let request = wire::CompactRequest { revision: number(revision) };
            let answer = members.call(path, &request, Repeat::Always).await;
            let _: wire::Nothing =
                answer.map_err(|failure| meaning(&members, failure, Repeat::Always, revision))?;
            Ok(())
        })
    }

    fn defragment(&self) -> Reply<()> {
        self.reply(|members| async move { defragment(&members).await })
    }

    fn snapshot(&self, sink: Box<dyn Write + Send>) -> Reply<u64> {
        self.reply(|members| async move { snapshot(&members, sink).await })
    }

    fn status(&self) -> Reply<Status> {
        self.reply(|members| async move {
            // The member's own status may be behind; a read that all agree on is not.
            let probe = Range { limit: 1, ..Range::all(Span::key(&b"\0"[..])) };
            let revision = range(&members, &probe).await?.revision;
            let status = status(&members).await?;
            Ok(Status {
                revision,
                compacted: 0,
                disk_bytes: unsigned(status.db_size),
                data_bytes: 0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::orders_progress;

    #[test]
    fn versions() {
        for (version, expected) in [
            ("3.4.23", false),
            ("3.4.25", true),
            ("3.5.7", false),
            ("3.5.8", true),
            ("3.6.0-rc.1", true),
            ("3.3.27", false),
            ("4.0.0", true),
            ("", false),
        ] {
            assert_eq!(orders_progress(version), expected, "{version}");
        }
    }
}
