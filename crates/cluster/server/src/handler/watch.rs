//! Watches over HTTP: a stream of events, or, for clients that ask to leave HTTP for WebSocket, a
//! message for each.

use super::stream::Stream;
use crate::answer;
use crate::api::{Api, Call};
use crate::encode::Look;
use crate::id;
use crate::request::{Format, Query};
use crate::verbs::watch::{Changes, WatchOptions};
use crate::websocket::{self, Handshake, Message};
use std::sync::Arc;
use std::time::Duration;
use teu_api::Status;
use teu_kubernetes::protobuf;
use teu_web::{Body, Request, Response, Upgrade};

/// A watch without `timeoutSeconds` ends after half an hour to an hour.
const WATCH_SECONDS: u64 = 1800;
/// And no later than this.
const MAX_WATCH_SECONDS: i64 = 86_400;

/// Begins one.
pub(super) async fn watch(
    api: &Arc<Api>,
    call: &Call,
    mut request: Request,
    query: &Query,
    look: Look,
) -> Result<Response, Status> {
    let socket = Handshake::of(request.headers())?;
    let options = WatchOptions::of(call, query)?;
    let seconds = match query.number("timeoutSeconds")? {
        Some(seconds) if seconds > 0 => seconds.min(MAX_WATCH_SECONDS).unsigned_abs(),
        // Apart, so that clients that came together do not all come again together.
        _ => WATCH_SECONDS + u64::from(u16::from_le_bytes(id::random())) % WATCH_SECONDS,
    };
    let changes = match api.watch(call, &options).await {
        // In the stream, as when it happens later. To an answer of 410 client-go's RetryWatcher would
        // only ask the same again.
        Err(status) if status.code == 410 => {
            Changes::refused(call, options.selector.clone(), status)
        }
        begun => begun?,
    };
    let time = Duration::from_secs(seconds);
    let stream = Stream::new(api, &call.entry, changes, look, time);
    let stream = stream.marking_initial_end(options.marks_initial_end);
    if let Some(handshake) = socket
        && let Some(upgrade) = Upgrade::of(&mut request)
    {
        let (mut response, upgraded) = upgrade.accept();
        handshake.answer(&mut response);
        tokio::spawn(async move {
            // How it ends is the client's to know.
            if let Ok(socket) = upgraded.stream().await {
                let _ = websocket::send_all(socket, Messages { stream, look }).await;
            }
        });
        return Ok(response);
    }
    let media_type = match look.accept.format {
        Format::Protobuf => protobuf::STREAM_TYPE,
        format => format.media_type(),
    };
    let mut response = answer::bytes(200, media_type, bytes::Bytes::new(), false);
    *response.body_mut() = Body::boxed(stream);
    Ok(response)
}

/// A watch as messages: an event each.
struct Messages {
    stream: Stream,
    look: Look,
}

impl websocket::Source for Messages {
    async fn next(&mut self) -> Option<Message> {
        let event = self.stream.next().await?;
        Some(match self.look.accept.format {
            // A message has its length already.
            Format::Protobuf => {
                Message::Binary(event.slice(protobuf::LENGTH_BYTES.min(event.len())..))
            }
            _ => Message::Text(event),
        })
    }
}
