//! cp, diff, export, commit.

use super::world::{World, until};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use teu_containers::copy::CopyOut;
use teu_containers::record::{MountKind, MountRecord};
use teu_containers::{CommitRequest, CopyOptions};

const PLAIN: CopyOptions = CopyOptions { follow_link: false, archive: false };

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn out_of_running_and_stopped_containers() {
    let world = World::new();
    world.running("web", "mkdir -p /made/sub; echo hi > /made/sub/file; ln -s /made/sub/file /made/link; touch /ready; sleep 100");
    let c = &world.containers;
    until("readiness", || c.stat_path("web", "/ready").is_ok());
    for round in ["running", "stopped"] {
        let out = world.dir.join(format!("out-{round}"));
        fs::create_dir(&out).unwrap();
        c.copy_to_host("web", "/made/sub/file", &out, PLAIN).unwrap();
        assert_eq!(text(&out.join("file")), "hi\n");
        c.copy_to_host("web", "/made/sub/file", &out.join("renamed"), PLAIN).unwrap();
        assert_eq!(text(&out.join("renamed")), "hi\n");
        c.copy_to_host("web", "/made", &out, PLAIN).unwrap();
        assert_eq!(text(&out.join("made/sub/file")), "hi\n");
        assert!(out.join("made/link").is_symlink());
        c.copy_to_host("web", "/made/.", &out.join("new"), PLAIN).unwrap();
        assert_eq!(text(&out.join("new/sub/file")), "hi\n");
        let follow = CopyOptions { follow_link: true, ..PLAIN };
        c.copy_to_host("web", "/made/link", &out.join("target"), follow).unwrap();
        assert_eq!(text(&out.join("target")), "hi\n");
        let error = c.copy_to_host("web", "/made", &out.join("file"), PLAIN).unwrap_err();
        assert_eq!(error.to_string(), "cannot copy directory");
        let error = c.copy_to_host("web", "/nope", &out, PLAIN).unwrap_err();
        assert_eq!(error.to_string(), "Could not find the file /nope in container web");
        let (stat, mut tar) =
            c.copy_out("web", &CopyOut { path: "/made".into(), follow_link: false }).unwrap();
        assert_eq!(stat.name, "made");
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).unwrap();
        let name = b"made/sub/file";
        assert!(bytes.windows(name.len()).any(|window| window == name));
        if round == "running" {
            c.kill("web", 9).unwrap();
            c.wait("web", Default::default()).unwrap();
        }
    }
    world.remove("web");
    world.assert_clean();
}

#[test]
fn into_running_and_stopped_containers_and_their_volumes() {
    let world = World::new();
    let local = world.dir.join("local");
    fs::create_dir_all(local.join("sub")).unwrap();
    fs::write(local.join("sub/file"), "from here").unwrap();
    std::os::unix::fs::chown(local.join("sub/file"), Some(1234), Some(1234)).unwrap();
    let mut request = world.request("sleep 100");
    request.name = Some("web".into());
    request.container.mounts = vec![MountRecord {
        destination: "/vol".into(),
        kind: MountKind::Volume {
            name: "vol".into(),
            anonymous: false,
            nocopy: false,
            subpath: None,
        },
        readonly: false,
        propagation: Default::default(),
    }];
    world.containers.create(request).unwrap();
    let c = &world.containers;
    let data = c.volumes().get("vol").unwrap().path();
    for (round, name) in [("stopped", "a"), ("running", "b")] {
        if round == "running" {
            c.start("web", Default::default()).unwrap();
        }
        let file = local.join("sub/file");
        c.copy_to_container(&file, "web", &format!("/srv/{name}"), PLAIN).unwrap();
        c.copy_to_container(&local, "web", &format!("/vol/{name}"), PLAIN).unwrap();
        assert_eq!(text(&data.join(name).join("sub/file")), "from here", "{round}");
        assert_eq!(data.join(name).join("sub/file").metadata().unwrap().uid(), 0);
        let keep = CopyOptions { archive: true, ..PLAIN };
        c.copy_to_container(&file, "web", "/vol", keep).unwrap();
        assert_eq!(data.join("file").metadata().unwrap().uid(), 1234);
        let out = world.dir.join(format!("back-{round}"));
        c.copy_to_host("web", &format!("/srv/{name}"), &out, PLAIN).unwrap();
        assert_eq!(text(&out), "from here");
        let error = c.copy_to_container(&file, "web", "/none/x", PLAIN).unwrap_err();
        assert_eq!(error.to_string(), "no such directory: /none");
        let error = c.copy_to_container(&local, "web", "/etc/passwd", PLAIN).unwrap_err();
        assert_eq!(error.to_string(), "cannot copy directory");
        let error = c.copy_to_container(&file, "web", "/proc/sys/kernel", PLAIN).unwrap_err();
        if round == "running" {
            assert!(error.to_string().contains("file system of the kernel"), "{error}");
        }
    }
    world.remove("web");
    c.remove_volume("vol").unwrap();
    world.assert_clean();
}

