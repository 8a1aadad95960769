//! Volumes: named, anonymous, filled from the image, shared, pruned.

use super::world::World;
use teu_containers::create::CreateRequest;
use teu_containers::lifecycle::Remove;
use teu_containers::record::{MountKind, MountRecord};
use teu_volumes::VolumeSpec;

fn volume(name: &str, destination: &str) -> MountRecord {
    MountRecord {
        destination: destination.to_owned(),
        kind: MountKind::Volume {
            name: name.to_owned(),
            anonymous: false,
            nocopy: false,
            subpath: None,
        },
        readonly: false,
        propagation: Default::default(),
    }
}

fn with(world: &World, script: &str, mounts: Vec<MountRecord>) -> CreateRequest {
    let mut request = world.request(script);
    request.container.mounts = mounts;
    request
}

#[test]
fn a_volume_is_filled_once_and_kept() {
    let world = World::new();
    let first = with(
        &world,
        "cat /data/seed; stat -c %u /data /data/seed; readlink /data/link; echo mine > /data/seed",
        vec![volume("vol", "/data")],
    );
    let ran = world.run_request(first).unwrap();
    assert!(ran.out.starts_with("from the image1000\n1000\n"), "{ran:?}");
    let second = with(&world, "cat /data/seed", vec![volume("vol", "/data")]);
    assert_eq!(world.run_request(second).unwrap().out, "mine\n");
    let shown = world.containers.inspect_volume("vol").unwrap();
    assert_eq!((shown["Name"].as_str(), shown["Driver"].as_str()), (Some("vol"), Some("local")));
    world.containers.remove_volume("vol").unwrap();
    world.assert_clean();
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let world = World::new();
    world.image("withvolume", &["CMD [\"sh\"]", "VOLUME /data"]);
    let request =
        || CreateRequest { image: "withvolume".into(), ..world.request("cat /data/seed") };
    let created = world.containers.create(request()).unwrap();
    assert_eq!(world.entries("volumes").len(), 1);
    assert_eq!(world.start_attached(&created.id).unwrap().out, "from the image");
    world.containers.remove(&created.id, Remove { force: false, volumes: false }).unwrap();
    assert_eq!(world.entries("volumes").len(), 1, "rm without -v keeps it");
    let pruned = world.containers.prune_volumes(false, &[]).unwrap();
    assert_eq!(pruned.removed.len(), 1);
    let created = world.containers.create(request()).unwrap();
    world.containers.remove(&created.id, Remove { force: false, volumes: true }).unwrap();
    world.assert_clean();
}

#[test]
fn a_volume_in_use_stays() {
    let world = World::new();
    let spec = VolumeSpec { name: Some("vol".into()), ..VolumeSpec::default() };
    world.containers.create_volume(&spec).unwrap();
    let request = with(&world, "true", vec![volume("vol", "/v")]);
    let created = world.containers.create(request).unwrap();
    let error = world.containers.remove_volume("vol").unwrap_err().to_string();
    assert_eq!(error, format!("remove vol: volume is in use - [{}]", created.id));
    assert!(world.containers.prune_volumes(true, &[]).unwrap().removed.is_empty());
    let dangling = [("dangling".to_owned(), "true".to_owned())];
    assert!(world.containers.list_volumes(&dangling).unwrap().is_empty());
    let usage = world.containers.volume_usage().unwrap();
    assert_eq!(usage[0].containers, [created.name]);
    world.remove(&created.id);
    assert_eq!(world.containers.prune_volumes(true, &[]).unwrap().removed, ["vol"]);
    world.assert_clean();
}

#[test]
fn volumes_from_another_container() {
    let world = World::new();
    let request = CreateRequest {
        name: Some("store".into()),
        ..with(&world, "true", vec![volume("vol", "/data")])
    };
    world.containers.create(request).unwrap();
    let mut reader = world.request("cat /data/seed; touch /data/x || echo refused");
    reader.volumes_from = vec!["store:ro".into()];
    let ran = world.run_request(reader).unwrap();
    assert_eq!(ran.out, "from the imagerefused\n", "{ran:?}");
    world.remove("store");
    world.containers.remove_volume("vol").unwrap();
    world.assert_clean();
}
