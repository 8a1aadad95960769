//! What is built again, and what is not.

use crate::world::World;
use std::time::{Duration, SystemTime};
use teu_builder::BuildRequest;

#[test]
fn nothing_changes_nothing_runs() {
    let world = World::new();
    world.file("a", "1");
    let file = "FROM busybox\nWORKDIR /w\nCOPY a /a\nRUN cat /a > /b\nWORKDIR /bin\nCMD [\"x\"]\n";
    let first = world.build(file);
    assert_eq!(first.heard.ran().len(), 4);
    let second = world.build(file);
    assert_eq!(second.heard.ran(), [""; 0]);
    assert_eq!(first.id(), second.id());
    assert_eq!((second.outcome.cached, second.outcome.steps), (4, 5));
}

#[test]
fn a_touched_file_rebuilds_its_stage_only() {
    let world = World::new();
    world.file("one", "1").file("two", "2");
    let file = "FROM busybox AS one\nCOPY one /one\nRUN cat /one > /o\nFROM busybox AS two\nCOPY two /two\nRUN cat /two > /o\nFROM busybox\nCOPY --from=one /o /1\nCOPY --from=two /o /2\n";
    world.build(file);
    world.file("two", "changed");
    let ran = world.build(file).heard.ran();
    let stages: Vec<_> = ran.iter().map(|name| name.split(' ').next().unwrap_or("")).collect();
    assert_eq!(stages.iter().filter(|stage| **stage == "[two").count(), 2, "{ran:?}");
    assert_eq!(stages.iter().filter(|stage| **stage == "[stage-2").count(), 1, "{ran:?}");
    assert_eq!(stages.len(), 3, "{ran:?}");
}

#[test]
fn times_do_not_matter_but_modes_do() {
    let world = World::new();
    world.file("a", "1");
    let file = "FROM busybox\nCOPY a /a\n";
    world.build(file);
    let later = SystemTime::now() + Duration::from_secs(100);
    let handle = std::fs::File::open(world.context().join("a")).expect("opens");
    handle.set_modified(later).expect("sets");
    assert_eq!(world.build(file).heard.ran().len(), 0, "a new time");
    world.mode("a", 0o600);
    assert_eq!(world.build(file).heard.ran().len(), 1, "a new mode");
    world.link("l", "a");
    let links = "FROM busybox\nCOPY . /d/\n";
    world.build(links);
    std::fs::remove_file(world.context().join("l")).expect("removes");
    world.link("l", "b");
    assert_eq!(world.build(links).heard.ran().len(), 1, "a new target");
    world.build(links);
    world.file("unrelated", "");
    assert_eq!(world.build(links).heard.ran().len(), 1, "a new file");
}

#[test]
fn the_same_files_hit_after_an_unrelated_change() {
    let world = World::new();
    world.file("a", "1");
    world.build(
        "FROM busybox AS b\nRUN echo same > /o\nFROM busybox\nCOPY --from=b /o /o\nRUN cat /o\n",
    );
    let ran = world
        .build("FROM busybox AS b\nRUN true; echo same > /o\nFROM busybox\nCOPY --from=b /o /o\nRUN cat /o\n")
        .heard
        .ran();
    assert_eq!(ran.len(), 1, "{ran:?}");
}

#[test]
fn inputs_of_runs_matter() {
    let world = World::new();
    let ran = |file: &str| world.build(file).heard.ran().len();
    let tail = "RUN echo x > /x\n";
    assert_eq!(ran(&format!("FROM busybox\n{tail}")), 1);
    for change in [
        "ENV a=1\n",
        "ARG z=1\n",
        "USER 1:1\nWORKDIR /tmp\nUSER root\nUSER 0:5\n",
        "SHELL [\"/bin/sh\",\"-ec\"]\n",
    ] {
        assert!(ran(&format!("FROM busybox\n{change}{tail}")) >= 1, "{change}");
        assert_eq!(ran(&format!("FROM busybox\n{change}{tail}")), 0, "{change} again");
    }
    for same in ["LABEL a=1\n", "EXPOSE 80\n", "CMD x\n", "HEALTHCHECK CMD x\n", "ONBUILD RUN x\n"]
    {
        assert_eq!(ran(&format!("FROM busybox\n{same}{tail}")), 0, "{same}");
    }
    assert_eq!(ran(&format!("FROM busybox\nRUN --network=none {}", &tail[4..])), 1);
    assert_eq!(ran(&format!("FROM busybox\nRUN --mount=type=tmpfs,target=/t {}", &tail[4..])), 1);
}

