//! Where results go.

use crate::world::World;
use std::process::Command;
use teu_builder::{BuildRequest, ContextSource, Destination, DockerfileSource, Output};

fn with(outputs: Vec<Output>) -> BuildRequest {
    BuildRequest {
        outputs,
        tags: vec!["app:1".parse().expect("a name")],
        ..BuildRequest::default()
    }
}

#[test]
fn every_exporter() {
    let world = World::new();
    world.file("a", "1").file("Dockerfile", "FROM scratch\nCOPY a /a\nCOPY a /b\n");
    let path = |name: &str| Destination::Path(world.path(name));
    let done = world.request(with(vec![
        Output::Oci { destination: path("oci.tar"), tar: true },
        Output::Oci { destination: path("oci"), tar: false },
        Output::Docker { destination: path("docker.tar") },
        Output::Tar { destination: path("fs.tar") },
        Output::Local { directory: world.path("local") },
    ]));
    assert!(done.outcome.image.is_none(), "the store was not asked for");
    assert!(world.images.resolve("app:1").is_err());
    assert_eq!(std::fs::read(world.path("local/a")).expect("reads"), b"1");
    let list = |file: &str| {
        let output =
            Command::new("tar").arg("-tf").arg(world.path(file)).output().expect("tar runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(
        list("fs.tar").lines().any(|line| line.trim_start_matches("./") == "b"),
        "{}",
        list("fs.tar")
    );
    assert!(list("docker.tar").contains("manifest.json"));
    assert!(list("oci.tar").contains("oci-layout"));
    assert!(world.path("oci/index.json").exists());
    let again = teu_images::Store::open(&world.path("other")).expect("a store");
    let file = std::fs::File::open(world.path("docker.tar")).expect("opens");
    let loaded = again.load_file(&file, None).expect("loads");
    assert_eq!(Some(&loaded[0].image.id), done.outcome.image_id.as_ref());
}

#[test]
fn names_and_notes() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox\nLABEL a=b\n");
    let request = BuildRequest {
        tags: vec!["one".parse().expect("a name"), "two:x".parse().expect("a name")],
        labels: [("c".to_owned(), "d".to_owned())].into(),
        iidfile: Some(world.path("iid")),
        metadata_file: Some(world.path("metadata")),
        ..BuildRequest::default()
    };
    let done = world.request(request);
    for name in ["one", "two:x"] {
        assert_eq!(world.images.resolve(name).expect(name).id.to_string(), done.id());
    }
    assert_eq!(std::fs::read_to_string(world.path("iid")).expect("reads"), done.id());
    let metadata = std::fs::read_to_string(world.path("metadata")).expect("reads");
    assert!(metadata.contains(&done.id()) && metadata.contains("two:x"), "{metadata}");
    assert_eq!(done.config().config.labels["c"], "d");
}

#[test]
fn contexts_as_streams() {
    let world = World::new();
    world
        .file("a", "1")
        .file("Dockerfile", "FROM busybox\nRUN true\n")
        .file("sub/Other", "FROM busybox\nCOPY a /a\n");
    let tar = Command::new("tar").arg("-C").arg(world.context()).args(["-czf", "-", "."]).output();
    let stream = || {
        let bytes = tar.as_ref().expect("tar runs").stdout.clone();
        ContextSource::Stream(Box::new(std::io::Cursor::new(bytes)))
    };
    world.request(BuildRequest { context: stream(), ..BuildRequest::default() });
    let dockerfile = DockerfileSource::Path("sub/Other".into());
    let done =
        world.request(BuildRequest { context: stream(), dockerfile, ..BuildRequest::default() });
    assert_eq!(done.heard.ran().len(), 1);
    let alone = || {
        ContextSource::Stream(Box::new(std::io::Cursor::new(
            b"FROM busybox\nRUN echo x\n".to_vec(),
        )))
    };
    world.request(BuildRequest { context: alone(), ..BuildRequest::default() });
}

#[test]
fn named_contexts() {
    let world = World::new();
    let other = world.path("other");
    std::fs::create_dir(&other).expect("makes");
    std::fs::write(other.join("f"), "named").expect("writes");
    world.file("Dockerfile", "FROM base\nCOPY --from=files f /f\nRUN cat /f\n");
    let build_contexts = vec![
        ("files".to_owned(), teu_builder::NamedContext::Directory(other)),
        ("base".to_owned(), teu_builder::NamedContext::Image("docker-image://busybox".to_owned())),
    ];
    let done = world.request(BuildRequest { build_contexts, ..BuildRequest::default() });
    assert_eq!(done.heard.log(), "named");
}
