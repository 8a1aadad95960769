//! One build for several platforms through buildx and by `teu build`: the index, and what registries
//! have of it.

use super::bench::Bench;
use crate::registry::{Registry, skopeo};

const CROSS: &str = "FROM --platform=$BUILDPLATFORM busybox AS build\n\
    RUN echo once > /once\n\
    ARG TARGETARCH\n\
    RUN echo \"for $TARGETARCH\" > /program\n\
    FROM scratch\n\
    COPY --from=build /program /once /\n";

/// What a registry has under a name, as `os/arch` of each image.
fn platforms(name: &str) -> Vec<String> {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let index: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    let manifests = index["manifests"].as_array().unwrap_or_else(|| panic!("no index: {raw}"));
    let text =
        |entry: &serde_json::Value, key: &str| entry["platform"][key].as_str().map(str::to_owned);
    let all = manifests.iter().filter_map(|entry| {
        Some(format!("{}/{}", text(entry, "os")?, text(entry, "architecture")?))
    });
    all.collect()
}

#[test]
fn an_index_is_built_and_pushed() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    let registry = Registry::start();
    world.file("app/Dockerfile", CROSS);
    let both = "--platform linux/amd64,linux/arm64";
    let name = format!("{}/cross:1", registry.host());
    let shown = bench.build(&format!("{both} --push -t {name} app"));
    assert!(shown.contains("[linux/arm64 stage-1 2/2] COPY"), "{shown}");
    assert_eq!(platforms(&name), ["linux/amd64", "linux/arm64"]);
    let arm = skopeo(&[
        "--override-arch=arm64",
        "inspect",
        "--config",
        "--tls-verify=false",
        &format!("docker://{name}"),
    ]);
    assert!(arm.contains("\"arm64\""), "{arm}");
    // By the command line, from what the engine's build has left in the cache: the same index.
    let own = format!("{}/cross:2", registry.host());
    let folder = bench.path("app").display().to_string();
    let platforms_flag = ["--platform", "linux/amd64", "--platform", "linux/arm64"];
    let mut args = vec!["build", "--push", "-t", &own];
    args.extend(platforms_flag);
    args.push(&folder);
    world.teu(args).ok();
    assert_eq!(platforms(&own), ["linux/amd64", "linux/arm64"]);
    let digest = |world: &crate::world::World, name: &str| {
        world.teu(["image", "inspect", "-f", "{{.Descriptor.digest}}", name]).ok()
    };
    assert_eq!(digest(world, &own), digest(world, &name));
    // Each comes back by its platform, as files too.
    let there = crate::world::World::empty();
    there.teu(["pull", "-q", "--all-platforms", &name]).ok();
    let archs: Vec<String> = ["linux/amd64", "linux/arm64"]
        .iter()
        .map(|platform| {
            there
                .teu([
                    "copy",
                    "-q",
                    "--platform",
                    platform,
                    &name,
                    &format!("dir:{}", there.root().join(platform.replace('/', "-")).display()),
                ])
                .ok()
        })
        .collect();
    assert_ne!(archs[0], archs[1]);
    bench.build(&format!("{both} --output type=local,dest=out app"));
    for arch in ["amd64", "arm64"] {
        let text = std::fs::read_to_string(bench.path(&format!("out/linux_{arch}/program")));
        assert_eq!(text.expect("is there"), format!("for {arch}\n"));
    }
    world.file("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\nRUN [\"/x\"]\n");
    let shown = bench.fails("--platform linux/amd64,linux/s390x app");
    assert!(
        shown.contains("a program for linux/s390x cannot run") || shown.contains("/x"),
        "{shown}"
    );
}
