//! What people are told when it goes wrong, and that nothing is left.

use crate::world::World;
use teu_builder::{BuildRequest, DockerfileSource, Entitlement, Error};

#[test]
fn a_failing_command_says_all_there_is_to_say() {
    let world = World::new();
    let error = world.fails(
        "FROM busybox AS b\nRUN echo before; for i in $(seq 30); do echo line $i; done; exit 7\n",
    );
    assert!(error.to_string().contains("did not complete successfully: exit code: 7"), "{error}");
    assert!(error.to_string().starts_with("[b 2/2] RUN"), "{error}");
    assert!(error.excerpt().contains("   2 | >>> RUN echo before"), "{}", error.excerpt());
    assert_eq!(error.tail().last().map(String::as_str), Some("line 30"));
    let error = world.fails("FROM busybox\nRUN [\"/nowhere\"]\n").to_string();
    assert!(error.contains("/nowhere"), "{error}");
    let error = world.fails("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n").to_string();
    assert!(error.contains("exit code: 137"), "{error}");
}

#[test]
fn slips_are_pointed_at() {
    let world = World::new();
    world.file("main.go", "").file("secret", "").file(".dockerignore", "secret");
    for (file, expected) in [
        ("FROM busybx\n", "did you mean"),
        (
            "FROM busybox\nCOPY man.go /\n",
            "\"/man.go\": not found in build context (did you mean main.go?)",
        ),
        ("FROM busybox\nCOPY secret /\n", "excluded by .dockerignore"),
        ("FROM busybox\nCOPY ../../etc/passwd /\n", "\"/etc/passwd\": not found in build context"),
        ("FROM busybox AS build\nFROM busybox\nCOPY --from=biuld /a /a\n", "did you mean build?"),
        ("FROM busybox AS b\nFROM busybox\nCOPY --from=b /a /a\n", "not found in stage b"),
        ("FROM busybox\nCOPY --chown=nobodyhere main.go /\n", "nobodyhere"),
        ("FROM busybox\nUSER nobodyhere\nRUN true\n", "nobodyhere"),
        ("FROM busybox\nRUN --security=insecure true\n", "--allow security.insecure"),
        ("FROM busybox\nRUN --network=host true\n", "--allow network.host"),
        ("FROM busybox\nRUN --mount=type=cache,target=/ true\n", "root directory"),
        ("FROM busybox\nCOPY main.go secret /x\n", "not found"),
        ("FROM busybox\nCOPY main.go Dockerfile /x\n", "must be a directory and end with a /"),
        ("FROM busybox\nCOPY main.go /bin\nCOPY . /bin/main.go\n", "cannot replace"),
        ("FROM --platform=linux/s390x busybox\n", "linux/s390x"),
    ] {
        let error = world.fails(file);
        assert!(error.to_string().contains(expected), "{file}: {error}");
        assert!(error.excerpt().contains(">>>"), "{file}: {}", error.excerpt());
    }
}

#[test]
fn contexts_that_cannot_be_read() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox\nCOPY . /\n");
    let _socket =
        std::os::unix::net::UnixListener::bind(world.context().join("sock")).expect("binds");
    let (result, _) = world.try_request(BuildRequest::default());
    let error = result.expect_err("a socket").to_string();
    assert!(error.contains("\"sock\" in build context is a socket"), "{error}");
    let context = teu_builder::ContextSource::Directory(world.path("nowhere"));
    let (result, _) = world.try_request(BuildRequest { context, ..BuildRequest::default() });
    assert!(matches!(result, Err(Error::NoDockerfile { .. })));
    std::fs::rename(world.context().join("Dockerfile"), world.context().join("Dockerfle"))
        .expect("renames");
    let error = world.try_request(BuildRequest::default()).0.expect_err("no file").to_string();
    assert!(error.contains("did you mean Dockerfle?"), "{error}");
}

