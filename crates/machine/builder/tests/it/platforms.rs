//! One build for several platforms: an index, of stages that run nothing foreign.

use crate::world::World;
use teu_builder::{BuildRequest, Destination, DockerfileSource, Output};
use teu_oci::Platform;
use teu_oci::image::Index;

/// A stage that runs here and compiles for elsewhere, as people write it.
const CROSS: &str = "FROM --platform=$BUILDPLATFORM busybox AS build\n\
    RUN echo ran >> /steps\n\
    ARG TARGETARCH\n\
    RUN echo for $TARGETARCH > /program\n\
    FROM scratch\n\
    ARG TARGETPLATFORM\n\
    LABEL made.for=$TARGETPLATFORM\n\
    COPY --from=build /program /program\n\
    COPY main.go /\n";

fn several() -> Vec<Platform> {
    vec![Platform::linux("amd64"), Platform::linux("arm64")]
}

fn request(text: &str) -> BuildRequest {
    BuildRequest {
        platforms: several(),
        dockerfile: DockerfileSource::Bytes(text.as_bytes().to_vec()),
        tags: vec!["cross:1".parse().expect("a name")],
        ..BuildRequest::default()
    }
}

#[test]
fn the_result_is_an_index() {
    let world = World::new();
    world.file("main.go", "package main");
    let done = world.request(request(CROSS));
    let image = done.outcome.image.as_ref().expect("an image");
    assert!(teu_oci::media::is_index(&image.descriptor.media_type));
    assert_eq!(done.outcome.manifest_digest.as_ref(), Some(&image.descriptor.digest));
    for platform in several() {
        let image = world.images.resolve_platform("cross:1", Some(&platform)).expect("is there");
        assert_eq!(image.platform(), platform);
        let labels = &image.config.config.labels;
        assert_eq!(labels["made.for"], platform.to_string());
        assert_eq!(image.manifest.layers.len(), 2);
    }
    let bytes = world.images.read_blob(&image.descriptor.digest, 1 << 20).expect("reads");
    let index = Index::parse(&bytes, &image.descriptor.media_type).expect("an index");
    let platforms: Vec<_> = index.manifests.iter().filter_map(|e| e.platform.clone()).collect();
    assert_eq!(platforms, several());
    // What is the same for both runs once: it is the build machine's, not the target's.
    let ran = done.heard.ran();
    assert_eq!(ran.iter().filter(|name| name.contains("echo ran")).count(), 1, "{ran:?}");
    assert_eq!(ran.iter().filter(|name| name.contains("echo for")).count(), 2, "{ran:?}");
    assert!(ran.iter().any(|name| name.starts_with("[linux/arm64 stage-1 2/3]")), "{ran:?}");
    assert!(ran.iter().any(|name| name.starts_with("[linux/amd64 build 2/3]")), "{ran:?}");
    // Nothing else is left in the store's table, and the second build changes nothing.
    assert_eq!(world.images.list().expect("lists").len(), 2);
    let again = world.request(request(CROSS));
    assert!(again.heard.ran().is_empty(), "{:?}", again.heard.ran());
    assert_eq!(again.outcome.manifest_digest, done.outcome.manifest_digest);
}

#[test]
fn other_outputs_hold_every_platform_or_are_refused() {
    let world = World::new();
    world.file("main.go", "package main");
    let to = |output: Output| BuildRequest { outputs: vec![output], ..request(CROSS) };
    let out = world.path("out");
    world.request(to(Output::Local { directory: out.clone() }));
    for arch in ["amd64", "arm64"] {
        let text = std::fs::read_to_string(out.join(format!("linux_{arch}/program")));
        assert_eq!(text.expect("is there"), format!("for {arch}\n"));
    }
    let archive = world.path("out.tar");
    let destination = Destination::Path(archive.clone());
    world.request(to(Output::Oci { destination: destination.clone(), tar: true }));
    assert!(world.images.resolve("cross:1").is_err());
    let file = std::fs::File::open(archive).expect("opens");
    world.images.load_file(&file, None).expect("loads");
    let arm = world.images.resolve_platform("cross:1", Some(&Platform::linux("arm64")));
    assert_eq!(arm.expect("both came").platform(), Platform::linux("arm64"));
    for output in [Output::Docker { destination: destination.clone() }, Output::Tar { destination }]
    {
        let error = world.try_request(to(output)).0.expect_err("refused").to_string();
        assert!(error.contains("holds the files of one platform"), "{error}");
    }
}

#[test]
fn foreign_programs_do_not_run() {
    let world = World::new();
    let text = "FROM scratch\nCOPY main.go /\nRUN [\"/main.go\"]\n";
    world.file("main.go", "");
    let platforms = vec![Platform::linux("s390x")];
    let refused = BuildRequest { platforms, ..request(text) };
    let error = world.try_request(refused).0.expect_err("refused");
    assert!(error.to_string().contains("a program for linux/s390x cannot run"), "{error}");
    assert!(error.excerpt().contains(">>> RUN"), "{}", error.excerpt());
}

#[test]
fn annotations_are_of_the_manifests_or_of_the_index() {
    let world = World::new();
    let said =
        |typed: &[&str]| typed.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect();
    let plain = || BuildRequest {
        dockerfile: DockerfileSource::Bytes(b"FROM busybox\nLABEL a=b\n".to_vec()),
        tags: vec!["plain:1".parse().expect("a name")],
        ..BuildRequest::default()
    };
    let before = world.request(plain());
    let done = world.request(BuildRequest { annotations: said(&["org.x"]), ..plain() });
    let image = done.outcome.image.as_ref().expect("an image");
    assert_eq!(image.manifest.annotations["org.x"], "v");
    assert_eq!(done.id(), before.id(), "the configuration is the same");
    let again = world.request(plain());
    let image = again.outcome.image.as_ref().expect("an image");
    assert!(image.manifest.annotations.is_empty(), "what was said before is said no more");
    let wrong = world.try_request(BuildRequest { annotations: said(&["index:org.x"]), ..plain() });
    let error = wrong.0.map(drop).expect_err("there is no index").to_string();
    assert!(error.contains("no index to annotate"), "{error}");

    let typed = said(&["index:org.i", "manifest:org.m"]);
    world.file("main.go", "package main");
    let done = world.request(BuildRequest { annotations: typed, ..request(CROSS) });
    let whole = done.outcome.image.as_ref().expect("an index");
    let bytes = world.images.read_blob(&whole.descriptor.digest, 1 << 20).expect("reads");
    let index = Index::parse(&bytes, &whole.descriptor.media_type).expect("an index");
    assert_eq!(index.annotations.keys().collect::<Vec<_>>(), ["org.i"]);
    for platform in several() {
        let image = world.images.resolve_platform("cross:1", Some(&platform)).expect("is there");
        assert_eq!(image.manifest.annotations.keys().collect::<Vec<_>>(), ["org.m"]);
    }
}
