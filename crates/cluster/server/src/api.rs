//! What every operation shares: the table, the store, the clock, who may, what is counted.
//!
//! The operations themselves are methods of [`Api`] in `verbs`: they take a [`Call`] and values and
//! know nothing of HTTP, so that controllers in this process use the same ones (`local`).

use crate::admission::Memo;
use crate::aggregate::Aggregated;
use crate::audit::Audit;
use crate::auth::oidc::Issuers;
use crate::auth::{Access, Accounts, Authenticator, Authorizer, User};
use crate::connect::Nodes;
use crate::credentials::Held;
use crate::current::Current;
use crate::fairness::Fairness;
use crate::lifetimes::Lifetimes;
use crate::metrics::Metrics;
use crate::outgoing::Outgoing;
use crate::reload::Reloads;
use crate::sealing::Sealings;
use crate::table::{Entry, Rows, Table};
use crate::time::{SystemWall, Wall};
use crate::turns::Turns;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use teu_api::admission::mutation::Mutator;
use teu_api::admission::policy::Policy;
use teu_api::admission::webhook::Webhook;
use teu_api::decode::Strictness;
use teu_api::{Cause, CauseKind, Status};
use teu_kubernetes::openapi::Documents;
use teu_kubernetes::{Schema, type_schema};
use teu_store::{Error as StoreError, Store};
use teu_web::Shutdown;

/// The API server without its listeners.
pub struct Api {
    /// Which resources there are.
    pub table: Table,
    /// Where objects are.
    pub store: Arc<dyn Store>,
    /// The time of day.
    pub wall: Arc<dyn Wall>,
    /// Who a request is from.
    pub authenticator: Box<dyn Authenticator>,
    /// What they may.
    pub authorizer: Box<dyn Authorizer>,
    /// Who issues tokens for service accounts; none where nobody does.
    pub accounts: Option<Arc<Accounts>>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whose turn it is.
    pub fairness: Fairness,
    /// The store beneath, and how it is sealed; none where everything is kept as it is.
    pub beneath: Option<(Arc<dyn Store>, Arc<Sealings>)>,
    /// Where others may be called.
    pub outgoing: Outgoing,
    /// What other servers serve.
    pub aggregated: Aggregated,
    /// Who this server is when it hands requests on.
    pub proxy_identity: Held,
    /// Whose tokens are believed beside the cluster's own.
    pub issuers: Current<Issuers>,
    /// Files of the configuration that were taken over.
    pub reloads: Reloads,
    /// Where it is written down who did what; none where nobody wants that.
    pub audit: Option<Arc<Audit>>,
    /// How nodes are called.
    pub nodes: Nodes,
    /// When it stops, watches end.
    pub shutdown: Shutdown,
    /// OpenAPI documents, with the table's generation they are of.
    pub openapi: Mutex<Option<(u64, Arc<Documents>)>>,
    /// Webhooks as they were read.
    pub webhooks: Memo<Vec<Webhook>>,
    /// Policies that judge, compiled.
    pub policies: Memo<Policy>,
    /// Policies that change, compiled.
    pub mutators: Memo<Mutator>,
    /// Where writers wait that were late again and again.
    pub change_turns: Turns,
    /// Where writers wait whose objects are counted by a quota.
    pub quota_turns: Turns,
    /// Leases for what does not stay.
    pub lifetimes: Lifetimes,
    /// Whether other servers may be on the same store.
    pub is_shared: bool,
    /// Whether it has done what has to be done before the first request.
    pub is_ready: AtomicBool,
}

impl Api {
    /// Over a store, with the built-in resources.
    pub fn new(store: Arc<dyn Store>, access: Access, shutdown: Shutdown) -> Self {
        Self {
            table: Table::new(Arc::clone(&store), crate::rows::builtin()),
            store,
            wall: Arc::new(SystemWall),
            authenticator: access.authenticator,
            authorizer: access.authorizer,
            accounts: access.accounts,
            metrics: Metrics::default(),
            fairness: Fairness::default(),
            beneath: None,
            outgoing: Outgoing::default(),
            aggregated: Aggregated::default(),
            proxy_identity: Held::default(),
            issuers: Current::default(),
            reloads: Reloads::default(),
            audit: None,
            nodes: Nodes::default(),
            shutdown,
            openapi: Mutex::default(),
            webhooks: Memo::default(),
            policies: Memo::default(),
            mutators: Memo::default(),
            change_turns: Turns::default(),
            quota_turns: Turns::default(),
            lifetimes: Lifetimes::default(),
            is_shared: false,
            is_ready: AtomicBool::new(false),
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("table", &self.table).finish_non_exhaustive()
    }
}

/// Who does something to what.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub user: Arc<User>,
    /// The resource.
    pub entry: Arc<Entry>,
    /// The table it was found in.
    pub rows: Arc<Rows>,
    /// Namespace; empty for none, or all.
    pub namespace: String,
    /// Name; empty for none yet.
    pub name: String,
    /// Below the object; empty for itself.
    pub subresource: String,
}

