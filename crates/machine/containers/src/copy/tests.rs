//! Docker's meaning of paths, and a container that changes them while they are looked up.

use super::path::{self, Form, SourceKind, form};
use super::{CopyError, PathStat};
use crate::Error;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn open(path: &Path) -> OwnedFd {
    fs::File::open(path).unwrap().into()
}

#[test]
fn forms_of_paths() {
    for (text, expected) in [
        ("/a/b", ("/a/b", Form::Thing)),
        ("/a/b/", ("/a/b", Form::Directory)),
        ("/a/b/.", ("/a/b", Form::Content)),
        ("/a/b//.", ("/a/b", Form::Content)),
        (".", ("", Form::Content)),
        ("/", ("", Form::Directory)),
        ("/.", ("", Form::Content)),
        ("a.", ("a.", Form::Thing)),
    ] {
        assert_eq!(form(text), expected, "{text}");
    }
}

/// `outside/secret` is what no look-up may ever find.
fn world() -> (tempfile::TempDir, OwnedFd) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("dir/file"), "inside").unwrap();
    fs::write(root.join("etc/passwd"), "inside").unwrap();
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), "outside").unwrap();
    symlink("/dir/file", root.join("absolute")).unwrap();
    symlink("dir", root.join("to_dir")).unwrap();
    symlink("../../../../../../../../etc/passwd", root.join("up")).unwrap();
    symlink(dir.path().join("outside"), root.join("out")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let fd = open(&root);
    (dir, fd)
}

#[test]
fn sources() {
    let (_dir, root) = world();
    let find = |path: &str, follow| path::source(root.as_fd(), "web", path, follow);
    let shown = |path: &str, follow| match find(path, follow) {
        Ok(source) => match source.kind {
            SourceKind::Directory(_) => format!("dir {}", source.stat.name),
            SourceKind::Entry { name, .. } => {
                format!("{} {}", name.display(), source.stat.name)
            }
        },
        Err(error) => error.to_string(),
    };
    for (path, follow, expected) in [
        ("/dir/file", false, "file file"),
        ("dir/file", false, "file file"),
        ("/dir", false, "dir dir"),
        ("/dir/", false, "dir dir"),
        ("/dir/.", false, "dir dir"),
        ("/", false, "dir /"),
        ("/dir/file/", false, "not a directory: /dir/file/"),
        ("/none", false, "Could not find the file /none in container web"),
        ("/absolute", false, "absolute absolute"),
        ("/absolute", true, "file absolute"),
        ("/to_dir", false, "to_dir to_dir"),
        ("/to_dir", true, "dir to_dir"),
        ("/to_dir/file", false, "file file"),
        ("/up", true, "passwd up"),
        ("/out", true, "Could not find the file /out in container web"),
        ("/out/secret", false, "Could not find the file /out/secret in container web"),
        ("/../../../etc/passwd", false, "passwd passwd"),
        ("/loop", true, "too many links in /loop"),
    ] {
        assert_eq!(shown(path, follow), expected, "{path} {follow}");
    }
}

#[test]
fn targets() {
    let (_dir, root) = world();
    let shown =
        |path: &str, source_is_dir| match path::target(root.as_fd(), "web", path, source_is_dir) {
            Ok(target) => target.name.unwrap_or_else(|| "into".to_owned()),
            Err(Error::Copy(error)) => match error {
                CopyError::DirectoryOntoFile => "dir onto file".to_owned(),
                CopyError::NoSuchDirectory(_) => "no dir".to_owned(),
                other => other.to_string(),
            },
            Err(other) => other.to_string(),
        };
    for (path, source_is_dir, expected) in [
        ("/dir", false, "into"),
        ("/dir", true, "into"),
        ("/to_dir", false, "into"),
        ("/dir/file", false, "file"),
        ("/dir/file", true, "dir onto file"),
        ("/dir/new", false, "new"),
        ("/dir/new", true, "new"),
        ("/dir/new/", true, "new"),
        ("/dir/new/", false, "no dir"),
        ("/none/new", false, "no dir"),
        ("/dir/..", false, "into"),
    ] {
        assert_eq!(shown(path, source_is_dir), expected, "{path} {source_is_dir}");
    }
}

/// CVE-2018-15664: the container swaps a directory for a link to the host's files while it is
/// looked up. Whatever the moment, only what is inside is found.
#[test]
fn a_racing_link_never_leads_out() {
    let (dir, root) = world();
    let inside = dir.path().join("root");
    fs::create_dir(inside.join("swap")).unwrap();
    fs::write(inside.join("swap/secret"), "inside").unwrap();
    symlink(dir.path().join("outside"), inside.join("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, inside) = (Arc::clone(&stop), inside.clone());
        std::thread::spawn(move || {
            let directory = open(&inside);
            while !stop.load(Ordering::Relaxed) {
                let _ = rustix::fs::renameat_with(
                    &directory,
                    "swap",
                    &directory,
                    "link",
                    rustix::fs::RenameFlags::EXCHANGE,
                );
            }
        })
    };
    let (mut found, mut missing) = (0, 0);
    // On a busy machine it takes a while until both have had their turn.
    let begun = std::time::Instant::now();
    let is_over = |both: bool| begun.elapsed().as_millis() > if both { 400 } else { 60_000 };
    while !is_over(found > 0 && missing > 0) {
        match path::source(root.as_fd(), "web", "/swap/secret", false) {
            Ok(source) => {
                let PathStat { size_bytes, .. } = source.stat;
                assert_eq!(size_bytes, 6, "the file outside has 7 bytes");
                found += 1;
            }
            Err(_) => missing += 1,
        }
        if let Ok(target) = path::target(root.as_fd(), "web", "/swap/new", false) {
            let name = format!("made{found}");
            let made = rustix::fs::openat(
                &target.dir,
                name.as_str(),
                rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY,
                rustix::fs::Mode::RWXU,
            );
            drop(made);
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(found > 0 && missing > 0, "the race was run: {found} {missing}");
    let outside: Vec<_> = fs::read_dir(dir.path().join("outside")).unwrap().collect();
    assert_eq!(outside.len(), 1, "nothing was made outside");
}