/// CVE-2018-15664 against a running container that swaps a directory for a link to the host.
#[test]
fn a_hostile_container_gets_nothing_of_the_host() {
    let world = World::new();
    let secret = world.dir.join("outside");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("file"), "secret of the host").unwrap();
    // The same path exists in the container, with other content.
    let script = format!(
        "mkdir -p {0}; echo own > {0}/file; mkdir /dir; echo own > /dir/file; ln -s {0} /link; \
         touch /ready; while :; do mv /dir /tmp/d; mv /link /dir; mv /dir /link; mv /tmp/d /dir; done",
        secret.display()
    );
    world.running("web", &script);
    let c = &world.containers;
    until("readiness", || c.stat_path("web", "/ready").is_ok());
    let out = world.dir.join("out");
    fs::create_dir(&out).unwrap();
    let into = world.dir.join("into");
    fs::write(&into, "x").unwrap();
    let mut got = 0;
    let mut tries = 0;
    until("200 tries, one of which gets something", || {
        tries += 1;
        if c.copy_to_host("web", "/dir/file", &out.join("file"), PLAIN).is_ok() {
            assert_eq!(text(&out.join("file")), "own\n");
            got += 1;
        }
        let _ = c.copy_to_container(&into, "web", "/dir/written", PLAIN);
        tries >= 200 && got > 0
    });
    let names: Vec<_> = fs::read_dir(&secret).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing was written outside");
    assert_eq!(text(&secret.join("file")), "secret of the host");
}

/// CVE-2019-10152 and its kin: links in what is copied never lead the extraction out.
#[test]
fn a_hostile_tree_is_unpacked_where_it_was_asked_for() {
    let world = World::new();
    let victim = world.dir.join("victim");
    fs::create_dir(&victim).unwrap();
    let script =
        format!("mkdir /t; ln -s {} /t/a; ln -s ../../../../../../etc /t/b", victim.display());
    world.create("web", &script);
    world.start_attached("web").unwrap();
    let out = world.dir.join("out");
    fs::create_dir(&out).unwrap();
    // What is there already must not lead out either: the second copy goes over links of the first.
    for _ in 0..2 {
        world.containers.copy_to_host("web", "/t", &out, PLAIN).unwrap();
        assert!(out.join("t/a").is_symlink());
    }
    symlink(&victim, out.join("t/sub")).unwrap();
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
}

#[test]
fn diff_export_and_commit() {
    let world = World::new();
    world.create("web", "echo new > /srv/new; rm /data/seed; echo x >> /etc/passwd");
    world.start_attached("web").unwrap();
    let shown: Vec<String> = world
        .containers
        .diff("web")
        .unwrap()
        .iter()
        .map(|change| format!("{}{}", change.kind, change.path.display()))
        .collect();
    assert_eq!(shown, ["C/data", "D/data/seed", "C/etc", "C/etc/passwd", "C/srv", "A/srv/new"]);
    let mut tar = Vec::new();
    world.containers.export("web").unwrap().read_to_end(&mut tar).unwrap();
    let has = |name: &str| tar.windows(name.len()).any(|window| window == name.as_bytes());
    assert!(has("srv/new") && has("bin/busybox") && !has("data/seed"));
    let request = CommitRequest {
        config: None,
        names: vec!["changed:1".parse().unwrap()],
        author: Some("me".into()),
        message: Some("why".into()),
        changes: vec!["ENV A=b".into(), "CMD [\"cat\", \"/srv/new\"]".into()],
        pause: true,
    };
    let id = world.containers.commit("web", &request).unwrap();
    let image = world.containers.images().resolve("changed:1").unwrap();
    assert_eq!(image.id, id);
    assert_eq!(image.config.author.as_deref(), Some("me"));
    assert_eq!(image.config.history.last().unwrap().comment.as_deref(), Some("why"));
    let mut request = world.request("");
    request.image = "changed:1".into();
    assert_eq!(world.run_request(request).unwrap().out, "new\n");
    world.remove("web");
    world.assert_clean();
}
