//! What goes on of a request's headers, and what comes back of an answer's.

use super::Manner;
use crate::auth::User;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use teu_web::{Peer, PeerAddress, Upgrade};

const USER: HeaderName = HeaderName::from_static("x-remote-user");
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// The prefix of all that says who somebody is.
const REMOTE: &str = "x-remote-";
/// What impersonates somebody; it was looked at before.
const IMPERSONATE: &str = "impersonate-";
/// A browser's way to show a token, which is for this server alone.
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Headers for the other side: without what is ours or the hop's.
pub fn onward(
    headers: &HeaderMap,
    manner: &Manner<'_>,
    upgrade: Option<&Upgrade>,
    (peer, path): (&Peer, &str),
) -> HeaderMap {
    let mut onward = without_hop(headers);
    for ours in [AUTHORIZATION, HOST, CONTENT_LENGTH] {
        onward.remove(ours);
    }
    let ours: Vec<HeaderName> = onward
        .keys()
        .filter(|name| name.as_str().starts_with(REMOTE) || name.as_str().starts_with(IMPERSONATE))
        .cloned()
        .collect();
    for name in ours {
        onward.remove(name);
    }
    drop_token(&mut onward);
    match manner {
        Manner::Aggregated(user) => name(&mut onward, user),
        Manner::Node => {}
        Manner::Through(links) => {
            // What is packed cannot be looked into for links.
            onward.remove(ACCEPT_ENCODING);
            if let Some(host) = headers.get(HOST) {
                onward.insert(HOST, host.clone());
            }
            let (whole, _) = path.split_once('?').unwrap_or((path, ""));
            if let Ok(uri) = HeaderValue::from_str(&format!("{}{whole}", links.prefix())) {
                onward.insert(FORWARDED_URI, uri);
            }
            forwarded_for(&mut onward, peer);
        }
    }
    if let Some(Ok(protocol)) = upgrade.map(|upgrade| HeaderValue::from_str(upgrade.protocol())) {
        onward.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        onward.insert(UPGRADE, protocol);
    }
    onward
}

/// Says who asks.
pub fn name(onward: &mut HeaderMap, user: &User) {
    // What cannot be a header names nobody, and nobody may do little.
    let value = |text: &str| HeaderValue::from_str(text);
    if let Ok(name) = value(&user.name) {
        onward.insert(USER, name);
    }
    if let (false, Ok(uid)) = (user.uid.is_empty(), value(&user.uid)) {
        onward.insert(UID, uid);
    }
    for group in user.groups.iter().filter_map(|group| value(group).ok()) {
        onward.append(GROUP, group);
    }
    for (key, values) in &user.extra {
        let key: String = key.bytes().map(escaped).collect();
        let Ok(name) = HeaderName::try_from(format!("x-remote-extra-{key}")) else { continue };
        for text in values.iter().filter_map(|text| value(text).ok()) {
            onward.append(name.clone(), text);
        }
    }
}

/// What may not stand in a header's name, as `%xx`.
fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()).to_string(),
        other => format!("%{other:02x}"),
    }
}

/// Adds where the client is to those it came through.
fn forwarded_for(onward: &mut HeaderMap, peer: &Peer) {
    let PeerAddress::Tcp(address) = peer.address else { return };
    let before = onward.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let own = address.ip().to_canonical().to_string();
    let all: Vec<&str> = before.chain([&*own]).collect();
    if let Ok(all) = HeaderValue::from_str(&all.join(", ")) {
        onward.insert(FORWARDED_FOR, all);
    }
}

/// Takes a token out of the protocols that a browser names.
fn drop_token(onward: &mut HeaderMap) {
    let named = onward.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let named: Vec<&str> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .collect();
    if !named.iter().any(|protocol| protocol.starts_with(TOKEN_PROTOCOL)) {
        return;
    }
    let others = named.into_iter().filter(|protocol| !protocol.starts_with(TOKEN_PROTOCOL));
    let others = HeaderValue::from_str(&others.collect::<Vec<_>>().join(", "));
    onward.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(others) = others
        && !others.is_empty()
    {
        onward.insert(SEC_WEBSOCKET_PROTOCOL, others);
    }
}

/// Without what only concerns one hop.
pub fn without_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    // What `Connection` names is the hop's too.
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named {
        kept.remove(name);
    }
    for name in [
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
    ] {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Links;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get_all(name).iter().map(|v| v.to_str().expect("text")).collect()
    }

    #[test]
    fn nobody_says_who_he_is_but_us() {
        let headers = headers(&[
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("x-remote-extra-a", "b"),
            ("authorization", "Bearer x"),
            ("connection", "keep-alive, x-secret"),
            ("x-secret", "1"),
            ("accept", "application/json"),
        ]);
        let mut user = User {
            name: "jane".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            ..User::default()
        };
        user.extra.insert("Key/x".to_owned(), vec!["v".to_owned()]);
        let peer = Peer::unknown();
        let onward = onward(&headers, &Manner::Aggregated(&user), None, (&peer, "/"));
        assert_eq!(all(&onward, "x-remote-user"), ["jane"]);
        assert_eq!(all(&onward, "x-remote-group"), ["a", "b"]);
        assert_eq!(all(&onward, "x-remote-extra-key%2fx"), ["v"]);
        assert_eq!(all(&onward, "accept"), ["application/json"]);
        for gone in ["authorization", "x-secret", "connection", "x-remote-extra-a"] {
            assert!(!onward.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn a_pod_hears_what_was_asked_and_no_credential() {
        let headers = headers(&[
            ("host", "api:6443"),
            ("x-remote-user", "root"),
            ("impersonate-user", "root"),
            ("authorization", "Bearer x"),
            ("accept-encoding", "gzip"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("sec-websocket-protocol", "chat, base64url.bearer.authorization.k8s.io.c2VjcmV0"),
        ]);
        let address = PeerAddress::Tcp("[::ffff:10.0.0.2]:1".parse().expect("an address"));
        let peer = Peer { address, ..Peer::unknown() };
        let links = Links::new("/api/v1/x/proxy".to_owned(), "10.1.0.1".to_owned(), None);
        let onward = onward(&headers, &Manner::Through(links), None, (&peer, "/a?b=c"));
        assert_eq!(all(&onward, "host"), ["api:6443"]);
        assert_eq!(all(&onward, "x-forwarded-for"), ["10.0.0.1, 10.0.0.2"]);
        assert_eq!(all(&onward, "x-forwarded-uri"), ["/api/v1/x/proxy/a"]);
        assert_eq!(all(&onward, "cookie"), ["a=b"]);
        assert_eq!(all(&onward, "sec-websocket-protocol"), ["chat"]);
        for gone in ["authorization", "x-remote-user", "impersonate-user", "accept-encoding"] {
            assert!(!onward.contains_key(gone), "{gone}");
        }
    }
}
