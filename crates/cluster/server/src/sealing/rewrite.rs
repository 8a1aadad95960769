//! Rewrites what an older key has written, or none: after a rotation, before the older key is taken out
//! of the file. Objects stay as they are; each that is rewritten has a new resource version. Afterwards
//! the store's own history is to be forgotten ([`forget`]), so that the older values are gone from its files.

use super::Sealings;
use teu_store::{Change, Consistency, Error, Expect, Range, Revision, Span, Store, Txn, Write};

/// Keys that are read at a time.
const PAGE: usize = 500;

/// What a rewriting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewritten {
    /// Values that are sealed in the current way.
    pub looked_at: usize,
    /// Of those, what was written anew.
    pub rewritten: usize,
}

impl std::fmt::Display for Rewritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} values were written anew", self.rewritten, self.looked_at)
    }
}

/// Rewrites all that is not written as the first provider would. `inner` is the store beneath the
/// sealing, `sealed` the one above it.
pub async fn rewrite(
    inner: &dyn Store,
    sealed: &dyn Store,
    sealings: &Sealings,
) -> Result<Rewritten, Error> {
    let mut done = Rewritten::default();
    let mut span = Span::prefix(&b"/registry/"[..]);
    loop {
        let range = Range { limit: PAGE, ..Range::all(span.clone()) };
        let page = inner.range(range).await?;
        for kv in &page.kvs {
            let Some(sealing) = sealings.of(&kv.key) else { continue };
            done.looked_at += 1;
            if sealing.is_current(&kv.value) {
                continue;
            }
            // Whoever changed it meanwhile has written it in the current way.
            let found = sealed.get(&kv.key, Consistency::Linearizable).await?;
            let Some(open) = found.kv else { continue };
            let change = Change::Put { value: open.value.clone(), lease: open.lease };
            let write =
                Write { key: open.key.clone(), expect: Expect::Revision(open.modified), change };
            sealed.commit(Txn { writes: vec![write] }).await?;
            done.rewritten += 1;
        }
        match page.kvs.last() {
            Some(last) if page.more => span = span.behind(&last.key),
            _ => break,
        }
    }
    Ok(done)
}

/// Forgets what the values were before a revision, and writes the store's files anew.
pub async fn forget(inner: &dyn Store, before: Revision) -> Result<(), Error> {
    // Another server may have been faster; nothing is lost by that.
    let _ = inner.compact(before).await;
    inner.defragment().await
}
