//! What Docker answers for the same files, and what an image may try.

use super::lookup;
use super::*;
use std::os::unix::fs::symlink;
use std::path::Path;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/usr/sbin:/bin/false

web:x:1000:1001:Web:/srv/web:/bin/sh
twice:x:7:7::/first:/bin/sh
twice:x:8:8::/second:/bin/sh
1234:x:55:55::/numeric:/bin/sh
nohome:x:60:60:::
huge:x:4294967296:0::/:/bin/sh
big:x:2147483648:0::/:/bin/sh
bad:x:zero:0::/:/bin/sh
short:x
";
const GROUP: &str = "\
root:x:0:
adm:x:4:web,daemon
docker:x:999:web
web:x:1001:
99:x:500:
broken:x:many:
";

fn check(user: &str, additional: &[&str], expected: Result<(u32, u32, &[u32], &str), &str>) {
    let additional: Vec<String> = additional.iter().map(ToString::to_string).collect();
    let found = lookup::user(Some(PASSWD), Some(GROUP), user, &additional);
    match (found, expected) {
        (Ok(found), Ok((uid, gid, groups, home))) => {
            assert_eq!((found.uid, found.gid), (uid, gid), "{user}");
            assert_eq!(found.additional_gids, groups, "{user}");
            assert_eq!(found.home, home, "{user}");
        }
        (Err(error), Err(text)) => assert_eq!(error.to_string(), text, "{user}"),
        (found, expected) => panic!("{user}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn users_and_groups() {
    check("", &[], Ok((0, 0, &[0], "/root")));
    check("root", &[], Ok((0, 0, &[0], "/root")));
    check("web", &[], Ok((1000, 1001, &[1001, 4, 999], "/srv/web")));
    check("1000", &[], Ok((1000, 1001, &[1001, 4, 999], "/srv/web")));
    check("web:adm", &[], Ok((1000, 4, &[4], "/srv/web")));
    check("web:777", &[], Ok((1000, 777, &[777], "/srv/web")));
    check("web", &["docker", "12"], Ok((1000, 1001, &[1001, 4, 999, 12], "/srv/web")));
    check("4321", &[], Ok((4321, 0, &[0], "/")));
    check("4321:4321", &["adm"], Ok((4321, 4321, &[4321, 4], "/")));
    check(":adm", &[], Ok((0, 4, &[4], "/root")));
    check("twice", &[], Ok((7, 7, &[7], "/first")));
    check("1234", &[], Ok((1234, 0, &[0], "/")));
    check("nohome", &[], Ok((60, 60, &[60], "/")));
    check("2147483647", &[], Ok((2_147_483_647, 0, &[0], "/")));
}

#[test]
fn refusals() {
    check("foo", &[], Err("unable to find user foo: no matching entries in passwd file"));
    check("web:foo", &[], Err("unable to find group foo: no matching entries in group file"));
    check("web", &["foo"], Err("unable to find group foo: no matching entries in group file"));
    for id in ["2147483648", "4294967296", "-1", "99999999999999999999"] {
        let range = format!("{id}: uids and gids must be in range 0-2147483647");
        check(id, &[], Err(&range));
        check(&format!("web:{id}"), &[], Err(&range));
        check("web", &[id], Err(&range));
    }
    check("huge", &[], Err("4294967296: uids and gids must be in range 0-2147483647"));
    check("big", &[], Err("2147483648: uids and gids must be in range 0-2147483647"));
    check("bad", &[], Err("the entry of \"bad\" in /etc/passwd has no valid numbers"));
    check("short", &[], Err("the entry of \"short\" in /etc/passwd has no valid numbers"));
    check("web:broken", &[], Err("the entry of \"broken\" in /etc/group has no valid numbers"));
}

#[test]
fn without_files() {
    let found = |user: &str| lookup::user(None, None, user, &[]).map(|user| (user.uid, user.gid));
    assert_eq!(found("").ok(), Some((0, 0)));
    assert_eq!(found("5:6").ok(), Some((5, 6)));
    assert!(matches!(found("web"), Err(Error::NoUser(_))));
}

/// A directory that looks like a container's root.
struct Root(std::path::PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("teu-users-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("etc")).unwrap();
        Self(path)
    }

    fn resolve(&self, user: &str) -> Result<User, Error> {
        resolve(File::open(&self.0).unwrap(), user, &[])
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_link_does_not_lead_out_of_the_root() {
    let root = Root::new("link");
    // The host has `daemon` in its file; the container links to it by every way there is.
    assert!(Path::new("/etc/passwd").exists());
    for target in [
        "/etc/../../../../etc/shadow",
        "../../../../../../etc/passwd",
        "/proc/self/root/etc/passwd",
    ] {
        let link = root.0.join("etc/passwd");
        let _ = std::fs::remove_file(&link);
        symlink(target, &link).unwrap();
        assert!(
            matches!(root.resolve("daemon"), Err(Error::NoUser(_)) | Err(Error::Read { .. })),
            "{target}"
        );
    }
    // Within the root a link is fine, an absolute one too.
    std::fs::remove_file(root.0.join("etc/passwd")).unwrap();
    std::fs::create_dir(root.0.join("usr")).unwrap();
    std::fs::write(root.0.join("usr/passwd"), PASSWD).unwrap();
    symlink("/usr/passwd", root.0.join("etc/passwd")).unwrap();
    assert_eq!(root.resolve("web").unwrap().uid, 1000);
}

#[test]
fn only_regular_files_of_bounded_size() {
    let root = Root::new("kind");
    let passwd = root.0.join("etc/passwd");
    rustix::fs::mknodat(rustix::fs::CWD, &passwd, FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    assert!(matches!(root.resolve("web"), Err(Error::NotRegular("/etc/passwd"))));
    std::fs::remove_file(&passwd).unwrap();
    std::fs::create_dir(&passwd).unwrap();
    assert!(matches!(root.resolve("web"), Err(Error::NotRegular("/etc/passwd"))));
    std::fs::remove_dir(&passwd).unwrap();
    File::create(&passwd).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(root.resolve("web"), Err(Error::TooLarge("/etc/passwd"))));
    std::fs::write(&passwd, b"\xff\xfe:x:1:1::/:\nweb:x:5:6::/home:/bin/sh\n").unwrap();
    assert_eq!(root.resolve("web").unwrap().gid, 6);
}

#[test]
fn owners_of_copied_files() {
    let root = Root::new("owner");
    std::fs::write(root.0.join("etc/passwd"), PASSWD).unwrap();
    std::fs::write(root.0.join("etc/group"), GROUP).unwrap();
    let directory = File::open(&root.0).unwrap();
    for (text, expected) in [
        ("web", (1000, 1000)),
        ("web:adm", (1000, 4)),
        ("12", (12, 12)),
        ("12:web", (12, 1001)),
        ("0:0", (0, 0)),
    ] {
        assert_eq!(owner(&directory, text).unwrap(), expected, "{text}");
    }
    assert!(matches!(owner(&directory, "nobody"), Err(Error::NoUser(_))));
    assert!(matches!(owner(&directory, "4294967296"), Err(Error::Range(_))));
}
