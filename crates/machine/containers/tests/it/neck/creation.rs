//! What `create` makes, refuses and leaves.

use super::world::World;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use teu_containers::create::CreateRequest;
use teu_containers::lifecycle::Remove;
use teu_containers::list::ListOptions;
use teu_containers::record::RestartPolicy;

#[test]
fn a_container_is_made_found_listed_and_removed() {
    let world = World::new();
    let created = world.create("web", "true");
    assert_eq!(created.name, "web");
    for name in ["web", "/web", &created.id, &created.id[..12], &created.id[..1]] {
        assert_eq!(world.containers.find(name).unwrap().record.id, created.id, "{name}");
    }
    let error = world.containers.find("other").unwrap_err();
    assert_eq!(error.to_string(), "No such container: other");
    let running = world.containers.list(&ListOptions::default()).unwrap();
    assert!(running.is_empty());
    let all = ListOptions { all: true, ..ListOptions::default() };
    let lines = world.containers.list(&all).unwrap();
    assert_eq!((lines.len(), lines[0].name.as_str()), (1, "web"));
    let shown = world.containers.inspect("web", true).unwrap();
    assert_eq!(shown["Name"], "/web");
    assert_eq!(shown["State"]["Status"], "created");
    assert_eq!(shown["Config"]["Cmd"][0], "sh");
    assert!(shown["SizeRootFs"].as_u64().unwrap() > 100_000);
    world.containers.remove("web", Remove::default()).unwrap();
    world.assert_clean();
}

#[test]
fn names_are_unique_and_can_be_changed() {
    let world = World::new();
    let first = world.create("web", "true");
    let request = CreateRequest { name: Some("web".into()), ..world.request("true") };
    let error = world.containers.create(request.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Conflict. The container name \"/web\" is already in use by container \"{}\". You have \
             to remove (or rename) that container to be able to reuse that name.",
            first.id
        )
    );
    world.containers.rename("web", "old").unwrap();
    assert_eq!(world.containers.find("old").unwrap().record.id, first.id);
    assert!(world.containers.find("web").is_err());
    let second = world.containers.create(request).unwrap();
    assert!(world.containers.rename("old", "web").is_err());
    world.remove(&first.id);
    world.remove(&second.id);
    world.assert_clean();
}

#[test]
fn of_many_who_want_a_name_one_gets_it() {
    let world = World::new();
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let request =
                        CreateRequest { name: Some("web".into()), ..world.request("true") };
                    usize::from(world.containers.create(request).is_ok())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
    assert_eq!(world.entries("pods").len(), 1);
    assert_eq!(world.entries("tmp"), BTreeSet::new());
    world.remove("web");
    world.assert_clean();
}

#[test]
fn a_refused_request_leaves_nothing() {
    let world = World::new();
    let refused = |change: &dyn Fn(&mut CreateRequest), expected: &str| {
        let mut request = world.request("true");
        change(&mut request);
        let error = world.containers.create(request).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        world.assert_clean();
    };
    refused(&|request| request.image = "nothere".into(), "no such image: nothere");
    refused(&|request| request.name = Some("a b".into()), "Invalid container name (a b)");
    refused(
        &|request| {
            request.container.auto_remove = true;
            request.container.restart = RestartPolicy::Always;
        },
        "can't create 'AutoRemove' container with restart policy",
    );
    let cidfile = world.dir.join("cid");
    std::fs::write(&cidfile, "").unwrap();
    refused(
        &|request| request.container.cidfile = Some(cidfile.clone()),
        "Container ID file found, make sure the other container isn't running or delete",
    );
    refused(
        &|request| {
            request.container.mounts = vec![mount("/x", "/does/not/exist/anywhere")];
        },
        "invalid mount config for type \"bind\": bind source path does not exist",
    );
    // The volume that was made on the way goes, too.
    refused(
        &|request| {
            let volume = |destination: &str, name: &str| {
                let mut mount = mount(destination, "");
                mount.kind = teu_containers::record::MountKind::Volume {
                    name: name.into(),
                    anonymous: false,
                    nocopy: false,
                    subpath: None,
                };
                mount
            };
            request.container.mounts = vec![volume("/a", "good"), volume("/b", "bad/name")];
        },
        "create bad/name: \"bad/name\" includes invalid characters",
    );
}

fn mount(destination: &str, source: &str) -> teu_containers::record::MountRecord {
    teu_containers::record::MountRecord {
        destination: destination.into(),
        kind: teu_containers::record::MountKind::Bind { source: source.into(), recursive: true },
        readonly: false,
        propagation: Default::default(),
    }
}

#[test]
fn folders_are_closed_to_others() {
    let world = World::new();
    let created = world.create("web", "true");
    for dir in
        ["", "pods", "names", "events", "tmp", "run", "run/pods", &format!("pods/{}", created.id)]
    {
        let mode = std::fs::metadata(world.dir.join(dir)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{dir}");
    }
}

#[test]
fn the_image_stays_while_a_container_needs_it() {
    let world = World::new();
    world.create("web", "echo still here");
    let image = world.containers.images().resolve("busybox").unwrap();
    let used = world.containers.images_in_use().unwrap();
    assert_eq!(used, [(image.id, "web".to_owned())]);
    let name = "busybox".parse().unwrap();
    world.containers.images().untag(&name).unwrap();
    let filter = teu_images::PruneFilter { all: true, ..Default::default() };
    world.containers.images().prune(&filter, &[]).unwrap();
    assert_eq!(world.start_attached("web").unwrap().out, "still here\n");
    world.remove("web");
    world.assert_clean();
}
