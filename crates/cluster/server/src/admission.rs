//! Between what a client sent and what is stored: rules that look at other objects, policies and
//! webhooks. What they decide is pure and in [`teu_api::admission`]; here they are found, asked in
//! order, and their changes made.
//!
//! First everything that changes the object ([`Api::mutate`]): what is built in, policies, webhooks (again,
//! if others changed what they had seen and they want that). When it has been prepared and is
//! valid, everything that only judges it ([`Api::judge`]). Where nothing can be changed, on a deletion,
//! webhooks of the first kind are asked all the same: they may refuse.

mod builtin;
mod memo;
mod nodes;
mod place;
mod policies;
mod quotas;
mod signers;
mod webhooks;

pub use memo::Memo;
pub use place::Place;
pub use quotas::{Charge, TRIES as CHARGES};

use crate::api::{Api, Call, store_status};
use crate::auth::reviews::user_value;
use crate::table::Rows;
use crate::verbs::read::object;
use serde_json::{Value, json};
use std::sync::LazyLock;
use teu_api::Status;
use teu_api::admission::matching::is_exempt;
use teu_api::admission::{Operation, Request};
use teu_kubernetes::Schema;
use teu_store::Consistency;
use teu_store::cache::ListAt;

/// What is admitted, beside its object.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Who does it to what.
    pub call: &'a Call,
    /// What is done.
    pub operation: Operation,
    /// The object as it is; none on a create.
    pub old: Option<&'a Value>,
    /// Whether nothing is stored.
    pub is_dry_run: bool,
    user: Value,
    namespace: Option<Value>,
    /// Of what the document is made that is judged in the place of the object.
    document: Option<Schema>,
}

impl<'a> Subject<'a> {
    /// Group, version and kind of what is judged: a connection's options, or a part that is only made,
    /// have their own.
    fn kind(&self) -> (&str, &str, &str) {
        let resource = &self.call.entry.row.resource;
        match (self.operation, resource.subresource(&self.call.subresource)) {
            (Operation::Connect | Operation::Create, Some(part)) if !part.kind.is_empty() => {
                (&part.group, &part.version, &part.kind)
            }
            _ => (&resource.group, &resource.version, &resource.kind),
        }
    }

    /// The request as rules see it, with the object as it is now.
    fn request<'b>(&'b self, object: Option<&'b Value>) -> Request<'b>
    where
        'a: 'b,
    {
        let resource = &self.call.entry.row.resource;
        let namespace = match crate::verbs::delete::is_namespace(self.call) {
            true => &self.call.name,
            false => &self.call.namespace,
        };
        Request {
            operation: self.operation,
            group: &resource.group,
            version: &resource.version,
            resource: &resource.plural,
            kind: self.kind(),
            subresource: &self.call.subresource,
            namespace,
            name: &self.call.name,
            object,
            old: self.old,
            schema: self.document.as_ref().unwrap_or(&self.call.entry.row.schema),
            user: &self.user,
            options: options(self.operation),
            dry_run: self.is_dry_run,
        }
    }
}

