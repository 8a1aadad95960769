//! Requests to one registry, authenticated, repeated where that may help, redirected where that is
//! safe.
//!
//! A token is asked for when a server demands one and kept for its scope until it is refused. The
//! password goes to the server that demanded a token, or to the realm that it named; never over a
//! plain connection that an encrypted one led to, and never behind a redirect.

use super::challenge::{self, Challenge};
use super::credentials::Credentials;
use super::error::{RemoteError, Result, is_passing_status};
use super::http::{Http, Payload, Request, Response, host_of};
use super::retry::{self, RetryPolicy};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Bytes of a token server's answer.
const TOKEN_LIMIT_BYTES: u64 = 1 << 20;
/// Bytes of an error's text.
const ERROR_LIMIT_BYTES: u64 = 64 << 10;
/// Redirects one after another.
const REDIRECT_LIMIT: usize = 5;
/// Where a token is kept that is not for one scope.
const ANY_SCOPE: &str = "*";
/// Tells servers which program this is.
const CLIENT_ID: &str = "teu";

/// One registry, as it is spoken to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) http: Arc<Http>,
    pub(super) retries: RetryPolicy,
    /// What credentials and messages call it.
    pub(super) registry: String,
    /// `https://host`.
    pub(super) base: String,
    /// It must prove who it is.
    pub(super) verify: bool,
    pub(super) credentials: Credentials,
    /// `Authorization` by scope.
    tokens: Mutex<HashMap<String, String>>,
}

impl Session {
    pub(super) fn new(
        http: Arc<Http>,
        retries: RetryPolicy,
        registry: &str,
        base: String,
        verify: bool,
        credentials: Credentials,
    ) -> Self {
        let (registry, tokens) = (registry.to_owned(), Mutex::default());
        Self { http, retries, registry, base, verify, credentials, tokens }
    }

