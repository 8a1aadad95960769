//! What a peer may take at most.

use std::time::Duration;

/// Bounds of a server. `None` of a duration means as long as it likes: for streams that are idle by
/// nature (events, logs, an attached terminal).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time, those taken over by an upgrade included; more wait in the backlog.
    pub connections: usize,
    /// Bytes of a request's line and headers.
    pub header_bytes: usize,
    /// For a request's headers to arrive in whole, for TLS to be agreed upon, and between the
    /// requests of a connection.
    pub header_timeout: Duration,
    /// Bytes of a request's body, where its taker does not say otherwise.
    pub body_bytes: u64,
    /// Without a byte of a request's body that is waited for.
    pub body_idle: Option<Duration>,
    /// Without the peer taking a byte of what is being sent.
    pub send_idle: Option<Duration>,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// For requests that are under way when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(30),
            body_bytes: 16 << 20,
            body_idle: Some(Duration::from_secs(60)),
            send_idle: Some(Duration::from_secs(120)),
            streams: 256,
            drain: Duration::from_secs(10),
        }
    }
}
