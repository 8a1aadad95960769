//! How a request is sorted into a flow, and how many seats it takes.

use super::{Asked, resource};
use crate::api::Api;
use crate::fairness::{Seat, Sorted};
use http::Method;
use std::sync::Arc;
use teu_api::Status;
use teu_api::flow::Request;

/// A list takes another seat for so many objects, up to so many seats.
const OBJECTS_A_SEAT: usize = 500;
const MAX_SEATS: u32 = 10;

/// Waits for the turn of what is asked, and tells how it was sorted.
pub(super) async fn seat<'a>(
    api: &'a Api,
    (method, path): (&Method, &str),
    asked: &Asked,
    sorted: &mut Option<Arc<Sorted>>,
) -> Result<Seat<'a>, Status> {
    let user = &asked.user;
    let mut request = Request {
        user: &user.name,
        groups: &user.groups,
        verb: "",
        group: "",
        resource: "",
        subresource: "",
        namespace: "",
        path,
    };
    let lower;
    match &asked.place {
        Some(place) => {
            // What is no verb is refused later.
            request.verb = resource::verb(method, place, &asked.query).unwrap_or_default();
            request.group = &place.group;
            request.resource = &place.plural;
            request.subresource = &place.subresource;
            request.namespace = &place.namespace;
        }
        None => {
            lower = method.as_str().to_lowercase();
            request.verb = &lower;
        }
    }
    *sorted = api.fairness.sort(&request);
    let width = || if request.verb == "list" { width(api, asked) } else { 1 };
    api.fairness.turn(sorted.as_deref(), &request, width).await
}

/// The seats of a list: by the objects that there are, or that are asked for.
fn width(api: &Api, asked: &Asked) -> u32 {
    let Some(place) = &asked.place else { return 1 };
    let rows = api.table.rows();
    let entry = rows.find(&place.group, &place.version, &place.plural);
    let count = entry.and_then(|entry| entry.shelf.running()).map_or(0, |cache| cache.count());
    let limit = asked.query.number("limit").ok().flatten().filter(|limit| *limit > 0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let seats = 1 + count.min(limit) / OBJECTS_A_SEAT;
    u32::try_from(seats).unwrap_or(MAX_SEATS).min(MAX_SEATS)
}
