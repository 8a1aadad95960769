//! A request's trail in the audit log: begun when it is known who asks for what, ended with the answer.

use super::Identified;
use crate::audit::{Asked, Audit, Trail, verb};
use crate::request::{Place, Query};
use std::sync::Arc;
use teu_web::{Request, Response, peer};

/// Begins it, if the policy wants it.
pub(super) async fn begin(
    audit: &Arc<Audit>,
    request: &mut Request,
    found: &Identified,
    place: Option<&Place>,
    query: &Query,
) -> Option<Trail> {
    let (user, real) = match found {
        Ok((user, real)) => (Some(&**user), real.as_deref()),
        Err(_) => (None, None),
    };
    let verb = verb(request, place, query);
    let peer = peer(request);
    let asked = Asked { user, real, verb: &verb, place, peer: &peer };
    let trail = audit.begin(request, asked)?;
    trail.received().await;
    Some(trail)
}

/// Ends it.
pub(super) async fn end(trail: Option<Trail>, response: Response) -> Response {
    match trail {
        Some(trail) => trail.answered(response).await,
        None => response,
    }
}
