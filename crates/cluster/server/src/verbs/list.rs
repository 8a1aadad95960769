//! Lists: which version of the world is shown, and page by page.
//!
//! Without a limit everything comes from the cache. Pages come from the store, all at the revision
//! of the first; a token says where the next begins.

use super::Found;
use crate::api::{Api, Call, store_status};
use crate::request::Query;
use crate::select::Selector;
use crate::stored::Stored;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use teu_api::{Cause, Status};
use teu_store::cache::{Item, ListAt};
use teu_store::{Consistency, Error as StoreError, Range, Revision, Span};

/// Objects that are read from the store at a time when a page is looked for.
const CHUNK: usize = 1000;
/// Bytes of a token; ours are far shorter.
const MAX_TOKEN_BYTES: usize = 4096;

/// What a list asks for.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Which objects.
    pub selector: Selector,
    /// Of when.
    pub at: ListAt,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// Where an earlier page ended.
    pub token: Option<Token>,
}

/// A list's answer.
#[derive(Debug)]
pub struct Listing {
    /// As of then.
    pub revision: Revision,
    /// In order of keys.
    pub items: Vec<Found>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// How many follow, where that is known.
    pub remaining: Option<u64>,
}

/// A list that cannot be: a status, and perhaps a token to go on with.
#[derive(Debug)]
pub struct ListError {
    /// Why.
    pub status: Status,
    /// To go on at the newest revision.
    pub next: Option<String>,
}

impl From<Status> for ListError {
    fn from(status: Status) -> Self {
        Self { status, next: None }
    }
}

/// Where a page begins, as the real server writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    v: String,
    /// The revision; -1 for the newest.
    rv: i64,
    /// The first key, without the resource's prefix.
    start: String,
}

impl Token {
    fn new(revision: i64, after: &str) -> Self {
        Self { v: "meta.k8s.io/v1".to_owned(), rv: revision, start: format!("{after}\0") }
    }

    fn read(text: &str) -> Result<Self, Status> {
        let bad = |why: String| Status::bad_request(format!("continue key is not valid: {why}"));
        if text.len() > MAX_TOKEN_BYTES {
            return Err(bad("it is too long".to_owned()));
        }
        let plain = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let plain = plain.map_err(|error| bad(error.to_string()))?;
        let token: Self = serde_json::from_slice(&plain).map_err(|error| bad(error.to_string()))?;
        if token.v != "meta.k8s.io/v1" || token.start.is_empty() || token.rv == 0 || token.rv < -1 {
            return Err(bad(
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned()
            ));
        }
        Ok(token)
    }

    fn write(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl ListRequest {
    /// What a query says.
    pub fn of(call: &Call, query: &Query) -> Result<Self, Status> {
        let selector =
            Selector::parse(&call.entry, query.text("labelSelector"), query.text("fieldSelector"))?;
        let limit = query.number("limit")?.unwrap_or(0).max(0);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (version, how) = (query.text("resourceVersion"), query.text("resourceVersionMatch"));
        let token = query.text("continue");
        check_match(version, how, !token.is_empty())?;
        if query.find("sendInitialEvents").is_some() {
            let why = "sendInitialEvents is forbidden for list";
            return Err(refused(Cause::forbidden("sendInitialEvents", why)));
        }
        if !token.is_empty() {
            if !matches!(version, "" | "0") {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let token = Some(Token::read(token)?);
            return Ok(Self { selector, at: ListAt::Consistent, limit, token });
        }
        let at = match (version, how) {
            ("", _) => ListAt::Consistent,
            ("0", _) => ListAt::Any,
            (text, how) => {
                let revision = super::watch::revision(text)?;
                match how {
                    "Exact" => ListAt::Exact(revision),
                    "" if limit > 0 => ListAt::Exact(revision),
                    _ => ListAt::NotOlderThan(revision),
                }
            }
        };
        // As in the original, a list of anything is answered from memory in whole.
        let limit = if at == ListAt::Any { 0 } else { limit };
        Ok(Self { selector, at, limit, token: None })
    }
}

fn refused(cause: Cause) -> Status {
    Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause])
}

/// Refuses combinations of `resourceVersion` and `resourceVersionMatch` that mean nothing.
fn check_match(version: &str, how: &str, has_token: bool) -> Result<(), Status> {
    let refuse = |cause| Err(refused(cause));
    let field = "resourceVersionMatch";
    match how {
        "" => Ok(()),
        _ if has_token => refuse(Cause::forbidden(
            field,
            "resourceVersionMatch is forbidden when continue is provided",
        )),
        _ if version.is_empty() => refuse(Cause::forbidden(
            field,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        )),
        "Exact" if version == "0" => refuse(Cause::forbidden(
            field,
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        )),
        "Exact" | "NotOlderThan" => Ok(()),
        other => refuse(Cause::unsupported(field, &other.into(), &["Exact", "NotOlderThan", ""])),
    }
}

impl Api {
    /// A list.
    pub async fn list(&self, call: &Call, request: &ListRequest) -> Result<Listing, ListError> {
        let span = span(call, &request.selector);
        if request.limit > 0 || request.token.is_some() {
            return self.page(call, request, span).await;
        }
        let list = call.entry.shelf.cache().list(&span, request.at).await.map_err(store_status)?;
        let mut items = list.items;
        if !request.selector.is_empty() {
            items.retain(|item| request.selector.matches(&item.object, &call.entry));
        }
        Ok(Listing { revision: list.revision, items, next: None, remaining: None })
    }

