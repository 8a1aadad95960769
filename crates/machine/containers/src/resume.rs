//! After a boot: containers whose policy says so are started again. There is no daemon to do it, so
//! a unit or a person runs it once (`teu system resume`).

use crate::disk;
use crate::lifecycle::Attach;
use crate::record::RestartPolicy;
use crate::state::ContainerState;
use crate::{Containers, Error, Result};

/// What a resume did.
#[derive(Debug, Default)]
pub struct Resumed {
    /// Names of those that were started.
    pub started: Vec<String>,
    /// Names of those that could not be, and why. The others are started nevertheless.
    pub failed: Vec<(String, Error)>,
}

impl Containers {
    /// Starts what ran before the boot and is to run always. May be called again at any time.
    pub fn resume(&self) -> Result<Resumed> {
        let boot = disk::boot_id();
        let mut wanted = Vec::new();
        for (pod, id) in self.container_ids()? {
            let Ok(Some(record)) = self.read_record(&pod, &id) else { continue };
            let Ok(Some(state)) = self.read_state(&pod, &id) else { continue };
            if state.boot_id != boot && is_due(record.restart, &state) {
                wanted.push((record.created_ns, record.name, id));
            }
        }
        // Older ones first: younger ones may depend on them.
        wanted.sort();
        let mut resumed = Resumed::default();
        for (_, name, id) in wanted {
            match self.start(&id, Attach::default()) {
                Ok(_) => resumed.started.push(name),
                Err(error) => resumed.failed.push((name, error)),
            }
        }
        Ok(resumed)
    }
}

/// Docker's rules for the start of its daemon.
fn is_due(policy: RestartPolicy, state: &ContainerState) -> bool {
    let ran = state.started_ns > 0;
    match policy {
        RestartPolicy::Always => ran,
        RestartPolicy::UnlessStopped => ran && !state.stopped_by_user,
        RestartPolicy::OnFailure { .. } => state.needs_shim(),
        RestartPolicy::No => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Status;

    #[test]
    fn who_is_started_after_a_boot() {
        let state = |status, started_ns, stopped_by_user| ContainerState {
            status,
            started_ns,
            stopped_by_user,
            ..Default::default()
        };
        let ran = state(Status::Running, 1, false);
        let ended = state(Status::Exited, 1, false);
        let stopped = state(Status::Exited, 1, true);
        let created = state(Status::Created, 0, false);
        let failure = RestartPolicy::OnFailure { max_retries: 0 };
        for (policy, expected) in [
            (RestartPolicy::No, [false, false, false, false]),
            (RestartPolicy::Always, [true, true, true, false]),
            (RestartPolicy::UnlessStopped, [true, true, false, false]),
            (failure, [true, false, false, false]),
        ] {
            let got = [&ran, &ended, &stopped, &created].map(|state| is_due(policy, state));
            assert_eq!(got, expected, "{policy:?}");
        }
    }
}
