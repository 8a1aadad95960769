//! The least there is: the cluster's owners may everything, everybody may see that it is well.

use super::user::MASTERS;
use super::{Attributes, Authorizer, Decision, Later};
use crate::api::Api;

/// What everybody may read.
const OPEN: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// Allows `system:masters` everything and everybody health and version.
#[derive(Debug, Clone, Copy)]
pub struct Masters;

impl Authorizer for Masters {
    fn authorize<'a>(&'a self, _: &'a Api, attributes: &'a Attributes<'a>) -> Later<'a, Decision> {
        let path = attributes.path.trim_end_matches('/');
        let is_open = attributes.verb == "get" && OPEN.contains(&path);
        let decision = match is_open || attributes.user.is_in(MASTERS) {
            true => Decision::Allow(String::new()),
            false => Decision::Deny(String::new()),
        };
        Box::pin(std::future::ready(decision))
    }
}
