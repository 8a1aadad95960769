//! What an ordinary user may make groups in: what was delegated, and nothing else.
//!
//! Of v1 that is nothing in practice. Of v2 it is the nearest group above one's own that one may write
//! to and that gives controllers to its children: beneath `user@UID.service`, which systemd delegates,
//! every process has such a one (`app.slice`). A login's own `session-N.scope` is not beneath it; there
//! no limit can be set (`systemd-run --user --scope teu …` starts where it can).

use super::layout::{Layout, Unified};
use rustix::fs::Access;
use std::path::{Path, PathBuf};

/// Leaves only what may be written to.
pub fn keep(layout: &mut Layout) {
    layout.v1.retain(|hierarchy| is_writable(&hierarchy.mount));
    layout.unified = layout.unified.take().and_then(|unified| {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let given = |group: &Path| {
            let text = std::fs::read_to_string(group.join("cgroup.subtree_control"));
            let names = text.unwrap_or_default();
            names.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let base = base(&unified.mount, &own, &|group| {
            is_writable(group)
                && is_writable(&group.join("cgroup.procs"))
                && !given(group).is_empty()
        })?;
        Some(Unified { controllers: given(&base), mount: base })
    });
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

/// The nearest group above our own that will do.
fn base(mount: &Path, own: &str, will_do: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = mount.join(path);
    own.ancestors()
        .skip(1)
        .take_while(|group| *group != mount)
        .find(|group| will_do(group))
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::base;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_nearest_that_was_delegated() {
        let user = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
        let will_do = |group: &Path| group.starts_with(user);
        let find = |own: &str| base(Path::new("/sys/fs/cgroup"), own, &will_do);
        let scope = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n";
        assert_eq!(find(scope), Some(PathBuf::from(format!("{user}/app.slice"))));
        assert_eq!(
            find("1:name=systemd:/x\n0::/user.slice/user-1000.slice/session-2.scope\n"),
            None
        );
        assert_eq!(find("0::/\n"), None);
    }
}
