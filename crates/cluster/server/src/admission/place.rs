//! The namespace that something is made in. It is looked at when the object is admitted, out of a cache
//! and before policies and webhooks have had their time, and again in the object's own transaction: only
//! its revision is compared. So nothing is ever made in a namespace that has begun to go, and nothing is
//! left in one that is gone, whatever server on the store took it away.

use super::Subject;
use crate::api::Call;
use crate::stored::Stored;
use bytes::Bytes;
use teu_api::object::is_terminating;
use teu_api::{Cause, CauseKind, Status, object};
use teu_store::{Change, Expect, KeyValue, Revision, Write};

/// A namespace as it was when it took new objects.
#[derive(Debug)]
pub struct Place {
    key: Bytes,
    revision: Revision,
}

impl Place {
    /// The namespace of what is to be made, or why nothing can be made there; none for what is in none.
    pub fn of(subject: &Subject<'_>) -> Result<Option<Self>, Status> {
        let call = subject.call;
        if call.namespace.is_empty() {
            return Ok(None);
        }
        let Some(namespace) = &subject.namespace else { return Err(gone(call)) };
        if is_terminating(namespace) {
            return Err(going(call));
        }
        let Some(entry) = call.rows.find("", "v1", "namespaces") else { return Ok(None) };
        let key = entry.shelf.key("", &call.namespace);
        let revision = object::text(namespace, &["metadata", "resourceVersion"]);
        let revision = revision.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(Self { key, revision }))
    }

    /// Has a transaction fail where the namespace is no longer as it was.
    pub fn check(&self) -> Write {
        let expect = Expect::Revision(self.revision);
        Write { key: self.key.clone(), expect, change: Change::Check }
    }

    /// Looks at what a transaction found there that failed. A namespace may be labelled while objects are
    /// made in it: then the transaction may be tried again. Another of its name is not meant; nobody has
    /// asked whether it takes the object.
    pub fn look_again(&mut self, call: &Call, found: Option<&KeyValue>) -> Result<(), Status> {
        let found =
            found.filter(|found| found.created <= self.revision).ok_or_else(|| gone(call))?;
        if found.modified == self.revision {
            return Ok(());
        }
        if is_terminating(&Stored::new(found.value.clone()).to_value(found.modified)?) {
            return Err(going(call));
        }
        self.revision = found.modified;
        Ok(())
    }
}

/// 404.
fn gone(call: &Call) -> Status {
    Status::not_found("", "namespaces", &call.namespace)
}

/// 403, with the cause that clients know it by.
fn going(call: &Call) -> Status {
    let name = &call.namespace;
    let why =
        format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = call.forbidden(&why);
    status.causes.push(Cause {
        reason: CauseKind::NamespaceTerminating,
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".to_owned(),
    });
    status
}
