//! The other ways in which a machine may have its control groups: version 2 alone, as most have now, and
//! version 1 alone. What asks the subject or the library about groups is asked again in a mount
//! namespace that shows only the one or the other of a hybrid machine.
//!
//! The version 2 seen so has the controllers that version 1 leaves it, often none: what needs others is
//! asked only outside. Groups, entry, freezing, killing, devices and counts of processor time need none.

use crate::world::is_runc;
use std::process::Command;
use teu_runtime::cgroup::Layout;

/// What is asked; mounts and users know nothing of control groups.
const MODULES: [&str; 5] = ["cgroups::", "lifecycle::", "exec::", "process::", "attacks::"];

/// Says that controllers may be missing.
const BARE: &str = "TEU_TEST_BARE_CGROUPS";

const VERSION_2: &str = "mount --make-rprivate / && mount --bind /sys/fs/cgroup/unified /mnt && \
     umount -R -l /sys/fs/cgroup && mount --move /mnt /sys/fs/cgroup && exec \"$@\"";

const VERSION_1: &str =
    "mount --make-rprivate / && umount -l /sys/fs/cgroup/unified && exec \"$@\"";

/// Whether this is a machine without these controllers because it was made so here.
pub fn lacks(controllers: &[&str]) -> bool {
    let layout = Layout::detect().unwrap();
    let is_there = |name: &&str| layout.hierarchy(name).is_some() || layout.unified_has(name);
    std::env::var_os(BARE).is_some() && !controllers.iter().all(is_there)
}

#[test]
fn version_2_alone() {
    ask_again(VERSION_2, "version 2");
}

#[test]
fn version_1_alone() {
    ask_again(VERSION_1, "version 1");
}

fn ask_again(script: &str, name: &str) {
    let layout = Layout::detect().unwrap();
    if is_runc() || layout.v1.is_empty() || layout.unified.is_none() {
        eprintln!("{name}: not asked, needs a hybrid machine");
        return;
    }
    let own = std::env::current_exe().expect("own path");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(own).args(MODULES).env(BARE, "1");
    let output = command.output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}{errors}");
    assert!(said.contains(" 0 failed") && !said.contains("running 0 tests"), "{name}: {said}");
}
