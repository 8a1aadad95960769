//! Bootstrap tokens go when they have expired: until then they let machines join, after that nobody.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key_of};
use crate::resources::SECRETS;
use crate::worker::Look;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;
use teu_api::{object, time};
use teu_client::Deletion;

const TYPE: &str = "type=bootstrap.kubernetes.io/token";
const NAMESPACE: &str = "kube-system";

struct Tokens {
    context: Context,
    secrets: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let secrets = desk.reads_some(SECRETS, TYPE);
    desk.on(&secrets, |change, queue| {
        if let Some(secret) = change.after.as_ref().filter(|it| expires(it).is_some()) {
            queue.add(key_of(secret));
        }
    });
    desk.work(1, Tokens { context, secrets }).await;
}

/// When a token expires, in seconds, if it does. One whose end cannot be read is kept: it opens nothing.
fn expires(secret: &Value) -> Option<i64> {
    let text = object::text(secret, &["data", "expiration"])?;
    let bytes = STANDARD.decode(text).ok()?;
    time::parse(std::str::from_utf8(&bytes).ok()?)
        .filter(|_| object::namespace(secret) == NAMESPACE && !object::is_terminating(secret))
}

impl Controller for Tokens {
    async fn look(&self, key: &Key) -> Look {
        let Some(secret) = self.secrets.at(key) else { return Ok(None) };
        let Some(at) = expires(&secret) else { return Ok(None) };
        let left = at - self.context.timer.seconds();
        if left > 0 {
            return Ok(u64::try_from(left).ok().map(|seconds| seconds.saturating_mul(1000)));
        }
        // What has been given a longer life meanwhile stays.
        let version = object::text(&secret, &["metadata", "resourceVersion"]).map(str::to_owned);
        let how = Deletion { resource_version: version, ..Deletion::default() };
        self.context.delete(SECRETS, &secret, how).await.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_expires_when_it_says_so() {
        let secret = |namespace: &str, expiration: &str| {
            json!({
                "metadata": { "namespace": namespace },
                "data": { "expiration": STANDARD.encode(expiration) },
            })
        };
        assert_eq!(expires(&secret(NAMESPACE, "1970-01-01T00:01:00Z")), Some(60));
        assert_eq!(expires(&secret("default", "1970-01-01T00:01:00Z")), None);
        assert_eq!(expires(&secret(NAMESPACE, "soon")), None);
    }
}
