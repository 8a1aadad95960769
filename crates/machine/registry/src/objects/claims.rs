//! A digest is being placed by any number of pushes, or being removed, and never both: so collection
//! needs no stop, and no push is lost to it.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use teu_oci::Digest;

/// Who does what to which digest.
#[derive(Debug, Default)]
pub struct Claims {
    state: Mutex<State>,
    removed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    placing: HashMap<Digest, usize>,
    removing: HashSet<Digest>,
}

/// A claim; ended by dropping it.
#[derive(Debug)]
pub struct Claim<'a> {
    claims: &'a Claims,
    digest: Digest,
    is_removal: bool,
}

impl Claims {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is being placed, or about to be needed, until the claim is dropped: after the record says
    /// that it is needed. Waits while it is being removed.
    pub fn place(&self, digest: &Digest) -> Claim<'_> {
        let mut state = self.state();
        while state.removing.contains(digest) {
            state = self.removed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state.placing.entry(digest.clone()).or_default() += 1;
        Claim { claims: self, digest: digest.clone(), is_removal: false }
    }

    /// It is being removed, if nobody places it and nobody needs it.
    pub fn remove(&self, digest: &Digest, is_needed: impl Fn() -> bool) -> Option<Claim<'_>> {
        let mut state = self.state();
        if state.placing.contains_key(digest) || is_needed() {
            return None;
        }
        state.removing.insert(digest.clone());
        Some(Claim { claims: self, digest: digest.clone(), is_removal: true })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.claims.state();
        if self.is_removal {
            state.removing.remove(&self.digest);
            self.claims.removed.notify_all();
            return;
        }
        if let Some(count) = state.placing.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.placing.remove(&self.digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_or_needed_is_not_removed_and_what_is_removed_is_waited_for() {
        let (claims, digest) = (Claims::default(), Digest::sha256(b"x"));
        let first = claims.place(&digest);
        let second = claims.place(&digest);
        drop(first);
        assert!(claims.remove(&digest, || false).is_none());
        drop(second);
        assert!(claims.remove(&digest, || true).is_none());
        let removing = claims.remove(&digest, || false).expect("nobody wants it");
        std::thread::scope(|scope| {
            let placer = scope.spawn(|| drop(claims.place(&digest)));
            drop(removing);
            placer.join().expect("it gets its turn");
        });
        assert!(claims.state().placing.is_empty() && claims.state().removing.is_empty());
    }
}
