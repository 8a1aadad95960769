//! The group `batch`.

mod cron_job;
mod job;
pub mod schedule;
#[cfg(test)]
mod tests;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "CronJob" => cron_job::RULES,
        "Job" => job::RULES,
        _ => return None,
    })
}
