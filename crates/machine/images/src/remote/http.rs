//! One HTTP exchange: a request goes out, a response comes back. All that knows the HTTP library.
//!
//! Why: the rest of this module speaks of registries, so the library can be exchanged here. Nothing
//! is read from the environment, no redirect is followed, no status is an error: callers decide.

use super::error::{RemoteError, Result};
use super::tls::Trust;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;
use ureq::http::{self, HeaderMap};
use ureq::{Agent, Body, Proxy, SendBody};

/// Bytes of the headers of an answer.
const HEADER_LIMIT_BYTES: usize = 64 << 10;
/// Connections that are kept for one host; as many as work at the same time.
const IDLE_CONNECTIONS: usize = 8;
/// Bytes that are read from or written to a connection at once.
const BUFFER_BYTES: usize = 128 << 10;

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Finding the address.
    pub resolve: Duration,
    /// Connecting, with TLS.
    pub connect: Duration,
    /// A single read or write: a server that says nothing for so long is dead.
    pub stall: Duration,
}

impl Timeouts {
    /// Patient with slow registries, quick where there is no network.
    pub const DEFAULT: Self = Self {
        resolve: Duration::from_secs(10),
        connect: Duration::from_secs(15),
        stall: Duration::from_secs(60),
    };
}

/// Proxies, as the usual variables name them.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http`.
    pub http: Option<String>,
    /// For `https`.
    pub https: Option<String>,
    /// Hosts that are reached directly, separated by commas.
    pub no_proxy: String,
}

/// What a request carries.
pub(super) enum Payload<'a> {
    /// The request has no body.
    None,
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes of a stream.
    Stream(u64, &'a mut dyn Read),
}

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload<'a>,
}

impl Request<'_> {
    pub(super) fn new(method: &'static str, url: impl Into<String>) -> Request<'static> {
        Request { method, url: url.into(), headers: Vec::new(), payload: Payload::None }
    }

    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A response whose body is still to be read.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Body,
    pub(super) host: String,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// `Content-Length`.
    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The body as a stream.
    pub(super) fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.body.into_reader())
    }

    /// The body of a small document.
    pub(super) fn bytes(self, what: &'static str, limit_bytes: u64) -> Result<Vec<u8>> {
        let host = self.host.clone();
        let mut bytes = Vec::new();
        let mut reader = self.body.into_reader().take(limit_bytes + 1);
        match reader.read_to_end(&mut bytes) {
            Err(source) => Err(RemoteError::Body { host, source }),
            Ok(_) if bytes.len() as u64 > limit_bytes => {
                Err(RemoteError::TooLarge { host, what, limit_bytes })
            }
            Ok(_) => Ok(bytes),
        }
    }
}

/// Connections to any number of hosts; safe to share between threads.
#[derive(Debug)]
pub(super) struct Http {
    trust: Trust,
    proxies: Proxies,
    timeouts: Timeouts,
    user_agent: String,
    agents: Mutex<HashMap<(String, bool), Agent>>,
}

impl Http {
    pub(super) fn new(
        trust: Trust,
        proxies: Proxies,
        timeouts: Timeouts,
        user_agent: &str,
    ) -> Self {
        let user_agent = user_agent.to_owned();
        Self { trust, proxies, timeouts, user_agent, agents: Mutex::default() }
    }

    /// Sends a request; `verify` says whether the server must prove who it is.
    pub(super) fn send(&self, request: Request<'_>, verify: bool) -> Result<Response> {
        let host = host_of(&request.url).to_owned();
        let failed = |source: ureq::Error| RemoteError::Transport {
            host: host.clone(),
            source: Box::new(source),
        };
        let agent = self.agent(&request.url, &host, verify)?;
        let mut builder = http::Request::builder().method(request.method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let answer = match request.payload {
            Payload::None => agent.run(builder.body(()).map_err(|e| failed(e.into()))?),
            Payload::Bytes(bytes) => agent.run(builder.body(bytes).map_err(|e| failed(e.into()))?),
            Payload::Stream(length, stream) => {
                let builder = builder.header("content-length", length);
                let body = SendBody::from_reader(stream);
                agent.run(builder.body(body).map_err(|e| failed(e.into()))?)
            }
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body, host })
    }

    fn agent(&self, url: &str, host: &str, verify: bool) -> Result<Agent> {
        let is_tls = url.starts_with("https:");
        let key = (format!("{is_tls}{host}"), verify);
        let mut agents = self.agents.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(self.proxy(is_tls, host)?)
            .user_agent(&*self.user_agent)
            .accept_encoding("identity")
            .max_response_header_size(HEADER_LIMIT_BYTES)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .timeout_resolve(Some(self.timeouts.resolve))
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_per_read(Some(self.timeouts.stall))
            .timeout_per_write(Some(self.timeouts.stall));
        if is_tls {
            config = config.tls_config(self.trust.for_host(host, verify)?);
        }
        let agent: Agent = config.build().into();
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    fn proxy(&self, is_tls: bool, host: &str) -> Result<Option<Proxy>> {
        let wanted = if is_tls { &self.proxies.https } else { &self.proxies.http };
        let Some(address) = wanted.as_deref().filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        if is_direct(&self.proxies.no_proxy, host) {
            return Ok(None);
        }
        let proxy = Proxy::new(address);
        proxy.map(Some).map_err(|_| RemoteError::Proxy(without_password(address)))
    }
}

/// `host[:port]` of a URL.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host without its port.
pub(super) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Says whether a host is this machine by its name alone: `localhost` and 127.0.0.0/8, `[::1]`.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Says whether a host needs no proxy: loopback never does.
fn is_direct(no_proxy: &str, host: &str) -> bool {
    let name = name_of(host);
    is_loopback(host)
        || no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let suffix = entry.trim_start_matches('*').trim_start_matches('.');
            entry == "*"
                || entry == host
                || name == suffix
                || name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
        })
}

fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{host_of, is_direct, is_loopback};

    #[test]
    fn hosts() {
        for (url, expected) in [
            ("http://a.b:5000/v2/", "a.b:5000"),
            ("https://user@a.b?x", "a.b"),
            ("https://[::1]:5000/v2", "[::1]:5000"),
        ] {
            assert_eq!(host_of(url), expected);
        }
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.3.2.1", true),
            ("[::1]:80", true),
            ("localhost.example.com", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn direct_hosts() {
        for (list, host, expected) in [
            ("", "127.0.0.1:5000", true),
            ("example.com", "r.example.com:5000", true),
            (".example.com", "example.com", true),
            ("example.com", "notexample.com", false),
            ("*", "a.b", true),
            ("a.b:5000", "a.b:5000", true),
        ] {
            assert_eq!(is_direct(list, host), expected, "{list} {host}");
        }
    }
}
