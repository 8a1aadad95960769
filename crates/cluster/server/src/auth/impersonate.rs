//! Acting as another: `Impersonate-User` and its like, for those who may.
//!
//! Every part of who one wants to be is asked for apart (the user, each group, the UID, each extra
//! value), so that a right to one is no right to another.

use super::accounts::account_groups;
use super::user::AUTHENTICATED;
use super::{Attributes, User};
use crate::api::Api;
use crate::request::path::decode;
use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use teu_api::Status;

const PREFIX: &str = "impersonate-";
const EXTRA: &str = "impersonate-extra-";
/// Headers of this kind in one request.
const MAX_HEADERS: usize = 128;
const GROUP: &str = "authentication.k8s.io";

/// Who a request is made as.
pub async fn apply(api: &Api, user: Arc<User>, headers: &HeaderMap) -> Result<Arc<User>, Status> {
    let Some(wanted) = wanted(headers)? else { return Ok(user) };
    let account = wanted.name.strip_prefix("system:serviceaccount:");
    let account = account.and_then(|account| account.split_once(':'));
    let ask = |group: &'static str, resource: &'static str, below: String, at: (String, String)| {
        (group, resource, below, at)
    };
    let cluster = |name: &str| (String::new(), name.to_owned());
    let mut asks = vec![match account {
        Some((namespace, name)) => {
            let at = (namespace.to_owned(), name.to_owned());
            ask("", "serviceaccounts", String::new(), at)
        }
        None => ask("", "users", String::new(), cluster(&wanted.name)),
    }];
    for group in &wanted.groups {
        asks.push(ask("", "groups", String::new(), cluster(group)));
    }
    if !wanted.uid.is_empty() {
        asks.push(ask(GROUP, "uids", String::new(), cluster(&wanted.uid)));
    }
    for (key, values) in &wanted.extra {
        for value in values {
            asks.push(ask(GROUP, "userextras", key.clone(), cluster(value)));
        }
    }
    for (group, resource, subresource, (namespace, name)) in &asks {
        let attributes = Attributes {
            user: &user,
            verb: "impersonate",
            path: "",
            group,
            version: "v1",
            resource,
            subresource,
            namespace,
            name,
            fields: "",
        };
        api.demand(&attributes).await?;
    }
    let namespace = account.map(|(namespace, _)| namespace.to_owned());
    Ok(Arc::new(completed(wanted, namespace)))
}

/// The groups that come by themselves.
fn completed(mut user: User, namespace: Option<String>) -> User {
    if let (true, Some(namespace)) = (user.groups.is_empty(), namespace) {
        user.groups = account_groups(&namespace);
    }
    let has = |group: &str| user.groups.iter().any(|known| known == group);
    let is_anonymous = user.name == "system:anonymous";
    if is_anonymous && !has("system:unauthenticated") {
        user.groups.push("system:unauthenticated".to_owned());
    } else if !is_anonymous && !has(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

fn wanted(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let mut user = User::default();
    let mut extra = BTreeMap::<String, Vec<String>>::new();
    let mut count = 0;
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(PREFIX) {
            continue;
        }
        count += 1;
        let text = value.to_str().map_err(|_| Status::bad_request(format!("{name} is no text")))?;
        match name {
            "impersonate-user" => user.name = text.to_owned(),
            "impersonate-group" => user.groups.push(text.to_owned()),
            "impersonate-uid" => user.uid = text.to_owned(),
            _ => match name.strip_prefix(EXTRA) {
                Some(key) => {
                    let key = decode(key).unwrap_or_else(|| key.to_owned());
                    extra.entry(key).or_default().push(text.to_owned());
                }
                // A header that is not understood must not be taken for less than it says.
                None => return Err(Status::bad_request(format!("unknown header {name}"))),
            },
        }
    }
    if count > MAX_HEADERS {
        return Err(Status::bad_request("too many headers to act as another"));
    }
    let is_named = !user.name.is_empty();
    let says_more = !user.groups.is_empty() || !user.uid.is_empty() || !extra.is_empty();
    user.extra = extra;
    match (is_named, says_more) {
        (true, _) => Ok(Some(user)),
        (false, false) => Ok(None),
        (false, true) => Err(Status::new(
            500,
            "InternalError",
            "Internal error occurred: requested groups, uid or extra without impersonating a user",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn headers_say_who() {
        assert_eq!(wanted(&headers(&[("accept", "x")])), Ok(None));
        let user = wanted(&headers(&[
            ("impersonate-user", "jane"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-acme.com%2fproject", "x"),
        ]));
        let user = user.ok().flatten().expect("a user");
        assert_eq!((&*user.name, user.groups.len()), ("jane", 2));
        assert_eq!(user.extra["acme.com/project"], ["x"]);
        assert!(wanted(&headers(&[("impersonate-group", "a")])).is_err());
        assert!(wanted(&headers(&[("impersonate-user", "a"), ("impersonate-x", "a")])).is_err());
    }

    #[test]
    fn groups_come_by_themselves() {
        let user = User { name: "system:serviceaccount:a:b".to_owned(), ..User::default() };
        assert_eq!(completed(user, Some("a".to_owned())).groups, account_groups("a"));
        let user = User { name: "jane".to_owned(), ..User::default() };
        assert_eq!(completed(user, None).groups, [AUTHENTICATED]);
    }
}
