//! Hostile trees: whatever links say, nothing outside the root is opened or made.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

fn world() -> (tempfile::TempDir, OwnedFd) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("usr/lib")).expect("tree");
    fs::create_dir(dir.path().join("outside")).expect("tree");
    fs::write(dir.path().join("outside/secret"), "x").expect("file");
    symlink("/usr/lib", root.join("lib")).expect("link");
    symlink("../../../../outside", root.join("escape")).expect("link");
    symlink("/run/dir/file", root.join("dangling")).expect("link");
    symlink("loop", root.join("loop")).expect("link");
    symlink("/proc/self/cwd", root.join("magic")).expect("link");
    let fd = rustix::fs::open(&root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("root");
    (dir, fd)
}

#[track_caller]
fn check_made(path: &str, what: Make, expected: Option<&str>) {
    let (dir, root) = world();
    let made = make(&root, path, what);
    match expected {
        Some(place) => {
            let made = made.expect("made");
            let place = dir.path().join("root").join(place);
            let (a, b) = (rustix::fs::fstat(&made).expect("stat"), rustix::fs::stat(&place));
            assert_eq!(a.st_ino, b.expect("it is in the root").st_ino);
        }
        None => assert!(made.is_err(), "{path} was made"),
    }
    let left: Vec<_> = fs::read_dir(dir.path().join("outside")).expect("list").collect();
    assert_eq!(left.len(), 1, "nothing was made outside");
    assert!(!Path::new("/run/dir/file").exists());
}

#[test]
fn makes_what_is_missing_inside() {
    check_made("/a/b/c", Make::Directory, Some("a/b/c"));
    check_made("/a/file", Make::File, Some("a/file"));
    check_made("/lib/x", Make::Directory, Some("usr/lib/x"));
    check_made("/dangling", Make::File, Some("run/dir/file"));
    check_made("/dangling/deep", Make::Directory, Some("run/dir/file/deep"));
    check_made("/../../a", Make::Directory, Some("a"));
    check_made("/escape/secret", Make::File, Some("outside/secret"));
    check_made("/escape", Make::Directory, Some("outside"));
    check_made("/", Make::Directory, Some("."));
}

#[test]
fn refuses_endless_links() {
    check_made("/loop", Make::File, None);
    check_made("/loop/x", Make::Directory, None);
}

#[test]
fn opens_nothing_outside() {
    let (_dir, root) = world();
    assert_eq!(handle(&root, "/escape/secret").err(), Some(Errno::NOENT));
    assert_eq!(handle(&root, "/../outside/secret").err(), Some(Errno::NOENT));
    assert_eq!(handle_without_links(&root, "/lib").err(), Some(Errno::LOOP));
    assert!(handle(&root, "/magic").is_err());
}
