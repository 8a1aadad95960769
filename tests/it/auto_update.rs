//! `teu auto-update`: what asks for it gets the newer image, and comes back when that is no good.

use crate::registry::Registry;
use crate::world::World;

/// An image `app` whose program says which version it is.
fn build(world: &World, name: &str, version: &str, more: &str) {
    let dockerfile = format!(
        "FROM busybox\nENV VERSION={version}\n{more}\n\
         CMD [\"sh\", \"-c\", \"echo version $VERSION of $OWNER; exec sleep 1000\"]\n"
    );
    let file = world.file(&format!("{version}/Dockerfile"), &dockerfile);
    let folder = file.parent().expect("written above").to_str().expect("plain").to_owned();
    world.teu(["build", "-q", "-t", name, folder.as_str()]).ok();
}

fn run(world: &World, name: &str, image: &str, policy: &str) {
    let label = format!("io.containers.autoupdate={policy}");
    world
        .teu([
            "run",
            "-d",
            "--name",
            name,
            "--label",
            &label,
            "-e",
            "OWNER=me",
            "-v",
            "/kept",
            "--hostname",
            "here",
            image,
        ])
        .ok();
}

fn update(world: &World, flags: &str) -> crate::world::Said {
    world.line(&format!("auto-update {flags} --format {{{{.ContainerName}}}}={{{{.Updated}}}}"))
}

fn first_line(world: &World, name: &str) -> String {
    crate::pods::eventually("it says its version", || {
        !world.line(&format!("logs {name}")).out.is_empty()
    });
    world.line(&format!("logs {name}")).ok()
}

#[test]
fn a_newer_local_image_replaces_what_asks_for_it() {
    let world = World::busybox();
    build(&world, "app", "one", "");
    run(&world, "web", "app", "local");
    world.line("run -d --name still app").ok();
    let before = world.line("ps -q --no-trunc --filter name=web").ok();
    assert_eq!(update(&world, "").ok(), "web=false");
    world.teu(["exec", "web", "touch", "/kept/mine"]).ok();

    build(&world, "app", "two", "");
    assert_eq!(update(&world, "--dry-run").ok(), "web=pending");
    assert_eq!(world.line("ps -q --no-trunc --filter name=web").ok(), before);
    assert_eq!(update(&world, "").ok(), "web=true");
    assert_eq!(first_line(&world, "web"), "version two of me");
    assert_eq!(first_line(&world, "still"), "version one of", "it did not ask");
    assert_eq!(world.line("exec web hostname").ok(), "here");
    assert_eq!(world.line("exec web ls /kept").ok(), "mine", "volumes go on");
    assert_eq!(update(&world, "").ok(), "web=false");
    assert_eq!(world.line("ps -a --format {{.Names}}").ok(), "web\nstill");
    world.line("rm -f -v web still").ok();
}

#[test]
fn what_does_not_become_ready_is_rolled_back() {
    let world = World::busybox();
    build(&world, "app", "one", "");
    run(&world, "web", "app", "local");
    let before = world.line("ps -q --no-trunc").ok();
    // It ends at once; its probe fails; it cannot even be made.
    let bad = [
        "ENTRYPOINT [\"false\"]",
        "HEALTHCHECK --interval=100ms --retries=1 CMD false",
        "ENTRYPOINT [\"/nosuch\"]",
    ];
    for (number, more) in bad.into_iter().enumerate() {
        build(&world, "app", &format!("bad{number}"), more);
        let said = update(&world, "");
        assert_eq!((said.code, said.out.as_str()), (1, "web=rolled back\n"), "{said:?}");
        assert_eq!(world.line("ps -a -q --no-trunc").ok(), before, "the old one is back");
        assert_eq!(world.line("ps --format {{.Names}}").ok(), "web");
        assert_eq!(update(&world, "").ok(), "web=false", "the name leads to the old image again");
    }
    build(&world, "app", "bad", bad[0]);
    update(&world, "--rollback=false").fails(1);
    assert_eq!(world.line("ps -q").ok(), "", "nothing was put back");
    // Until somebody asks again: what is left half done is finished.
    update(&world, "").fails(1);
    assert_eq!(world.line("ps -a --format {{.Names}}").ok(), "web");
    world.line("rm -f -v web").ok();
}

#[test]
fn a_registry_is_asked() {
    let (world, registry) = (World::busybox(), Registry::start());
    let name = format!("{}/app:1", registry.host());
    let push = |version: &str| {
        let elsewhere = World::busybox();
        build(&elsewhere, &name, version, "");
        elsewhere.teu(["push", "-q", "--tls-verify=false", &name]).ok();
    };
    push("one");
    world.teu(["pull", "-q", "--tls-verify=false", &name]).ok();
    run(&world, "web", &name, "registry");
    run(&world, "other", &name, "disabled");
    assert_eq!(update(&world, "--tls-verify=false").ok(), "web=false");
    push("two");
    assert_eq!(update(&world, "--tls-verify=false --dry-run").ok(), "web=pending");
    assert_eq!(update(&world, "--tls-verify=false").ok(), "web=true");
    assert_eq!(first_line(&world, "web"), "version two of me");
    drop(registry);
    let said = update(&world, "--tls-verify=false");
    assert_eq!((said.code, said.out.as_str()), (1, "web=failed\n"), "{said:?}");
    assert_eq!(world.line("ps --filter name=web --format {{.Names}}").ok(), "web");
    world.line("rm -f -v web other").ok();
}
