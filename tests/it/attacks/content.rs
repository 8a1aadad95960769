//! Rows 5 and 6: what an archive or an image's configuration can make us do.

use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::Command;

fn sh(script: &str, dir: &Path) {
    let status =
        Command::new("sh").args(["-ec", script]).current_dir(dir).status().expect("sh runs");
    assert!(status.success(), "{script}");
}

fn folder(world: &World) -> PathBuf {
    let path = world.root().join("files");
    std::fs::create_dir_all(&path).expect("creates");
    path
}

/// CVE-2025-47290, CVE-2021-32760: an archive that names or reaches a place outside.
#[test]
fn an_archive_cannot_write_outside() {
    let world = World::empty();
    let dir = folder(&world);
    let outside = dir.join("outside");
    std::fs::create_dir_all(&outside).expect("creates");
    let out = outside.display();
    let archives = [
        ("dots", "echo x >f; tar -P -cf dots.tar --transform 's,^f,../../../../../../../../OUT/f,' f".to_owned()),
        ("absolute", "echo x >f; tar -P -cf absolute.tar --transform 's,^f,OUT/f,' f".to_owned()),
        ("link", "rm -rf d; ln -s OUT l; tar -cf link.tar l; rm l; mkdir l; echo x >l/f; tar -rf link.tar l/f; rm -r l".to_owned()),
        ("dirlink", "rm -rf l; mkdir l; echo x >l/f; tar -cf dirlink.tar l; rm -r l; ln -s OUT l; tar -rf dirlink.tar l; rm l; mkdir l; echo y >l/g; tar -rf dirlink.tar l/g".to_owned()),
    ];
    for (name, script) in archives {
        sh(&script.replace("OUT", &out.to_string()), &dir);
        let archive = dir.join(format!("{name}.tar"));
        world.teu(["import", archive.to_str().expect("plain"), name]);
        let found: Vec<_> = std::fs::read_dir(&outside).expect("readable").collect();
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

/// A hard link to a file of the host would give it away.
#[test]
fn a_hard_link_cannot_name_the_host() {
    let world = World::busybox();
    let dir = folder(&world);
    sh(
        "mkdir -p h && cd h && echo x >passwd && ln passwd leak && cd .. && \
        tar -P -cf hard.tar --transform 's,^h/passwd$,/etc/passwd,' h/passwd h/leak",
        &dir,
    );
    let archive = dir.join("hard.tar");
    let said = world.teu(["import", archive.to_str().expect("plain"), "hard"]);
    if said.code == 0 {
        let stored = Command::new("grep")
            .args(["-rl", "root:x:0:0:root:/root:/bin/bash"])
            .arg(world.root().join("images"))
            .output()
            .expect("grep runs");
        assert_eq!(String::from_utf8_lossy(&stored.stdout), "");
    }
}

/// CVE-2024-40635: a user number that wraps around to root.
#[test]
fn a_huge_user_is_refused() {
    let world = World::busybox();
    for user in ["4294967296", "4294967295", "2147483648", "-1", "0x0", "65536:4294967296"] {
        let said = world.teu(["run", "--rm", "--network=none", "-u", user, "busybox", "id", "-u"]);
        assert_ne!(said.code, 0, "{user} was accepted: {}", said.out);
        world.file("u/Dockerfile", &format!("FROM busybox\nUSER {user}\n"));
        let context = world.root().join("files/u");
        let built = world.teu(["build", "-q", "-t", "user", context.to_str().expect("plain")]);
        if built.code == 0 {
            let said = world.line("run --rm --network=none user id -u");
            assert_ne!(said.code, 0, "{user} from an image was accepted: {}", said.out);
        }
    }
}

/// CVE-2022-23648: a volume path in an image reads the host; CVE-2026-53488: labels are orders.
#[test]
fn configuration_of_an_image_is_data() {
    let world = World::busybox();
    let marker = world.file("marker", "secret-of-the-host");
    let target = marker.parent().expect("has a folder").display().to_string();
    let dockerfile = format!(
        "FROM busybox\nRUN ln -s {target} /link\nVOLUME [\"/../../../../..{target}\", \"/link/deep\"]\n\
         LABEL io.teu.pod=evil io.kubernetes.cri.sandbox=/ org.opencontainers.runtime=/bin/sh\n\
         STOPSIGNAL SIGTERM\n"
    );
    world.file("v/Dockerfile", &dockerfile);
    let context = world.root().join("files/v");
    let built = world.teu(["build", "-q", "-t", "evil", context.to_str().expect("plain")]);
    if built.code == 0 {
        let look = format!("cat {target}/marker /link/marker /link/deep/marker 2>/dev/null");
        let said = world.teu(["run", "--rm", "--network=none", "evil", "sh", "-c", &look]);
        assert!(!said.out.contains("secret-of-the-host"), "the host was read");
        assert_eq!(std::fs::read_to_string(&marker).expect("there"), "secret-of-the-host");
        assert!(!marker.with_file_name("deep").exists(), "a folder was made on the host");
    }
}

/// CVE-2024-9676: `/etc/passwd` of the image is a link to something endless or foreign.
#[test]
fn passwd_is_looked_up_inside() {
    let world = World::busybox();
    let host = world.file("passwd", "evil:x:0:0::/:/bin/sh\n");
    let link = host.display();
    world.file(
        "p/Dockerfile",
        &format!("FROM busybox\nRUN rm /etc/passwd && ln -s {link} /etc/passwd\n"),
    );
    let context = world.root().join("files/p");
    world.teu(["build", "-q", "-t", "linked", context.to_str().expect("plain")]).ok();
    let error = world.line("run --rm --network=none -u evil linked id").fails(125);
    assert!(error.contains("evil"), "{error}");
    world.file("z/Dockerfile", "FROM busybox\nRUN rm /etc/passwd && ln -s /dev/zero /etc/passwd\n");
    let context = world.root().join("files/z");
    world.teu(["build", "-q", "-t", "endless", context.to_str().expect("plain")]).ok();
    world.line("run --rm --network=none -u evil endless id").fails(125);
}

/// Row 14: text from strangers does not move the cursor of whoever lists it.
#[test]
fn control_bytes_are_not_printed() {
    let world = World::busybox();
    world
        .teu([
            "create",
            "--name",
            "loud",
            "--label",
            "x=\u{1b}]0;pwned\u{7}\u{1b}[2J",
            "busybox",
            "sh",
            "-c",
            "echo \u{1b}[31mred",
        ])
        .ok();
    let text =
        world.teu(["ps", "-a", "--no-trunc", "--format", "table {{.Labels}}\t{{.Command}}"]).ok();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    let text = world.teu(["ps", "-a", "--no-trunc"]).ok();
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

/// Row 14: the log is a link to a file of the host.
#[test]
fn a_log_that_is_a_link_is_refused() {
    let world = World::busybox();
    let marker = world.file("marker", "{\"log\":\"secret-of-the-host\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}\n");
    world.line("create --name linked --network=none busybox echo hello").ok();
    let id = world.teu(["inspect", "--format", "{{.Id}}", "linked"]).ok();
    let mut find = Command::new("find");
    find.arg(world.root().join("pods")).args(["-type", "d", "-name", &id]);
    let found = find.output().expect("find runs");
    let dir = String::from_utf8_lossy(&found.stdout).into_owned();
    let log = Path::new(dir.lines().last().expect("there is one")).join("container.log");
    let _ = std::fs::remove_file(&log);
    std::os::unix::fs::symlink(&marker, &log).expect("links");
    let before = std::fs::read_to_string(&marker).expect("there");
    world.line("start linked");
    let said = world.line("logs linked");
    assert!(!said.out.contains("secret-of-the-host"), "logs followed the link");
    assert_eq!(
        std::fs::read_to_string(&marker).expect("there"),
        before,
        "the log was written through the link"
    );
}