/// How something is written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Everything but the writing.
    pub is_dry_run: bool,
    /// Who owns the fields.
    pub manager: String,
    /// Whether an apply takes fields from others.
    pub is_forced: bool,
    /// How strictly fields are looked at.
    pub validation: Strictness,
}

impl Call {
    /// `group`, `resource`, `name`, as a status wants them.
    fn about(&self) -> (&str, &str, &str) {
        (self.entry.group(), self.entry.plural(), &self.name)
    }

    /// 404.
    pub fn not_found(&self) -> Status {
        let (group, plural, name) = self.about();
        Status::not_found(group, plural, name)
    }

    /// 409: changed by another.
    pub fn modified(&self) -> Status {
        let (group, plural, name) = self.about();
        Status::modified(group, plural, name)
    }

    /// 409 with a reason.
    pub fn conflict(&self, why: &str) -> Status {
        let (group, plural, name) = self.about();
        Status::conflict(group, plural, name, why)
    }

    /// 403 with a reason.
    pub fn forbidden(&self, why: &str) -> Status {
        let (group, plural, name) = self.about();
        Status::forbidden(group, plural, name, why)
    }

    /// 422 with causes.
    pub fn invalid(&self, causes: Vec<Cause>) -> Status {
        Status::invalid(self.entry.group(), self.entry.kind(), &self.name, causes)
    }

    /// Whether the subresource is a document of its own (`scale`) and not a part of the object
    /// (`status`).
    pub fn is_derived(&self) -> bool {
        let resource = &self.entry.row.resource;
        let found = resource.subresources.iter().find(|below| below.name == *self.subresource);
        found.is_some_and(|below| !below.kind.is_empty() && below.kind != resource.kind)
    }

    /// What the document that a derived subresource is looks like: its type, version and kind.
    pub fn document(&self) -> Option<(Schema, String, &str)> {
        let below = self.entry.row.resource.subresource(&self.subresource)?;
        let group = below.group.split('.').next().filter(|group| !group.is_empty());
        let (version, kind) = (&below.version, &below.kind);
        let schema =
            type_schema(&format!("io.k8s.api.{}.{version}.{kind}", group.unwrap_or("core")))?;
        let api_version = match group {
            None => version.to_string(),
            Some(_) => format!("{}/{version}", below.group),
        };
        Some((schema, api_version, kind))
    }

    /// The key of its object.
    pub fn key(&self) -> bytes::Bytes {
        self.entry.shelf.key(&self.namespace, &self.name)
    }
}

/// What a client hears of the store.
pub fn store_status(error: StoreError) -> Status {
    match error {
        StoreError::Compacted { .. } => {
            Status::expired("The resourceVersion for the provided list is too old.")
        }
        StoreError::Future { asked, current } => {
            let text = format!("Too large resource version: {asked}, current: {current}");
            let mut status = Status::timeout(text);
            status.retry_seconds = Some(1);
            // By this, not by the text, client-go knows what to do.
            status.causes.push(Cause {
                reason: CauseKind::ResourceVersionTooLarge,
                message: "Too large resource version".to_owned(),
                field: String::new(),
            });
            status
        }
        StoreError::TooLarge { .. } => {
            Status::too_large(format!("etcdserver: request is too large ({error})"))
        }
        StoreError::Overloaded { .. } | StoreError::TooManyWatchers { .. } => {
            Status::too_many_requests(error.to_string(), 1)
        }
        StoreError::Unavailable { .. } | StoreError::Uncertain { .. } => {
            Status::timeout(error.to_string())
        }
        StoreError::Closed => Status::new(503, "ServiceUnavailable", "the server is shutting down"),
        StoreError::Slow { .. } => Status::expired("too old resource version"),
        other => Status::internal(other),
    }
}
