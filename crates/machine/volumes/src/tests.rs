//! Volumes: names, options, first use, and paths that somebody changes under our feet.

use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn world() -> (tempfile::TempDir, Volumes) {
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(&dir.path().join("volumes")).unwrap();
    (dir, volumes)
}

fn named(name: &str) -> VolumeSpec {
    VolumeSpec { name: Some(name.to_owned()), ..VolumeSpec::default() }
}

fn open(path: &Path) -> OwnedFd {
    fs::File::open(path).unwrap().into()
}

#[test]
fn names_and_drivers() {
    let (_dir, volumes) = world();
    for (name, expected) in [
        ("data", ""),
        ("a.b-c_d", ""),
        ("a", "create a: volume name is too short"),
        ("../up", "create ../up: \"../up\" includes invalid characters"),
        ("a/b", "create a/b: "),
        (".tmp-x", "create .tmp-x: "),
        ("", "create : "),
    ] {
        let got = volumes.create(&named(name)).map(drop);
        let text = got.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with(expected) && text.is_empty() == expected.is_empty(), "{text}");
    }
    let foreign = VolumeSpec { driver: "nfs".into(), ..named("data2") };
    assert!(volumes.create(&foreign).unwrap_err().to_string().contains("plugin \"nfs\" not found"));
    assert!(matches!(volumes.get("../volumes"), Err(Error::NoSuchVolume(_))));
    assert_eq!(volumes.get("none").unwrap_err().to_string(), "get none: no such volume");
}

#[test]
fn a_damaged_record_hides_no_volume_and_stops_no_list() {
    let (dir, volumes) = world();
    for name in ["good", "hurt"] {
        volumes.create(&named(name)).unwrap();
    }
    // What a power failure made of records before they were synced.
    fs::write(dir.path().join("volumes/hurt/volume.json"), "").unwrap();
    let names = |list: Vec<Volume>| list.iter().map(|v| v.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(volumes.list().unwrap()), ["good", "hurt"]);
    let error = volumes.get("hurt").unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("teu volume rm"), "{error}");
    volumes.remove("hurt").unwrap();
    assert_eq!(names(volumes.list().unwrap()), ["good"]);
}

#[test]
fn what_a_dead_maker_left_is_swept_and_what_a_live_one_makes_is_not() {
    let (dir, volumes) = world();
    let live = dir.path().join("volumes/.tmp-live");
    let dead = dir.path().join("volumes/.tmp-dead");
    for draft in [&live, &dead] {
        fs::create_dir_all(draft.join("_data")).unwrap();
    }
    let held = fs::File::open(&live).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(volumes.list().unwrap().is_empty());
    assert!(live.exists() && !dead.exists());
    drop(held);
    assert!(volumes.list().unwrap().is_empty());
    assert!(!live.exists());
}

#[test]
fn a_volume_is_made_once_and_goes_whole() {
    let (dir, volumes) = world();
    let first = volumes.create(&named("data")).unwrap();
    fs::write(first.path().join("file"), "x").unwrap();
    let again = volumes.create(&named("data")).unwrap();
    assert_eq!(first.record.created_ns, again.record.created_ns);
    let anonymous = volumes.create(&VolumeSpec::default()).unwrap();
    assert!(anonymous.record.anonymous && anonymous.name().len() == 64);
    assert_eq!(volumes.list().unwrap().len(), 2);
    volumes.remove("data").unwrap();
    assert!(matches!(volumes.remove("data"), Err(Error::NoSuchVolume(_))));
    volumes.remove(anonymous.name()).unwrap();
    // What a killed command left is swept by the next list.
    fs::create_dir_all(dir.path().join("volumes/.gone-x/_data")).unwrap();
    assert!(volumes.list().unwrap().is_empty());
    assert_eq!(fs::read_dir(dir.path().join("volumes")).unwrap().count(), 0);
}

#[test]
fn of_many_makers_one_wins_and_all_get_the_same() {
    let (_dir, volumes) = world();
    let made: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| volumes.create(&named("data")).unwrap().record.created_ns))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(volumes.list().unwrap().len(), 1);
}

#[test]
fn options_of_the_local_driver() {
    let (_dir, volumes) = world();
    let spec = |name: &str, options: &[(&str, &str)]| VolumeSpec {
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..named(name)
    };
    let tmpfs = volumes.create(&spec("mem", &[("type", "tmpfs"), ("o", "uid=5"), ("size", "1m")]));
    let options = vec!["uid=5".to_owned(), "size=1m".to_owned()];
    assert_eq!(tmpfs.unwrap().backing(), Backing::Tmpfs { options });
    let bind =
        volumes.create(&spec("bound", &[("type", "none"), ("device", "/srv"), ("o", "bind,ro")]));
    let (source, options) = ("/srv".to_owned(), vec!["ro".to_owned()]);
    assert_eq!(bind.unwrap().backing(), Backing::Bind { source, options });
    for options in [
        &[("colour", "red")][..],
        &[("type", "nfs"), ("device", ":/x")],
        &[("type", "none"), ("o", "bind")],
        &[("type", "none"), ("o", "bind"), ("device", "relative")],
    ] {
        assert!(volumes.create(&spec("refused", options)).is_err(), "{options:?}");
    }
    volumes.create(&named("plain")).unwrap();
    let other = spec("plain", &[("type", "tmpfs")]);
    assert!(matches!(volumes.create(&other), Err(Error::Conflict(_))));
}