    /// Sends a request without a stream until it is answered, or refused for good. `scope` is what a
    /// token is asked for. Redirects are followed for reading only.
    pub(super) fn send(
        &self,
        scope: &str,
        make: &dyn Fn() -> Request<'static>,
        body: Option<&[u8]>,
    ) -> Result<Response> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.exchange(scope, make, body);
            let (asked, failure) = match outcome {
                Ok(response) if !is_passing_status(response.status) => return Ok(response),
                Ok(response) => {
                    let asked = retry::asked(response.header("retry-after"));
                    (asked, Ok(response))
                }
                Err(error) if error.is_passing() => (None, Err(error)),
                Err(error) => return Err(error),
            };
            match self.retries.wait(attempt, asked, retry::chance()) {
                Some(wait) => std::thread::sleep(wait),
                None => {
                    let response = failure?;
                    if response.status != 429 {
                        return Ok(response);
                    }
                    let host = response.host.clone();
                    let detail = said(response);
                    return Err(RemoteError::RateLimited {
                        host,
                        wait: asked.unwrap_or(self.retries.longest_wait),
                        detail,
                    });
                }
            }
        }
    }

    /// One exchange, with the token that the server wants.
    fn exchange(
        &self,
        scope: &str,
        make: &dyn Fn() -> Request<'static>,
        body: Option<&[u8]>,
    ) -> Result<Response> {
        let mut response = self.once(scope, make(), body)?;
        if response.status == 401 && self.authenticate(&response, scope)? {
            response = self.once(scope, make(), body)?;
        }
        let reads = matches!(make().method, "GET" | "HEAD");
        let mut hops = 0;
        while reads && matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            hops += 1;
            response = self.follow(&response, make(), (scope, hops))?;
        }
        Ok(response)
    }

    fn once(
        &self,
        scope: &str,
        request: Request<'static>,
        body: Option<&[u8]>,
    ) -> Result<Response> {
        let Request { method, url, headers, .. } = request;
        let payload = body.map_or(Payload::None, Payload::Bytes);
        self.send_once(scope, Request { method, url, headers, payload })
    }

    /// Sends a request just once, with the token there is; for streams.
    pub(super) fn send_once(&self, scope: &str, mut request: Request<'_>) -> Result<Response> {
        let is_here = host_of(&request.url) == host_of(&self.base);
        if let Some(token) = self.token(scope)
            && is_here
            && !(self.base.starts_with("https:") && request.url.starts_with("http:"))
        {
            request.headers.push(("authorization", token));
        }
        self.http.send(request, self.verify)
    }

    fn token(&self, scope: &str) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        tokens.get(scope).or_else(|| tokens.get(ANY_SCOPE)).cloned()
    }

    /// Gets what a 401 asks for; `false` where nothing more can be shown.
    pub(super) fn authenticate(&self, response: &Response, scope: &str) -> Result<bool> {
        let challenges: Vec<Challenge> =
            response.headers("www-authenticate").flat_map(challenge::parse).collect();
        let bearer = challenges.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
        let token = match (bearer, &self.credentials) {
            (Some(_), Credentials::Registry(token)) => Some(format!("Bearer {token}")),
            (Some(Challenge::Bearer { realm, service, scope: asked }), _) => {
                let scope = if scope.is_empty() { asked.as_deref().unwrap_or("") } else { scope };
                Some(self.fetch_token(realm, service.as_deref(), scope)?)
            }
            _ if challenges.contains(&Challenge::Basic) => self.credentials.basic(),
            _ => None,
        };
        let Some(token) = token else { return Ok(false) };
        // A password opens everything that it opens.
        let scope = if token.starts_with("Basic ") { ANY_SCOPE } else { scope };
        let mut tokens = self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // The same again would be refused again, unless it is a new token.
        Ok(tokens.insert(scope.to_owned(), token.clone()) != Some(token))
    }

    fn fetch_token(&self, realm: &str, service: Option<&str>, scope: &str) -> Result<String> {
        if !realm.starts_with("https://") && !realm.starts_with("http://") {
            let reason = "its token server is no URL".to_owned();
            return Err(self.protocol("the token server", reason));
        }
        if self.base.starts_with("https:") && realm.starts_with("http:") {
            return Err(RemoteError::Redirect {
                host: host_of(&self.base).to_owned(),
                location: realm.chars().take(200).collect(),
                reason: "a password would leave the encrypted connection",
            });
        }
        let service = service.unwrap_or_default();
        let response = self.ask_for_token(realm, service, scope)?;
        if response.status == 401 || response.status == 403 {
            let detail = said(response);
            return Err(match self.credentials {
                Credentials::Anonymous => self.denied(scope_name(scope), detail),
                _ => RemoteError::Login { registry: self.registry.clone(), detail },
            });
        }
        if response.status != 200 {
            return Err(status("GET the token", response));
        }
        let bytes = response.bytes("a token", TOKEN_LIMIT_BYTES)?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes)
            .map_err(|e| self.protocol("the token request", e.to_string()))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let token = token
            .ok_or_else(|| self.protocol("the token request", "it has no token".to_owned()))?;
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            let reason = "the token is not printable".to_owned();
            return Err(self.protocol("the token request", reason));
        }
        Ok(format!("Bearer {token}"))
    }

    fn ask_for_token(&self, realm: &str, service: &str, scope: &str) -> Result<Response> {
        let scopes = || scope.split(' ').filter(|scope| !scope.is_empty());
        if let Credentials::Identity(refresh) = &self.credentials {
            let mut form = format!(
                "grant_type=refresh_token&client_id={CLIENT_ID}&service={}&refresh_token={}",
                escaped(service),
                escaped(refresh)
            );
            if !scope.is_empty() {
                form.push_str(&format!("&scope={}", escaped(scope)));
            }
            let request = Request::new("POST", realm)
                .header("content-type", "application/x-www-form-urlencoded");
            let request = Request { payload: Payload::Bytes(form.as_bytes()), ..request };
            return self.http.send(request, self.verify);
        }
        let mut url = format!("{realm}{}", if realm.contains('?') { '&' } else { '?' });
        url.push_str(&format!("service={}&client_id={CLIENT_ID}", escaped(service)));
        for scope in scopes() {
            url.push_str(&format!("&scope={}", escaped(scope)));
        }
        let mut request = Request::new("GET", url);
        if let Credentials::Password { username, .. } = &self.credentials {
            request.url.push_str(&format!("&account={}", escaped(username)));
        }
        if let Some(basic) = self.credentials.basic() {
            request = request.header("authorization", basic);
        }
        self.http.send(request, self.verify)
    }

    /// Goes where a redirect leads, without any secret.
    fn follow(
        &self,
        response: &Response,
        request: Request<'static>,
        (scope, hops): (&str, usize),
    ) -> Result<Response> {
        let refused = |location: &str, reason| RemoteError::Redirect {
            host: response.host.clone(),
            location: location.chars().take(200).collect(),
            reason,
        };
        let location = response.header("location").unwrap_or_default();
        let url =
            absolute(&self.base, location).ok_or_else(|| refused(location, "it is no http URL"))?;
        if hops > REDIRECT_LIMIT {
            return Err(refused(location, "there were too many one after another"));
        }
        if self.base.starts_with("https:") && url.starts_with("http:") {
            return Err(refused(location, "it leaves the encrypted connection"));
        }
        // The token goes along to the same server only.
        self.send_once(scope, Request { url, ..request })
    }

    pub(super) fn protocol(&self, verb: &'static str, reason: String) -> RemoteError {
        RemoteError::Protocol { host: host_of(&self.base).to_owned(), verb, reason }
    }

    pub(super) fn denied(&self, name: &str, detail: String) -> RemoteError {
        let registry = self.registry.clone();
        RemoteError::Denied { name: format!("{registry}/{name}"), registry, detail }
    }

    /// The error of an answer that is not what was hoped for.
    pub(super) fn refusal(&self, what: &str, verb: &str, response: Response) -> RemoteError {
        match response.status {
            404 => RemoteError::NotFound { what: what.to_owned(), detail: said(response) },
            401 | 403 => {
                let name = what.rsplit(' ').next().unwrap_or_default();
                let name = name.strip_prefix(&format!("{}/", self.registry)).unwrap_or(name);
                let detail = said(response);
                self.denied(name, detail)
            }
            429 => {
                let wait = retry::asked(response.header("retry-after"));
                let host = response.host.clone();
                let wait = wait.unwrap_or(self.retries.longest_wait);
                RemoteError::RateLimited { host, wait, detail: said(response) }
            }
            _ => status(verb, response),
        }
    }
}

