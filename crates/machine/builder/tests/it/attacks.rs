//! Rows 5, 8 and 9 of the security checklist: each test performs the attack.

use crate::world::World;
use std::path::Path;

/// A name outside that an attack would create or change.
fn canary(world: &World) -> std::path::PathBuf {
    let path = world.path("canary");
    std::fs::create_dir(&path).expect("makes");
    std::fs::write(path.join("file"), "untouched").expect("writes");
    path
}

fn is_untouched(path: &Path) -> bool {
    let names: Vec<_> = std::fs::read_dir(path).expect("reads").filter_map(Result::ok).collect();
    names.len() == 1 && std::fs::read(path.join("file")).expect("reads") == b"untouched"
}

/// A link in the image leads to the host's path: `COPY`, `WORKDIR` and heredocs stay in the image.
#[test]
fn links_of_an_image_do_not_lead_out() {
    let world = World::new();
    let outside = canary(&world);
    let target = outside.display();
    world.file("a", "evil");
    let tree = world.tree(&format!(
        "FROM busybox\nRUN ln -s {target} /out && ln -s {target}/file /outfile && ln -s ../../../../../../..{target} /up\nCOPY a /out/\nCOPY a /outfile\nCOPY a /up/b\nCOPY . /out/all/\nCOPY <<x /out/here\nevil\nx\nWORKDIR /out/dir\nRUN echo evil > /out/run\n"
    ));
    assert!(is_untouched(&outside));
    let inside = target.to_string();
    let inside = inside.trim_start_matches('/');
    assert_eq!(tree[&format!("{inside}/a")], "644 0:0 evil");
    assert!(tree.contains_key(&format!("{inside}/dir")));
}

/// A stage hands out links where a path is expected: sources stay in their tree.
#[test]
fn links_of_a_source_do_not_lead_out() {
    let world = World::new();
    let outside = canary(&world);
    let target = outside.display();
    let error = world.fails(&format!(
        "FROM busybox AS s\nRUN ln -s {target} /out\nFROM busybox\nCOPY --from=s /out/file /stolen\n"
    ));
    assert!(error.to_string().contains("not found"), "{error}");
    std::os::unix::fs::symlink(&outside, world.context().join("link")).expect("links");
    let error = world.fails("FROM busybox\nCOPY link/file /stolen\n");
    assert!(error.to_string().contains("not found"), "{error}");
    let tree = world.tree("FROM busybox\nCOPY . /c/\n");
    assert!(tree["c/link"].contains("-> "), "{}", tree["c/link"]);
}

/// CVE-2024-23651: a cache mount's `source` goes through a link that another step has put there.
#[test]
fn cache_sources_do_not_lead_out() {
    let world = World::new();
    let outside = canary(&world);
    let target = outside.display();
    world.build(&format!(
        "FROM busybox\nRUN --mount=type=cache,id=k,target=/c ln -s {target} /c/out && mkdir /c/dir\n"
    ));
    let error = world.fails(
        "FROM busybox\nRUN --mount=type=cache,id=k,source=out,target=/x echo evil > /x/file\n",
    );
    assert!(is_untouched(&outside), "{error}");
    world.build("FROM busybox\nRUN --mount=type=cache,id=k,source=dir,target=/x echo 1 > /x/f\n");
}

/// CVE-2024-9407, -9675: likewise with `..` and absolute paths, for caches and binds.
#[test]
fn mount_sources_cannot_climb() {
    let world = World::new();
    let outside = canary(&world);
    let target = outside.display();
    for mount in [
        format!("type=cache,id=k,source=../../../../..{target},target=/x"),
        format!("type=cache,id=../../../..{target},source={target},target=/x"),
        format!("type=bind,from=busybox,source=../../../../..{target},target=/x,rw"),
        format!("type=bind,source=../../../../..{target},target=/x,rw"),
    ] {
        world.file(
            "Dockerfile",
            &format!("FROM busybox\nRUN --mount={mount} echo evil > /x/file\n"),
        );
        let _ = world.try_request(teu_builder::BuildRequest::default());
        assert!(is_untouched(&outside), "{mount}");
    }
}

/// CVE-2024-23652: the step replaces its mount's target by a link, so that taking the empty target
/// away would remove something else.
#[test]
fn mount_points_are_not_taken_away_through_links() {
    let world = World::new();
    let outside = canary(&world);
    std::fs::create_dir(outside.join("empty")).expect("makes");
    let target = outside.display();
    world.build(&format!(
        "FROM busybox\nRUN rm -rf /home && mkdir /home\nRUN --mount=type=tmpfs,target=/home/a/empty umount /home/a/empty 2>/dev/null; mv /home/a /home/b 2>/dev/null; ln -s {target} /home/a 2>/dev/null; true\n"
    ));
    assert!(outside.join("empty").is_dir(), "a directory outside was removed");
}

/// CVE-2024-11218: the target of a mount is a link of the image to the host's root.
#[test]
fn mount_targets_do_not_lead_out() {
    let world = World::new();
    let outside = canary(&world);
    let target = outside.display();
    // The runtime may refuse such a place, or take the container's own; the host's it never is.
    world.file("Dockerfile", &format!(
        "FROM busybox\nRUN ln -s {target} /out && ln -s /proc/1/root /host\nRUN --mount=type=cache,target=/out/c echo 1 > /out/c/f\nRUN --mount=type=tmpfs,target=/host/x true; true\n"
    ));
    let _ = world.try_request(teu_builder::BuildRequest::default());
    assert!(is_untouched(&outside));
}

/// Triggers, labels, volumes and users of a base image are data.
#[test]
fn a_hostile_base_cannot_make_the_build_do_things() {
    let world = World::new();
    let image = world.images.resolve("busybox").expect("an image");
    for (trigger, expected) in [
        ("FROM scratch", "isn't allowed as an ONBUILD trigger"),
        ("ONBUILD RUN x", "isn't allowed as an ONBUILD trigger"),
        ("RUN a\nRUN b", "isn't allowed as an ONBUILD trigger"),
        ("RUN --security=insecure true", "security.insecure"),
        ("RUN --mount=type=secret,id=s,required true", "not found"),
        ("NOPE", "unknown instruction"),
    ] {
        let mut config = image.config.clone();
        config.config.on_build = Some(vec![trigger.to_owned()]);
        let name = "hostile".parse().expect("a name");
        world.images.write_image(&config, &image.manifest.layers, Some(&[name])).expect("writes");
        let error = world.fails("FROM hostile\n").to_string();
        assert!(error.contains(expected), "{trigger}: {error}");
    }
}

/// An archive that climbs, through names and through links it brings itself.
#[test]
fn archives_stay_in_their_destination() {
    let world = World::new();
    let outside = canary(&world);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "link", &outside).expect("appends");
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    tar.append_data(&mut header, "link/file", &b"evil"[..]).expect("appends");
    let bytes = tar.into_inner().expect("a tar");
    std::fs::write(world.context().join("evil.tar"), bytes).expect("writes");
    world.file("Dockerfile", "FROM busybox\nADD evil.tar /d/\n");
    let _ = world.try_request(teu_builder::BuildRequest::default());
    assert!(is_untouched(&outside));
}