/// An image's root with everything that must survive, and a link that leads out.
fn image(root: &Path) {
    fs::create_dir_all(root.join("data/sub")).unwrap();
    fs::write(root.join("data/file"), "content").unwrap();
    fs::hard_link(root.join("data/file"), root.join("data/sub/same")).unwrap();
    symlink("/etc/shadow", root.join("data/link")).unwrap();
    let set = |path: &str, mode| {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    std::os::unix::fs::chown(root.join("data/file"), Some(12), Some(34)).unwrap();
    set("data/file", 0o4750);
    std::os::unix::fs::chown(root.join("data"), Some(56), Some(78)).unwrap();
    set("data", 0o1770);
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(root.join("data/file"), "user.note", b"kept", flags).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("data/fifo"), fifo, mode, 0).unwrap();
    symlink("/../../../../../../etc", root.join("out")).unwrap();
}

#[test]
fn the_first_use_copies_everything_once() {
    let (dir, volumes) = world();
    let root = dir.path().join("root");
    image(&root);
    let volume = volumes.create(&named("data")).unwrap();
    let report = volume.fill(open(&root).as_fd(), "/data").unwrap();
    assert_eq!(report.entries, 5);
    let data = volume.path();
    let meta = |path: &Path| path.symlink_metadata().unwrap();
    let file = meta(&data.join("file"));
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (12, 34, 0o4750));
    assert_eq!(file.ino(), meta(&data.join("sub/same")).ino());
    assert_eq!(meta(&data).mode() & 0o7777, 0o1770);
    assert_eq!((meta(&data).uid(), meta(&data).gid()), (56, 78));
    assert_eq!(fs::read_link(data.join("link")).unwrap(), Path::new("/etc/shadow"));
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(data.join("file"), "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"kept");
    fs::write(data.join("file"), "changed").unwrap();
    let again = volumes.get("data").unwrap();
    assert_eq!(again.fill(open(&root).as_fd(), "/data").unwrap(), CopyReport::default());
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "changed");
}

/// CVE-2022-23648: the place in the image is a link that leads out of it.
#[test]
fn an_image_cannot_fill_a_volume_from_the_host() {
    let (dir, volumes) = world();
    let root = dir.path().join("root");
    image(&root);
    for path in ["/out", "/../../../../etc", "/data/../../../etc", "/data/link"] {
        let name = format!("v{}", path.len());
        let volume = volumes.create(&named(&name)).unwrap();
        let report = volume.fill(open(&root).as_fd(), path).unwrap();
        assert_eq!(report.entries, 0, "{path}");
        assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 0, "{path}");
    }
}

/// CVE-2017-1002101 and CVE-2021-25741: a container swaps a directory of its volume for a link
/// while it is looked up as a subpath.
#[test]
fn a_subpath_never_leaves_its_volume() {
    let (dir, volumes) = world();
    let volume = volumes.create(&named("data")).unwrap();
    let data = volume.path();
    let secret = dir.path().join("secret");
    fs::create_dir_all(secret.join("in")).unwrap();
    fs::create_dir_all(data.join("swap/in")).unwrap();
    let inside = fs::metadata(data.join("swap/in")).unwrap().ino();
    symlink(&secret, data.join("link")).unwrap();
    for path in ["link/in", "link", "../secret", "/etc", "", "swap/../../secret", "none"] {
        assert!(volume.subpath(path).is_err(), "{path}");
    }
    let stop = AtomicBool::new(false);
    let (mut found, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let top = open(&data);
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                let _ = rustix::fs::renameat_with(&top, "swap", &top, "link", flags);
            }
        });
        // On a busy machine it takes a while until both have had their turn.
        let begun = std::time::Instant::now();
        let is_over = |both: bool| begun.elapsed().as_millis() > if both { 300 } else { 60_000 };
        while !is_over(found > 0 && refused > 0) {
            match volume.subpath("swap/in") {
                Ok(fd) => {
                    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_ino, inside);
                    found += 1;
                }
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(found > 0 && refused > 0, "the race was run: {found} {refused}");
}

#[test]
fn sizes_are_those_of_du() {
    let (_dir, volumes) = world();
    let volume = volumes.create(&named("data")).unwrap();
    fs::write(volume.path().join("one"), vec![1_u8; 100_000]).unwrap();
    fs::hard_link(volume.path().join("one"), volume.path().join("two")).unwrap();
    symlink("/usr", volume.path().join("away")).unwrap();
    let bytes = volumes.size_bytes(&volume).unwrap();
    assert!((100_000..120_000).contains(&bytes), "{bytes}");
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let labelled = VolumeSpec { labels: labels.clone(), ..named("labelled") };
    assert_eq!(volumes.create(&labelled).unwrap().record.labels, labels);
}