#[test]
fn requests_that_cannot_be_honoured() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox AS one\nRUN true\n");
    let error =
        |request: BuildRequest| world.try_request(request).0.expect_err("refused").to_string();
    let target = Some("on".to_owned());
    assert!(
        error(BuildRequest { target, ..BuildRequest::default() }).contains("did you mean one?")
    );
    assert!(error(BuildRequest { squash: true, ..BuildRequest::default() }).contains("--squash"));
    let platforms = vec!["windows/amd64".parse().expect("a platform")];
    assert!(
        error(BuildRequest { platforms, ..BuildRequest::default() })
            .contains("cannot build for platform windows/amd64")
    );
    let build_args = vec![("SOURCE_DATE_EPOCH".to_owned(), "soon".to_owned())];
    assert!(
        error(BuildRequest { build_args, ..BuildRequest::default() }).contains("SOURCE_DATE_EPOCH")
    );
    let dockerfile = DockerfileSource::Bytes(b"FROM scratch\nCOPY x /\n".to_vec());
    let context = teu_builder::ContextSource::Stream(Box::new(std::io::Cursor::new(
        b"FROM scratch\nCOPY x /\n".to_vec(),
    )));
    assert!(error(BuildRequest { context, ..BuildRequest::default() }).contains("there is none"));
    assert!(error(BuildRequest { dockerfile, ..BuildRequest::default() }).contains("not found"));
}

#[test]
fn privileges_are_given_when_allowed() {
    let world = World::new();
    world.file(
        "Dockerfile",
        "FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status\n",
    );
    let entitlements = vec![Entitlement::SecurityInsecure];
    let done = world.request(BuildRequest { entitlements, ..BuildRequest::default() });
    assert!(!done.heard.log().contains("a80425fb"), "{}", done.heard.log());
}

#[test]
fn a_failure_stops_the_others_and_leaves_nothing() {
    let world = World::new();
    let begun = std::time::Instant::now();
    let error = world.fails("FROM busybox AS slow\nRUN sleep 6000\nFROM busybox AS bad\nRUN sleep 0.3; exit 5\nFROM busybox\nCOPY --from=slow /a /a\nCOPY --from=bad /b /b\n");
    assert!(begun.elapsed().as_secs() < 600, "the sleeper was waited for");
    assert!(error.to_string().contains("exit code: 5"), "{error}");
    let left: Vec<_> = std::fs::read_dir(world.path("build/tmp")).expect("reads").collect();
    assert!(left.is_empty(), "{left:?}");
    let name = world.dir.path().file_name().expect("a name").to_string_lossy().into_owned();
    for line in std::fs::read_to_string("/proc/self/mountinfo").expect("reads").lines() {
        assert!(!line.contains(&name), "{line}");
    }
    assert_no_groups(&world);
}

/// A build that is killed takes its step with it, and the next build clears up what it left.
#[test]
fn a_killed_build_is_cleared_up() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox\nRUN echo $$ > /x; sleep 4700\n");
    let mut command = std::process::Command::new(&World::step_command()[0]);
    let (state, images) = (world.path("build"), world.path("images"));
    command.arg(&state).arg(&images).arg(world.context()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("starts");
    let sleeping = || {
        let mut found = false;
        for entry in std::fs::read_dir("/proc").expect("reads").filter_map(Result::ok) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let ours = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
            let name = world.dir.path().file_name().expect("a name").to_string_lossy().into_owned();
            found |= line == b"sleep\x004700\0" && ours.contains(&name);
        }
        found
    };
    let wait = |wanted: bool| {
        for _ in 0..1200 {
            if sleeping() == wanted {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        false
    };
    assert!(wait(true), "the step did not start");
    child.kill().expect("kills");
    child.wait().expect("ends");
    assert!(wait(false), "the step outlived its build");
    world.build("FROM busybox\nRUN true\n");
    let left: Vec<_> = std::fs::read_dir(state.join("tmp")).expect("reads").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_no_groups(&world);
}

#[track_caller]
fn assert_no_groups(world: &World) {
    let name = world.dir.path().file_name().expect("a name").to_string_lossy().into_owned();
    for controller in std::fs::read_dir("/sys/fs/cgroup").expect("reads").filter_map(Result::ok) {
        assert!(!controller.path().join(format!("teu-bt-{name}")).exists(), "{controller:?}");
    }
}
