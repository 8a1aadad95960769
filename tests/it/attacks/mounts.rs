//! Rows 3, 8 and 13: links where mounts are made, in images, builds and volumes.

use crate::world::World;
use std::path::Path;

fn build(world: &World, name: &str, dockerfile: &str) -> crate::world::Said {
    world.file(&format!("{name}/Dockerfile"), dockerfile);
    let context = world.root().join("files").join(name);
    world.teu(["build", "--progress=plain", "-t", name, context.to_str().expect("plain")])
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).expect("readable").next().is_none()
}

/// CVE-2019-19921, CVE-2025-52881: `/proc`, `/sys` or `/dev` of the image lead elsewhere.
#[test]
fn system_directories_that_are_links_lead_nowhere() {
    let world = World::busybox();
    let outside = world.root().join("files/outside");
    std::fs::create_dir_all(&outside).expect("creates");
    for (name, path) in [("fakeproc", "proc"), ("fakesys", "sys"), ("fakedev", "dev")] {
        let rootfs = world.root().join("files").join(format!("{name}-rootfs"));
        let script = format!(
            "mkdir -p {root}/bin && cp /bin/busybox {root}/bin/sh && ln -s {out} {root}/{path} && \
             tar -C {root} -cf {root}.tar .",
            root = rootfs.display(),
            out = outside.display(),
        );
        let status =
            std::process::Command::new("sh").args(["-ec", &script]).status().expect("runs");
        assert!(status.success());
        world.teu(["import", &format!("{}.tar", rootfs.display()), name]).ok();
        world.teu([
            "run",
            "--rm",
            "--network=none",
            name,
            "sh",
            "-c",
            "echo 1 >/proc/sys/kernel/hostname",
        ]);
        assert!(is_empty(&outside), "{name}: something was made on the host");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
        assert!(
            !mounts.contains(&outside.display().to_string()),
            "{name}: a mount landed on the host"
        );
    }
}

/// CVE-2025-31133, CVE-2025-52565: `/dev/null` and `/dev/console` are links when they are used.
#[test]
fn device_nodes_of_the_image_are_not_trusted() {
    let world = World::busybox();
    let built = build(
        &world,
        "nodes",
        "FROM busybox\nRUN rm -rf /dev/* ; ln -s /proc/sysrq-trigger /dev/null ; \
        ln -s /proc/sys/kernel/core_pattern /dev/console ; mkdir -p /dev/pts ; true\n",
    );
    built.ok();
    let look = "run --rm --network=none nodes sh -c";
    let words: Vec<&str> = look.split(' ').chain(["stat -c %t:%T /dev/null; cat /proc/sysrq-trigger; echo core >/proc/sys/kernel/core_pattern; cat /proc/kcore | head -c 1"]).collect();
    let said = world.teu(words);
    assert!(said.out.starts_with("1:3"), "{said:?}");
    assert!(said.err.contains("core_pattern"), "writing core_pattern must fail: {said:?}");
    assert_eq!(said.out.trim_end().lines().count(), 1, "a masked file could be read: {said:?}");
}

/// CVE-2024-23651, -23652, -23653: mounts of a build step lead out, or their teardown does.
#[test]
fn mounts_of_a_build_step_stay_inside() {
    let world = World::busybox();
    let marker = world.file("marker", "secret-of-the-host");
    let host = marker.parent().expect("has a folder").display().to_string();
    // A stage whose directory is a link to the host, bound with a source beneath it.
    let said = build(
        &world,
        "bound",
        &format!(
            "FROM busybox AS evil\nRUN ln -s {host} /link\nFROM busybox\n\
         RUN --mount=type=bind,from=evil,source=/link,target=/in cat /in/marker\n"
        ),
    );
    assert!(!(said.out + &said.err).contains("secret-of-the-host"));
    // A mount point that is a link.
    let said = build(
        &world,
        "target",
        &format!(
            "FROM busybox\nRUN ln -s {host} /link\n\
         RUN --mount=type=tmpfs,target=/link/deep touch /link/deep/made\n\
         RUN --mount=type=cache,target=/link/cache touch /link/cache/made\n"
        ),
    );
    assert!(
        !marker.with_file_name("deep").exists() && !marker.with_file_name("cache").exists(),
        "{said:?}"
    );
    // COPY through a link, and from one.
    let said = build(
        &world,
        "copied",
        &format!(
            "FROM busybox AS evil\nRUN ln -s {host} /link\nFROM busybox\n\
         RUN ln -s {host} /out\nCOPY --from=evil /link/marker /got\nRUN cat /got\n"
        ),
    );
    assert!(!(said.out + &said.err).contains("secret-of-the-host"));
    build(
        &world,
        "written",
        &format!("FROM busybox\nRUN ln -s {host}/marker /out\nCOPY Dockerfile /out\n"),
    );
    assert_eq!(std::fs::read_to_string(&marker).expect("there"), "secret-of-the-host");
    // More privilege is not to be had by asking in the file.
    let said = build(&world, "insecure", "FROM busybox\nRUN --security=insecure true\n");
    assert_ne!(said.code, 0, "{said:?}");
}

/// A context cannot name its parents, by path or by link.
#[test]
fn a_context_is_confined() {
    let world = World::busybox();
    world.file("marker", "secret-of-the-host");
    let context = world.root().join("files/ctx");
    std::fs::create_dir_all(&context).expect("creates");
    std::os::unix::fs::symlink("../marker", context.join("link")).expect("links");
    std::os::unix::fs::symlink("..", context.join("up")).expect("links");
    for source in ["../marker", "/../marker", "up/marker", "link"] {
        let text = format!("FROM busybox\nCOPY {source} /got\nRUN cat /got; true\n");
        let said = build(&world, "ctx", &text);
        assert!(!(said.out + &said.err).contains("secret-of-the-host"), "COPY {source}");
    }
}

/// CVE-2017-1002101, CVE-2021-25741: a subpath of a volume is a link to the host.
#[test]
fn a_subpath_cannot_leave_its_volume() {
    let world = World::busybox();
    let marker = world.file("marker", "secret-of-the-host");
    let host = marker.parent().expect("has a folder").display().to_string();
    world.line("volume create data").ok();
    let plant =
        format!("ln -s {host} /v/link; ln -s / /v/root; mkdir /v/fine; echo fine >/v/fine/marker");
    world
        .teu(["run", "--rm", "--network=none", "-v", "data:/v", "busybox", "sh", "-c", &plant])
        .ok();
    for subpath in ["link", "root", "../..", "link/..", "/", "fine/../../.."] {
        let mount = format!("type=volume,source=data,target=/m,volume-subpath={subpath}");
        let said = world.teu([
            "run",
            "--rm",
            "--network=none",
            "--mount",
            &mount,
            "busybox",
            "sh",
            "-c",
            "cat /m/marker; ls /m",
        ]);
        assert!(!said.out.contains("secret-of-the-host"), "subpath {subpath}");
    }
    let mount = "type=volume,source=data,target=/m,volume-subpath=fine";
    let said = world.teu([
        "run",
        "--rm",
        "--network=none",
        "--mount",
        mount,
        "busybox",
        "cat",
        "/m/marker",
    ]);
    assert_eq!(said.ok(), "fine");
}
