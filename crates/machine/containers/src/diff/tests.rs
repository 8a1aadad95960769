//! Changes of a layer over an image, made with a real overlay.

use super::*;
use std::fs;

fn tree(root: &Path, entries: &str) {
    for entry in entries.split_whitespace() {
        let path = root.join(entry.trim_start_matches('/'));
        if entry.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }
}

fn shown(upper: &Path, image: &Path) -> String {
    let image = Some(fs::File::open(image).unwrap().into());
    let made = MADE_BY_START.iter().map(PathBuf::from).collect();
    let all = changes(upper, image, &made).unwrap();
    let text: Vec<String> =
        all.iter().map(|change| format!("{}{}", change.kind, change.path.display())).collect();
    text.join(" ")
}

#[test]
fn added_changed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (image, upper) = (dir.path().join("image"), dir.path().join("upper"));
    tree(&image, "/etc/passwd /etc/group /bin/sh /srv/a/b /opt/x");
    tree(&upper, "/etc/passwd /etc/new /tmp/ /data/one");
    let whiteout = |path: &str| {
        let path = upper.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = Mode::empty();
        rustix::fs::mknodat(rustix::fs::CWD, path, FileType::CharacterDevice, mode, 0).unwrap();
    };
    whiteout("etc/group");
    whiteout("never");
    assert_eq!(
        shown(&upper, &image),
        "A/data A/data/one C/etc D/etc/group A/etc/new C/etc/passwd A/tmp"
    );
    // What a start makes is nobody's change.
    fs::write(upper.join("etc/resolv.conf"), "").unwrap();
    tree(&upper, "/proc/ /dev/pts/");
    assert!(!shown(&upper, &image).contains("resolv"));
    assert!(!shown(&upper, &image).contains("proc"));
    assert!(!shown(&upper, &image).contains("dev"));
    // But a file of the container's own there is.
    tree(&upper, "/dev/mine");
    assert!(shown(&upper, &image).contains("A/dev A/dev/mine"));
}

#[test]
fn a_directory_that_was_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (image, upper) = (dir.path().join("image"), dir.path().join("upper"));
    tree(&image, "/srv/old /srv/kept");
    tree(&upper, "/srv/kept");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(upper.join("srv"), "trusted.overlay.opaque", b"y", flags).unwrap();
    assert_eq!(shown(&upper, &image), "C/srv C/srv/kept D/srv/old");
}