/// CVE-2024-24557: a configuration is never taken from the cache.
#[test]
fn configurations_are_never_cached() {
    let world = World::new();
    world.file("a", "1");
    let plain = world.build("FROM scratch\nCOPY a /a\n").config();
    let probed =
        world.build("FROM scratch\nCOPY a /a\nHEALTHCHECK CMD evil\nONBUILD RUN evil\n").config();
    assert!(probed.config.healthcheck.is_some() && probed.config.on_build.is_some());
    let again = world.build("FROM scratch\nCOPY a /a\n");
    assert_eq!(again.config(), plain);
    // From scratch is not from an image that happens to have the same layers.
    let busybox = world.build("FROM busybox\nCOPY a /a\n");
    assert_eq!(busybox.heard.ran().len(), 1);
}

#[test]
fn no_cache_and_its_filter() {
    let world = World::new();
    let file = "FROM busybox AS a\nRUN echo 1 > /1\nFROM a AS b\nRUN echo 2 > /2\n";
    world.build(file);
    let with = |request: BuildRequest| world.request(request).heard.ran().len();
    assert_eq!(with(BuildRequest::default()), 0);
    assert_eq!(with(BuildRequest { no_cache: true, ..BuildRequest::default() }), 2);
    let filter = vec!["b".to_owned()];
    assert_eq!(with(BuildRequest { no_cache_filter: filter, ..BuildRequest::default() }), 1);
}

#[test]
fn arguments_matter_where_they_are_declared() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox\nRUN echo early\nARG v\nRUN echo late $v\n");
    let with = |value: &str| {
        let build_args = vec![("v".to_owned(), value.to_owned())];
        world.request(BuildRequest { build_args, ..BuildRequest::default() }).heard.ran()
    };
    assert_eq!(with("1").len(), 2);
    let ran = with("2");
    assert!(ran.len() == 1 && ran[0].contains("late"), "{ran:?}");
    assert_eq!(with("1").len(), 0);
}

#[test]
fn unused_stages_are_not_built() {
    let world = World::new();
    let file = "FROM busybox AS a\nRUN exit 1\nFROM nowhere AS b\nFROM busybox AS c\nRUN true\nFROM busybox AS d\nRUN exit 1\n";
    world.file("Dockerfile", file);
    let target = Some("c".to_owned());
    let done = world.request(BuildRequest { target, ..BuildRequest::default() });
    assert_eq!(done.heard.ran().len(), 1);
}

#[test]
fn records_are_pruned() {
    let world = World::new();
    world.build("FROM busybox\nRUN --mount=type=cache,target=/c echo 1 > /1 && echo 2 > /c/2\n");
    let state = world.path("build");
    let usage = teu_builder::usage(&state, &world.images).expect("usage");
    assert!(
        usage.iter().any(|r| r.kind == "regular")
            && usage.iter().any(|r| r.kind == "exec.cachemount"),
        "{usage:?}"
    );
    let what = teu_builder::PruneRequest { all: true, ..Default::default() };
    let report = teu_builder::prune(&state, &world.images, what).expect("prunes");
    assert_eq!(report.removed.len(), usage.len());
    assert!(teu_builder::usage(&state, &world.images).expect("usage").is_empty());
    assert_eq!(world.request(BuildRequest::default()).heard.ran().len(), 1, "built again");
}