    async fn page(
        &self,
        call: &Call,
        request: &ListRequest,
        span: Span,
    ) -> Result<Listing, ListError> {
        let shelf = &call.entry.shelf;
        let (mut rest, mut at) = (span, 0);
        match (&request.token, request.at) {
            (Some(token), _) => {
                at = Revision::try_from(token.rv).unwrap_or(0);
                let start = shelf.key("", &token.start);
                if !rest.contains(&start) && start < rest.start {
                    return Err(Status::bad_request(
                        "continue key is not valid: it begins elsewhere",
                    )
                    .into());
                }
                rest.start = start;
            }
            (None, ListAt::Exact(revision)) => at = revision,
            (None, ListAt::NotOlderThan(revision)) => self.wait_for(revision).await?,
            (None, _) => {}
        }
        let counts = request.selector.is_empty();
        let limit = if request.limit == 0 { usize::MAX } else { request.limit };
        let (mut items, mut more, mut remaining) = (Vec::new(), true, 0);
        while more && items.len() < limit && !rest.is_empty() {
            let wanted = if counts { (limit - items.len()).min(CHUNK) } else { CHUNK };
            let consistency = Consistency::Linearizable;
            let range = Range { span: rest.clone(), at, limit: wanted, count: counts, consistency };
            let listed = self.store.range(range).await.map_err(|error| expired(error, request))?;
            at = if at == 0 { listed.revision } else { at };
            more = listed.more;
            remaining = listed.count.saturating_sub(listed.kvs.len() as u64);
            for (position, kv) in listed.kvs.iter().enumerate() {
                rest = rest.behind(&kv.key);
                let object = Stored::new(kv.value.clone());
                if !counts && !request.selector.matches(&object, &call.entry) {
                    continue;
                }
                items.push(Arc::new(Item { kv: Arc::clone(kv), object }));
                if items.len() == limit {
                    more |= position + 1 < listed.kvs.len();
                    break;
                }
            }
        }
        let last = items.last().filter(|_| more).map(|item| shelf.rest(&item.kv.key));
        let next = last.map(|last| Token::new(i64::try_from(at).unwrap_or(-1), last).write());
        let remaining = (counts && next.is_some()).then_some(remaining);
        Ok(Listing { revision: at, items, next, remaining })
    }

    /// Refuses a revision that the store has not reached.
    async fn wait_for(&self, revision: Revision) -> Result<(), Status> {
        let current = self.store.get(b"/registry/", Consistency::Linearizable).await;
        let current = current.map_err(store_status)?.revision;
        match revision <= current {
            true => Ok(()),
            false => Err(store_status(StoreError::Future { asked: revision, current })),
        }
    }
}

/// The keys a list or watch is about.
pub fn span(call: &Call, selector: &Selector) -> Span {
    let shelf = &call.entry.shelf;
    let is_namespaced = call.entry.row.resource.is_namespaced();
    let namespace = match &*call.namespace {
        "" if is_namespaced => selector.namespace().unwrap_or_default(),
        namespace => namespace,
    };
    match selector.name() {
        Some(name) if !name.is_empty() && (!namespace.is_empty() || !is_namespaced) => {
            Span::key(shelf.key(namespace, name))
        }
        _ => shelf.span(namespace),
    }
}

/// A page whose revision is gone, with a token for those who do not mind.
fn expired(error: StoreError, request: &ListRequest) -> ListError {
    let (StoreError::Compacted { .. }, Some(token)) = (&error, &request.token) else {
        return store_status(error).into();
    };
    let text = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let next = Token { rv: -1, ..token.clone() };
    ListError { status: Status::expired(text), next: Some(next.write()) }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn tokens_come_back_and_others_are_refused() {
        let token = Token::new(7, "default/x");
        assert_eq!(Token::read(&token.write()), Ok(token));
        for bad in ["x", "e30", "!!!", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"] {
            assert!(Token::read(bad).is_err(), "{bad}");
        }
    }
}