impl Api {
    /// What is to be admitted; its namespace is looked up.
    pub async fn subject<'a>(
        &self,
        call: &'a Call,
        operation: Operation,
        old: Option<&'a Value>,
        is_dry_run: bool,
    ) -> Result<Subject<'a>, Status> {
        let namespace = match call.namespace.is_empty() {
            true => None,
            false => self.one(&call.rows, ("", "namespaces"), "", &call.namespace).await?,
        };
        let user = user_value(&call.user);
        let is_part = matches!(operation, Operation::Connect | Operation::Create);
        let document = is_part.then(|| call.document()).flatten().map(|(schema, ..)| schema);
        Ok(Subject { call, operation, old, is_dry_run, user, namespace, document })
    }

    /// Everything that changes an object before it is prepared. Answers warnings.
    pub async fn mutate(
        &self,
        subject: &Subject<'_>,
        object: &mut Value,
    ) -> Result<Vec<String>, Status> {
        self.fill(subject, object).await?;
        let mut warnings = Vec::new();
        if !is_exempt(&subject.request(Some(object))) {
            self.mutate_by_policies(subject, object).await?;
            self.mutate_by_webhooks(subject, object, &mut warnings).await?;
        }
        Ok(warnings)
    }

    /// Everything that only judges. Answers warnings.
    pub async fn judge(
        &self,
        subject: &Subject<'_>,
        object: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        let mut warnings = self.check(subject, object).await?;
        if !is_exempt(&subject.request(object)) {
            if subject.operation == Operation::Delete {
                self.ask_mutating_webhooks(subject, &mut warnings).await?;
            }
            self.judge_by_policies(subject, object, &mut warnings).await?;
            self.judge_by_webhooks(subject, object, &mut warnings).await?;
        }
        Ok(warnings)
    }

    /// Refuses a connection with these options if a policy or a webhook does. What would change them has
    /// come too late for that, and refuses by it.
    pub async fn admit_connection(&self, call: &Call, options: Value) -> Result<(), Status> {
        let subject = self.subject(call, Operation::Connect, None, false).await?;
        let mut wanted = options.clone();
        self.mutate_document(&subject, &mut wanted).await?;
        if wanted != options {
            return Err(call.forbidden("a webhook or a policy wants other options"));
        }
        self.judge_document(&subject, &options).await.map(|_| ())
    }

    /// Lets policies and webhooks change a part of an object that is only made, such as an eviction, and
    /// refuse it; nothing is made in a namespace that goes. Answers warnings.
    pub async fn admit_part(
        &self,
        call: &Call,
        sent: &mut Value,
        is_dry_run: bool,
    ) -> Result<Vec<String>, Status> {
        let subject = self.subject(call, Operation::Create, None, is_dry_run).await?;
        Place::of(&subject)?;
        let mut warnings = self.mutate_document(&subject, sent).await?;
        let named = teu_api::object::name(sent);
        if !named.is_empty() && named != call.name {
            let (.., kind) = subject.kind();
            return Err(Status::bad_request(format!(
                "name in URL does not match name in {kind} object"
            )));
        }
        self.check_node_part(call, sent).await?;
        warnings.extend(self.judge_document(&subject, sent).await?);
        Ok(warnings)
    }

    async fn mutate_document(
        &self,
        subject: &Subject<'_>,
        document: &mut Value,
    ) -> Result<Vec<String>, Status> {
        let mut warnings = Vec::new();
        self.mutate_by_policies(subject, document).await?;
        self.mutate_by_webhooks(subject, document, &mut warnings).await?;
        Ok(warnings)
    }

    async fn judge_document(
        &self,
        subject: &Subject<'_>,
        document: &Value,
    ) -> Result<Vec<String>, Status> {
        let mut warnings = Vec::new();
        self.judge_by_policies(subject, Some(document), &mut warnings).await?;
        self.judge_by_webhooks(subject, Some(document), &mut warnings).await?;
        Ok(warnings)
    }

    /// Objects of a resource as the cache has them; of a namespace, or all.
    async fn all(
        &self,
        rows: &Rows,
        (group, plural): (&str, &str),
        namespace: &str,
    ) -> Result<Vec<Value>, Status> {
        let Some(entry) = rows.find_any(group, plural) else { return Ok(Vec::new()) };
        let found = entry.shelf.cache().list(&entry.shelf.span(namespace), ListAt::Any).await;
        let items = found.map_err(store_status)?.items;
        entry.open_all(items.iter().map(|item| (&item.object, item.kv.modified)))
    }

    /// All objects of a resource of the cluster, as the cache has them.
    pub async fn every(&self, rows: &Rows, kind: (&str, &str)) -> Result<Vec<Value>, Status> {
        self.all(rows, kind, "").await
    }

    /// One object as the cache has it, or the store.
    pub(crate) async fn one(
        &self,
        rows: &Rows,
        (group, plural): (&str, &str),
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Status> {
        let Some(entry) = rows.find_any(group, plural) else { return Ok(None) };
        let key = entry.shelf.key(namespace, name);
        let cached = entry.shelf.cache().get(&key, ListAt::Any).await.map_err(store_status)?;
        let found = match cached {
            Some(item) => Some(object(&item.kv)),
            // The cache may be a little behind one that was just made.
            None => {
                let found = self.store.get(&key, Consistency::Linearizable).await;
                found.map_err(store_status)?.kv.as_deref().map(object)
            }
        };
        found.map(|found| entry.open(&found.stored, found.revision)).transpose()
    }
}

/// The options of a request, as far as a webhook is told.
fn options(operation: Operation) -> &'static Value {
    static ALL: LazyLock<[Value; 3]> = LazyLock::new(|| {
        ["Create", "Update", "Delete"]
            .map(|verb| json!({ "kind": format!("{verb}Options"), "apiVersion": "meta.k8s.io/v1" }))
    });
    match operation {
        Operation::Create => &ALL[0],
        Operation::Update => &ALL[1],
        Operation::Delete => &ALL[2],
        Operation::Connect => &Value::Null,
    }
}
