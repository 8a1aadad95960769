//! A log for clients that leave HTTP for WebSocket: the node is asked as ever, and what it answers comes in
//! messages. Nothing of the client's handshake, which may carry its token, goes on to the node.

use crate::websocket::{self, Handshake, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http_body_util::BodyExt as _;
use teu_api::Status;
use teu_web::{Body, Request, Response, Upgrade};

/// The protocol whose messages are text.
const BASE64: &str = "base64.binary.k8s.io";

/// A client's wish to be told in messages.
pub struct Wish(Handshake, Upgrade);

impl Wish {
    /// Takes it out of a request, if it is there.
    pub fn of(request: &mut Request) -> Result<Option<Self>, Status> {
        let Some(handshake) = Handshake::of(request.headers())? else { return Ok(None) };
        let upgrade = Upgrade::of(request);
        request.headers_mut().remove(UPGRADE);
        request.headers_mut().remove(SEC_WEBSOCKET_PROTOCOL);
        Ok(upgrade.map(|upgrade| Self(handshake, upgrade)))
    }

    /// Hands the answer's body on as messages.
    pub fn fulfil(self, answer: Response) -> Response {
        let Self(handshake, upgrade) = self;
        let is_text = handshake.protocol() == BASE64;
        let (mut response, upgraded) = upgrade.accept();
        handshake.answer(&mut response);
        let pieces = Pieces { body: answer.into_body(), is_text };
        tokio::spawn(async move {
            // How it ends is the client's to know.
            if let Ok(socket) = upgraded.stream().await {
                let _ = websocket::send_all(socket, pieces).await;
            }
        });
        response
    }
}

/// A body as messages: one for each piece that comes.
struct Pieces {
    body: Body,
    is_text: bool,
}

impl websocket::Source for Pieces {
    async fn next(&mut self) -> Option<Message> {
        loop {
            let Ok(bytes) = self.body.frame().await?.ok()?.into_data() else { continue };
            if !bytes.is_empty() {
                return Some(match self.is_text {
                    true => Message::Text(STANDARD.encode(bytes).into()),
                    false => Message::Binary(bytes),
                });
            }
        }
    }
}
