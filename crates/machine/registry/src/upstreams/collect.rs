//! What of an upstream's content goes: what nobody has used for long, and the oldest use first where
//! all of it is more than its quota. Pure: it takes the records and the clock.
//!
//! A manifest is used when it is asked for, and so is then all that it needs, for clients do not ask
//! for layers that they have. What is dropped is fetched again when somebody wants it.

use super::Rules;
use crate::records::State;
use std::collections::{HashMap, HashSet};
use teu_oci::Digest;

/// After a quota was reached, so much of it is left: tenths.
const QUOTA_TENTHS: u64 = 9;

/// All content of an upstream, whichever repositories it is in.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Bytes, and when it was used last.
    items: HashMap<Digest, (u64, u64)>,
    bytes: u64,
}

impl Inventory {
    /// Takes a repository in.
    pub fn add(&mut self, state: &State) {
        let mut used: HashMap<&Digest, u64> = HashMap::new();
        let mut touch = |digest, at: u64| {
            let known = used.entry(digest).or_insert(at);
            *known = at.max(*known);
        };
        for (digest, record) in &state.manifests {
            touch(digest, record.at);
            for child in &record.manifests {
                touch(child, record.at);
                let needed = state.manifests.get(child).into_iter().flat_map(|it| &it.blobs);
                needed.for_each(|blob| touch(blob, record.at));
            }
            record.blobs.iter().for_each(|blob| touch(blob, record.at));
        }
        for (digest, (_, at)) in &state.blobs {
            touch(digest, *at);
        }
        let manifests = state.manifests.iter().map(|(digest, record)| (digest, record.size));
        let blobs = state.blobs.iter().map(|(digest, (size, _))| (digest, *size));
        for (digest, size) in manifests.chain(blobs) {
            let at = used.get(digest).copied().unwrap_or_default();
            match self.items.get_mut(digest) {
                Some((_, known)) => *known = at.max(*known),
                None => {
                    self.items.insert(digest.clone(), (size, at));
                    self.bytes = self.bytes.saturating_add(size);
                }
            }
        }
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When something must go, seconds since 1970.
    pub fn due(&self, rules: &Rules) -> Option<u64> {
        if rules.quota_bytes.is_some_and(|quota| self.bytes > quota) {
            return Some(0);
        }
        let oldest = self.items.values().map(|(_, at)| *at).min()?;
        Some(oldest.saturating_add(rules.unused_age.as_secs()))
    }

    /// What goes at this time.
    pub fn superfluous(&self, rules: &Rules, now: u64) -> HashSet<Digest> {
        let limit = now.saturating_sub(rules.unused_age.as_secs());
        let (mut going, mut left) = (HashSet::new(), self.bytes);
        let mut order: Vec<(&u64, &Digest, &u64)> =
            self.items.iter().map(|(digest, (size, at))| (at, digest, size)).collect();
        order.sort_unstable();
        let over = rules.quota_bytes.filter(|quota| self.bytes > *quota);
        let goal = over.map(|quota| quota / 10 * QUOTA_TENTHS);
        for (at, digest, size) in order {
            if *at <= limit || goal.is_some_and(|goal| left > goal) {
                going.insert(digest.clone());
                left = left.saturating_sub(*size);
            }
        }
        going
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{ManifestRecord, Note};
    use std::time::Duration;

    fn digest(text: &str) -> Digest {
        Digest::sha256(text.as_bytes())
    }

    fn blob(state: &mut State, name: &str, size: u64, at: u64) {
        state.apply(Note::Blob { digest: digest(name), size, at });
    }

    fn manifest(state: &mut State, name: &str, at: u64, blobs: &[&str], manifests: &[&str]) {
        let digests = |names: &[&str]| names.iter().map(|name| digest(name)).collect();
        let record = ManifestRecord {
            media_type: String::new(),
            size: 10,
            at,
            artifact_type: None,
            subject: None,
            blobs: digests(blobs),
            manifests: digests(manifests),
        };
        state.apply(Note::Manifest { digest: digest(name), record, tag: None });
    }

    #[test]
    fn the_oldest_use_goes_first_and_manifests_use_what_they_need() {
        let (mut one, mut two) = (State::default(), State::default());
        blob(&mut one, "old layer", 100, 5);
        blob(&mut one, "used layer", 100, 5);
        blob(&mut one, "shared", 100, 6);
        manifest(&mut one, "old", 5, &["old layer"], &[]);
        manifest(&mut one, "platform", 5, &["used layer"], &[]);
        manifest(&mut one, "index", 50, &[], &["platform", "elsewhere"]);
        blob(&mut two, "shared", 100, 60);
        let mut all = Inventory::default();
        all.add(&one);
        all.add(&two);
        assert_eq!(all.bytes(), 330);
        let check = |quota: Option<u64>, unused: u64, now: u64, expected: &[&str]| {
            let rules = Rules {
                tag_life: Duration::ZERO,
                absent_life: Duration::ZERO,
                unused_age: Duration::from_secs(unused),
                quota_bytes: quota,
            };
            let expected: HashSet<Digest> = expected.iter().map(|name| digest(name)).collect();
            assert_eq!(all.superfluous(&rules, now), expected, "{quota:?} {unused} {now}");
            all.due(&rules)
        };
        assert_eq!(check(None, 100, 100, &[]), Some(105));
        check(None, 100, 105, &["old", "old layer"]);
        check(Some(330), 100, 100, &[]);
        assert_eq!(check(Some(250), 100, 100, &["old", "old layer"]), Some(0));
        let all_but_shared = ["old", "old layer", "used layer", "platform", "index"];
        check(Some(120), 100, 100, &all_but_shared);
        check(None, 10, 60, &all_but_shared);
    }
}
