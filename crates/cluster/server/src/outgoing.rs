//! Calls from the server to others: webhooks, aggregated APIs, pods, nodes.
//!
//! Whoever may write a webhook's configuration chooses where the server connects to, so where that
//! may be is decided here, on addresses and after names were resolved: never link-local (the
//! metadata services of clouds), never this machine itself unless the configuration says so. Each
//! call has a connection of its own that is never used again, redirects are not followed, answers
//! are bounded in bytes and time.

mod address;
pub mod service;

pub use address::Refused;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use teu_pki::Identity;
use teu_web::BodyError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes of an answer that is read as a whole.
const MAX_ANSWER_BYTES: usize = 3 << 20;
/// For a connection with its TLS.
const CONNECT: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It is not `https://host[:port]/path`.
    #[error("{url:?} is no https URL")]
    Url {
        /// What was said.
        url: String,
    },
    /// The server does not go there.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A service without somebody behind it.
    #[error("{0}")]
    Service(#[from] service::Missing),
    /// The authorities to trust are none.
    #[error("the caBundle is not usable: {0}")]
    Authorities(#[from] teu_pki::Error),
    /// TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// No connection.
    #[error("dial tcp {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The other side speaks no HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// Its answer is too long or broke off.
    #[error("the answer could not be read: {0}")]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("context deadline exceeded")]
    Late,
}

/// How to speak with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    #[default]
    Https,
}

impl Scheme {
    /// The port where nothing else is said.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whom to call, and how to know them.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// Name for TLS and `Host`.
    pub host: String,
    /// Port, for `Host`.
    pub port: u16,
    /// Where to connect to, if not to what the name resolves to.
    pub address: Option<SocketAddr>,
    /// Authorities (PEM); empty for none, which trusts nobody.
    pub authorities: Vec<u8>,
    /// Whether anybody is believed (`insecureSkipTLSVerify`).
    pub is_unverified: bool,
    /// Who we are, if we say so.
    pub identity: Option<Arc<Identity>>,
    /// What else is said when the server asks for itself.
    pub headers: HeaderMap,
}

/// Where the server may connect to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing {
    /// Whether this machine's own addresses are places to call.
    pub allows_loopback: bool,
}

/// A request's body on its way.
pub type Sent = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is there.
pub fn whole(bytes: Bytes) -> Sent {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// A connection for one call.
pub struct Connection {
    sender: http1::SendRequest<Sent>,
    authority: HeaderValue,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Host, port and path of an `https` URL.
pub fn parse_url(url: &str) -> Result<(String, u16, String), CallError> {
    let bad = || CallError::Url { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let authority: &Authority = uri.authority().ok_or_else(bad)?;
    if uri.scheme_str() != Some("https") || authority.as_str().contains('@') {
        return Err(bad());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((host, authority.port_u16().unwrap_or(443), path.to_owned()))
}

impl Outgoing {
    /// Whether an address is a place to call.
    pub fn check(&self, ip: IpAddr) -> Result<(), Refused> {
        address::check((ip, 0).into(), self.allows_loopback)
    }

    /// Connects for one call.
    pub async fn connect(&self, target: &Target) -> Result<Connection, CallError> {
        let connect = async {
            let stream = self.dial(target).await?;
            let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
            // It ends with its one call, or when nobody waits for that any more.
            tokio::spawn(driver.with_upgrades());
            Ok::<_, CallError>(sender)
        };
        let sender =
            tokio::time::timeout(CONNECT, connect).await.map_err(|_| CallError::Late)??;
        let authority = target.authority();
        let authority = HeaderValue::from_str(&authority)
            .map_err(|_| CallError::Url { url: authority.clone() })?;
        Ok(Connection { sender, authority })
    }

    async fn dial(&self, target: &Target) -> Result<Box<dyn Line>, CallError> {
        let addresses = match target.address {
            Some(address) => vec![address],
            None => resolve(&target.host, target.port).await?,
        };
        let tls = match target.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let name = ServerName::try_from(target.host.clone())
                    .map_err(|_| CallError::Url { url: target.host.clone() })?;
                Some((TlsConnector::from(tls(target)?), name))
            }
        };
        let mut last = CallError::Late;
        for address in addresses {
            address::check(address, self.allows_loopback)?;
            let failed = |source| CallError::Connect { address: address.to_string(), source };
            match TcpStream::connect(address).await {
                Err(source) => last = failed(source),
                Ok(stream) => {
                    // What somebody types goes out letter by letter.
                    stream.set_nodelay(true).map_err(failed)?;
                    let Some((connector, name)) = tls else { return Ok(Box::new(stream)) };
                    let stream = connector.connect(name, stream).await.map_err(failed)?;
                    return Ok(Box::new(stream));
                }
            }
        }
        Err(last)
    }

    /// Gets JSON whole.
    pub async fn get(
        &self,
        target: &Target,
        path: &str,
        time: Duration,
    ) -> Result<(u16, Bytes), CallError> {
        self.ask(target, Method::GET, path, Bytes::new(), time).await
    }

    /// Posts JSON and reads the answer whole.
    pub async fn post(
        &self,
        target: &Target,
        path: &str,
        body: Bytes,
        time: Duration,
    ) -> Result<(u16, Bytes), CallError> {
        self.ask(target, Method::POST, path, body, time).await
    }

    async fn ask(
        &self,
        target: &Target,
        method: Method,
        path: &str,
        body: Bytes,
        time: Duration,
    ) -> Result<(u16, Bytes), CallError> {
        let call = async {
            let connection = self.connect(target).await?;
            let mut headers = target.headers.clone();
            let json = HeaderValue::from_static("application/json");
            headers.insert(http::header::CONTENT_TYPE, json.clone());
            headers.insert(http::header::ACCEPT, json);
            let answer = connection.send(method, path, headers, whole(body)).await?;
            let code = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
            Ok((code, body.map_err(CallError::Answer)?.to_bytes()))
        };
        tokio::time::timeout(time, call).await.map_err(|_| CallError::Late)?
    }
}

impl Target {
    /// `host[:port]`.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port == self.scheme.port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }
}

impl Connection {
    /// Sends the one request. Without a `Host` it goes to whom it is for.
    pub async fn send(
        mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Sent,
    ) -> Result<http::Response<Incoming>, CallError> {
        let bad = |_| CallError::Url { url: path.to_owned() };
        let length = body.size_hint().exact();
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(bad)?;
        *request.headers_mut() = headers;
        request.headers_mut().entry(HOST).or_insert(self.authority);
        if let Some(length) = length {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(self.sender.send_request(request).await?)
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, CallError> {
    let failed = |source| CallError::Connect { address: format!("{host}:{port}"), source };
    Ok(tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect())
}

fn tls(target: &Target) -> Result<Arc<ClientConfig>, CallError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if target.is_unverified {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(address::Anybody(provider)))
    } else {
        let mut roots = RootCertStore::empty();
        if !target.authorities.is_empty() {
            let text = String::from_utf8_lossy(&target.authorities);
            for authority in teu_pki::certificates_from_pem(&text, "the caBundle")? {
                roots.add(authority)?;
            }
        }
        builder.with_root_certificates(roots)
    };
    let mut config = match &target.identity {
        Some(own) => builder.with_client_auth_cert(own.chain().to_vec(), own.key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
