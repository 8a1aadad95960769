//! `--cache-to` and `--cache-from` through buildx: a second machine does nothing twice.

use super::bench::Bench;
use crate::registry::Registry;

const APP: &str = "FROM busybox AS made\n\
    COPY word /\n\
    RUN echo it-ran && cat /word > /made\n\
    FROM busybox\n\
    COPY --from=made /made /\n\
    RUN echo last-ran > /last\n";

fn ran(shown: &str) -> bool {
    // As a command prints it, not as a step's name has it.
    shown.lines().any(|line| line.ends_with(" it-ran") && !line.contains("RUN"))
}

#[test]
fn a_second_machine_takes_what_the_first_did() {
    let (Some(one), Some(two)) = (Bench::start(), Bench::start()) else { return };
    let registry = Registry::start();
    for bench in [&one, &two] {
        bench.world.file("app/Dockerfile", APP);
        bench.world.file("app/word", "the same");
    }
    let host = registry.host();
    let to = format!("type=registry,ref={host}/cache:1,mode=max");
    let from = format!("type=registry,ref={host}/cache:1");
    let first = one.build(&format!("--cache-to {to} -t app app"));
    assert!(ran(&first) && first.contains("exporting cache to"), "{first}");
    let second = two.build(&format!("--cache-from {from} -t app app"));
    assert!(!ran(&second) && second.contains("CACHED"), "{second}");
    let id = |bench: &Bench| bench.world.teu(["inspect", "-f", "{{.Id}}", "app"]).ok();
    assert_eq!(id(&one), id(&two));
    // A directory of the client, and an image with its cache inline.
    one.build("--cache-to type=local,dest=kept,mode=max app");
    assert!(one.path("kept/index.json").exists(), "the client has its list");
    let three = Bench::start().expect("as before");
    three.world.file("app/Dockerfile", APP);
    three.world.file("app/word", "the same");
    let kept = one.path("kept").display().to_string();
    let third = three.build(&format!("--cache-from type=local,src={kept} app"));
    assert!(!ran(&third) && third.contains("CACHED"), "{third}");
    // `teu build` reads what buildx wrote.
    let four = crate::world::World::busybox();
    four.file("app/Dockerfile", APP);
    four.file("app/word", "the same");
    let folder = four.root().join("files/app").display().to_string();
    let local = format!("type=local,src={kept}");
    let said = four.teu(["build", "--progress", "plain", "--cache-from", &local, &folder]);
    assert!(!ran(&said.err) && said.err.contains("CACHED"), "{}", said.err);
}

#[test]
fn images_bring_their_cache_and_what_is_not_served_is_refused() {
    let (Some(one), Some(two)) = (Bench::start(), Bench::start()) else { return };
    let registry = Registry::start();
    for bench in [&one, &two] {
        bench.world.file("app/Dockerfile", "FROM busybox\nRUN echo it-ran\n");
    }
    let name = format!("{}/app:1", registry.host());
    one.build(&format!("--cache-to type=inline --push -t {name} app"));
    let second = two.build(&format!("--cache-from {name} app"));
    assert!(!ran(&second) && second.contains("CACHED"), "{second}");
    // One that is not there is told of.
    let shown = two.build(&format!("--cache-from {}/none:1 app", registry.host()));
    assert!(shown.contains("importing cache manifest from"), "{shown}");
    // The service of GitHub's runners: buildx leaves it out by itself where it is not one.
    let folder = two.path("app").display().to_string();
    for flag in ["--cache-to", "--cache-from"] {
        let refused = two.world.teu(["build", flag, "type=gha", &folder]).fails(1);
        assert!(refused.contains("GitHub's own service"), "{refused}");
    }
}

/// Docker 20.10 (Debian 12's) through its own way to BuildKit.
#[test]
fn old_docker_builds_with_buildkit() {
    let (Some(bench), Some(docker_path)) = (Bench::start(), Bench::old_docker()) else { return };
    let world = &bench.world;
    world.file("secret", "top secret");
    world.file("app/word", "context");
    world.file(
        "app/Dockerfile",
        "FROM busybox\nARG WHO\nCOPY word /\nRUN --mount=type=secret,id=key echo for-$WHO; wc -c < /run/secrets/key\n",
    );
    let docker = |line: &str| {
        let mut command = bench.client(docker_path);
        command.env("DOCKER_BUILDKIT", "1").args(line.split(' '));
        command.output().expect("docker starts")
    };
    let built =
        docker("build --progress plain --build-arg WHO=me --secret id=key,src=secret -t old:1 app");
    let shown = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success() && shown.contains("for-me"), "{shown}");
    assert_eq!(world.line("run --rm old:1 cat /word").ok(), "context");
    // Quietly, right after another command, several times: nothing hangs.
    let id = world.line("inspect -f {{.Id}} old:1").ok();
    for _ in 0..5 {
        assert!(docker("run --rm busybox true").status.success());
        let quiet = docker("build -q --build-arg WHO=me --secret id=key,src=secret -t old:1 app");
        let said = String::from_utf8_lossy(&quiet.stdout).trim().to_owned();
        assert_eq!(said, id, "{}", String::from_utf8_lossy(&quiet.stderr));
    }
    world.file("app/Dockerfile", "FROM busybox\nRUN echo told && exit 7\n");
    let failed = docker("build --progress plain app");
    let shown = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && shown.contains("exit code: 7"), "{shown}");
    let local = docker("build --output type=local,dest=out -f app/Other app");
    assert!(!local.status.success());
    world.file("app/Dockerfile", "FROM scratch\nCOPY word /\n");
    let local = docker("build --output type=local,dest=out app");
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));
    assert_eq!(std::fs::read_to_string(bench.path("out/word")).expect("is there"), "context");
}

/// An archive, a Dockerfile, or neither, on the standard input of the same client.
#[test]
fn old_docker_builds_what_it_is_piped() {
    let (Some(bench), Some(docker_path)) = (Bench::start(), Bench::old_docker()) else { return };
    let world = &bench.world;
    world.file("secret", "top secret");
    world.file("app/word", "context");
    world.file("app/Dockerfile", "FROM busybox\nCOPY word /\nRUN cat /word\n");
    let tar = std::process::Command::new("tar")
        .args(["c", "-C"])
        .arg(bench.path("app"))
        .arg(".")
        .output();
    std::fs::write(bench.path("app.tar"), tar.expect("runs").stdout).expect("writes");
    let piped = |file: &str| {
        let mut command = bench.client(docker_path);
        command.env("DOCKER_BUILDKIT", "1").args([
            "build",
            "--progress",
            "plain",
            "-t",
            "old:2",
            "-",
        ]);
        let input = std::fs::File::open(bench.path(file)).expect("opens");
        let output = command.stdin(input).output().expect("docker starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (built, shown) = piped("app.tar");
    assert!(built && shown.contains("load remote build context"), "{shown}");
    assert_eq!(world.line("run --rm --network none old:2 cat /word").ok(), "context");
    world.file("alone", "FROM busybox\nRUN echo from-nothing\n");
    let (built, shown) = piped("alone");
    assert!(built && shown.contains("from-nothing"), "{shown}");
    let (built, shown) = piped("secret");
    assert!(!built && shown.contains("unknown instruction"), "{shown}");
}
