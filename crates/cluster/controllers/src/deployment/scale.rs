//! How many each replica set gets when the deployment is scaled while several have pods: in proportion.

use super::sets::{Limits, MOST, Set};
use teu_api::object;

/// Scales what has pods to what the deployment wants now. `all` are those with replicas; `latest` is
/// the one that gets everything if none or one has any.
pub fn scale(sets: &mut [Set], new: Option<usize>, limits: &Limits, status_replicas: i64) {
    let active: Vec<usize> = (0..sets.len()).filter(|at| sets[*at].replicas() > 0).collect();
    let latest = || (0..sets.len()).max_by(|a, b| sets[*a].age().cmp(&sets[*b].age()));
    let only = match active[..] {
        [] => new.or_else(latest),
        [one] => Some(one),
        _ => None,
    };
    if let Some(at) = only {
        return give(&mut sets[at], limits.replicas, limits);
    }
    if new.is_some_and(|at| is_saturated(&sets[at], limits)) {
        for at in active.into_iter().filter(|at| Some(*at) != new) {
            give(&mut sets[at], 0, limits);
        }
        return;
    }
    if limits.is_rolling {
        in_proportion(sets, active, limits, status_replicas);
    }
}

/// Whether the newest set has all that is wanted.
fn is_saturated(new: &Set, limits: &Limits) -> bool {
    let noted = object::text(&new.now, &["metadata", "annotations", super::sets::DESIRED]);
    noted.and_then(|noted| noted.parse().ok()) == Some(limits.replicas)
        && new.replicas() == limits.replicas
        && new.status("availableReplicas") == limits.replicas
}

fn give(set: &mut Set, replicas: i64, limits: &Limits) {
    set.resize(replicas);
    set.note(limits);
}

fn in_proportion(sets: &mut [Set], mut active: Vec<usize>, limits: &Limits, status_replicas: i64) {
    let total: i64 = active.iter().map(|at| sets[*at].replicas()).sum();
    let allowed = if limits.replicas > 0 { limits.replicas + limits.surge } else { 0 };
    let to_add = allowed - total;
    // The largest first; of two as large, the newer when pods are added, the older when they go.
    active.sort_by(|a, b| {
        let (a, b) = (&sets[*a], &sets[*b]);
        let by_age = if to_add > 0 { b.age().cmp(&a.age()) } else { a.age().cmp(&b.age()) };
        b.replicas().cmp(&a.replicas()).then(by_age)
    });
    let mut added = 0;
    let mut sizes = Vec::new();
    for at in &active {
        let share = share(&sets[*at], limits, status_replicas);
        let left = to_add - added;
        let share = match to_add {
            0 => 0,
            _ if left == 0 => 0,
            more if more > 0 => share.min(left),
            _ => share.max(left),
        };
        added += share;
        sizes.push(sets[*at].replicas() + share);
    }
    for (place, (at, size)) in active.into_iter().zip(sizes).enumerate() {
        // What rounding left goes to the first.
        let rest = if place == 0 { to_add - added } else { 0 };
        give(&mut sets[at], (size + rest).max(0), limits);
    }
}

/// By how much a set changes when the whole does.
fn share(set: &Set, limits: &Limits, status_replicas: i64) -> i64 {
    let replicas = set.replicas();
    if limits.replicas == 0 {
        return -replicas;
    }
    let noted = object::text(&set.now, &["metadata", "annotations", MOST]);
    let noted = noted.and_then(|noted| noted.parse::<i64>().ok()).filter(|noted| *noted > 0);
    let before = noted.unwrap_or(status_replicas);
    if before <= 0 {
        return 0;
    }
    let product = replicas * (limits.replicas + limits.surge);
    // Halves away from zero: nothing here is negative.
    (2 * product + before).div_euclid(2 * before) - replicas
}