/// The error of an unexpected status.
pub(super) fn status(verb: &str, response: Response) -> RemoteError {
    let (host, status) = (response.host.clone(), response.status);
    RemoteError::Status { host, status, verb: verb.to_owned(), detail: said(response) }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an error's body says, in one line: `manifest unknown: …`.
pub(super) fn said(response: Response) -> String {
    let bytes = response.bytes("an error", ERROR_LIMIT_BYTES).unwrap_or_default();
    let plain = |text: &str| -> String {
        text.chars().filter(|c| !c.is_control()).take(300).collect::<String>().trim().to_owned()
    };
    match serde_json::from_slice::<Errors>(&bytes) {
        Ok(Errors { errors, details }) => {
            let lines = errors.iter().map(|error| {
                let code = error.code.to_lowercase().replace('_', " ");
                if error.message.is_empty() { code } else { format!("{code}: {}", error.message) }
            });
            let text = lines.collect::<Vec<_>>().join("; ");
            plain(if text.is_empty() { details.as_deref().unwrap_or_default() } else { &text })
        }
        // A page for a browser tells nothing here.
        Err(_) if bytes.trim_ascii_start().starts_with(b"<") => String::new(),
        Err(_) => plain(&String::from_utf8_lossy(&bytes)),
    }
}

/// The repository of a scope.
fn scope_name(scope: &str) -> &str {
    scope.split(':').nth(1).unwrap_or(scope)
}

/// A location as a whole URL.
pub(super) fn absolute(base: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    (location.starts_with('/') && !location.starts_with("//")).then(|| format!("{base}{location}"))
}

/// A text within a query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
