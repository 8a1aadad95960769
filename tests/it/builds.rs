//! A Dockerfile with everything in it: three stages, cache mounts, a secret, heredocs, ONBUILD.
//! Issue 2, must show 2.

use crate::world::World;
use std::path::Path;
use std::process::Command;

const BASE: &str = "FROM busybox\nONBUILD RUN echo from-onbuild >/onbuild\nLABEL base=yes\n";

const APP: &str = r#"# syntax=docker/dockerfile:1
ARG FLAVOUR=plain
FROM busybox AS compile
ARG FLAVOUR
WORKDIR /src
COPY src/ ./
RUN --mount=type=cache,target=/cache --mount=type=secret,id=token <<EOF
  echo run >>/cache/runs
  test "$(wc -c </run/secrets/token)" = 21
  cat a.txt b.txt >/out.txt
  echo "$FLAVOUR" >>/out.txt
EOF

FROM busybox AS assets
COPY assets/ /assets/
RUN <<ONE cat >/assets/list && echo done
$(ls /assets)
ONE
COPY <<"RAW" /assets/raw
$NOT_EXPANDED
RAW

FROM basis
COPY --from=compile /out.txt /app/
COPY --from=assets /assets /app/assets
ENV GREETING="hello ${USER:-world}"
HEALTHCHECK --interval=5s CMD cat /app/out.txt
ENTRYPOINT ["cat"]
CMD ["/app/out.txt", "/onbuild"]
"#;

fn project(world: &World) -> std::path::PathBuf {
    world.file("base/Dockerfile", BASE);
    let app = world.file("app/Dockerfile", APP);
    world.file("app/src/a.txt", "a\n");
    world.file("app/src/b.txt", "b\n");
    world.file("app/assets/logo", "logo\n");
    world.file("app/ignored/huge", "never sent\n");
    world.file("app/.dockerignore", "ignored\n*.log\n!keep.log\n");
    world.file("token", "hunter2-not-in-layers");
    app.parent().expect("has a folder").to_owned()
}

/// Builds both images and returns what the second build printed.
fn build(world: &World, app: &Path, name: &str) -> String {
    let token = format!("id=token,src={}", world.root().join("files/token").display());
    let mut base = world.command(["build", "-q", "-t", "basis"]);
    base.arg(world.root().join("files/base")).env("SOURCE_DATE_EPOCH", "1767225600");
    assert!(base.status().expect("starts").success(), "the base image builds");
    let mut command = world.command(["build", "--progress=plain", "--secret", &token, "-t", name]);
    command.args(["--build-arg", "FLAVOUR=ripe"]).arg(app).env("SOURCE_DATE_EPOCH", "1767225600");
    let output = command.output().expect("starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    text
}

fn id(world: &World, name: &str) -> String {
    world.teu(["image", "inspect", "--format", "{{.Id}}", name]).ok()
}

#[test]
fn a_changed_file_rebuilds_only_its_stage() {
    let world = World::busybox();
    let app = project(&world);
    build(&world, &app, "app");
    assert_eq!(world.line("run --rm --network=none app").ok(), "a\nb\nripe\nfrom-onbuild");
    let raw = world.line("run --rm --network=none app /app/assets/raw").ok();
    assert_eq!(raw, "$NOT_EXPANDED");
    let first = id(&world, "app");

    let again = build(&world, &app, "app");
    assert!(again.contains("CACHED"), "{again}");
    assert_eq!(id(&world, "app"), first, "a cached build is the same image");

    world.file("app/src/a.txt", "changed\n");
    let changed = build(&world, &app, "app");
    let cached = |needle: &str| {
        let line = changed.lines().find(|line| line.contains(needle)).unwrap_or_default();
        let step = line.split_whitespace().next().unwrap_or("#?").to_owned();
        changed.lines().any(|line| line == format!("{step} CACHED"))
    };
    assert!(cached("COPY assets/ /assets/"), "an untouched stage ran again:\n{changed}");
    assert!(!cached("COPY src/ ./"), "the touched stage came from the cache:\n{changed}");
    assert!(world.line("run --rm --network=none app").ok().starts_with("changed\nb\n"));
}

#[test]
fn an_empty_store_gives_the_same_digest() {
    let (one, two) = (World::busybox(), World::busybox());
    let folder = project(&one);
    build(&one, &folder, "app");
    let folder = project(&two);
    // Times later than SOURCE_DATE_EPOCH are not inputs.
    let mut touch = Command::new("find");
    touch.arg(&folder).args(["-exec", "touch", "-d", "2026-08-08", "{}", "+"]);
    assert!(touch.status().expect("find runs").success());
    build(&two, &folder, "app");
    assert_eq!(id(&one, "app"), id(&two, "app"));
    let digest =
        |world: &World| world.teu(["image", "inspect", "-f", "{{.Descriptor.digest}}", "app"]).ok();
    assert_eq!(digest(&one), digest(&two));
}

#[test]
fn a_secret_is_nowhere_afterwards() {
    let world = World::busybox();
    let app = project(&world);
    build(&world, &app, "app");
    let files = Command::new("grep")
        .args(["-rl", "hunter2-not-in-layers", "--exclude-dir=files"])
        .arg(world.root())
        .output()
        .expect("grep runs");
    let found = String::from_utf8_lossy(&files.stdout);
    assert_eq!(found.trim(), "", "the secret was written down");
}

#[test]
fn errors_name_file_line_and_instruction() {
    let world = World::busybox();
    world.file("bad/Dockerfile", "FROM busybox\nRUM echo hi\n");
    let bad = world.root().join("files/bad");
    let error = world.teu(["build", bad.to_str().expect("plain")]).fails(1);
    for part in ["Dockerfile:2", "RUM", "RUN"] {
        assert!(error.contains(part), "{part:?} is missing in:\n{error}");
    }
    world.file("bad/Dockerfile", "FROM busybox\nRUN echo before; exit 7\n");
    let error = world.teu(["build", bad.to_str().expect("plain")]).fails(1);
    for part in ["Dockerfile:2", "exit code: 7"] {
        assert!(error.contains(part), "{part:?} is missing in:\n{error}");
    }
    let error = world.teu(["build", "/nonexistent/context"]).fails(1);
    assert!(error.contains("/nonexistent/context"), "{error}");
}

/// What cannot be meant is refused in words, with what to do, before any work.
#[test]
fn values_that_build_refuses() {
    let world = World::busybox();
    world.file("app/Dockerfile", "FROM busybox\nRUN echo worked > /out\n");
    let app = world.root().join("files/app");
    let app = app.to_str().expect("plain");
    for (flags, expected) in [
        ("--annotation nonsense", "invalid annotation \"nonsense\", expected key=value\nhint: "),
        ("--annotation =x", "expected key=value\nhint: "),
        ("--annotation index:=x", "expected key=value\nhint: "),
        ("--annotation index:a=x", "--annotation"),
        ("--label =x", "invalid label format"),
        ("--build-arg =x", "it has no name\nhint: NAME=VALUE"),
        ("--secret nonsense", "expected id=NAME[,src=FILE|,env=VARIABLE]"),
        ("--secret id=a,colour=red", "expected id=NAME[,src=FILE|,env=VARIABLE]"),
        ("--secret id=a,src=/nonexistent", "secret a: /nonexistent: No such file"),
        ("--secret id=a,env=TEU_NO_SUCH", "variable TEU_NO_SUCH is not set\nhint: export it"),
        ("--ssh a=/nonexistent", "ssh agent \"a\": /nonexistent: No such file"),
        (
            "--ssh a=/dev/null",
            "not a socket (keys are used through an agent: ssh-add FILE)\nhint: ",
        ),
        ("--output type=nonsense,dest=x", "unknown output type \"nonsense\": expected image, oci"),
        ("--output type=oci", "output type oci needs dest=PATH"),
        ("--output type=local,dest=x,colour=red", "unknown attribute \"colour\""),
        (
            "--cache-from type=nonsense",
            "cache type \"nonsense\" is not supported: NAME, type=registry",
        ),
        ("--cache-from type=local", "cache type local needs src="),
        ("--cache-from type=local,src=x,colour=red", "attribute colour=red"),
        ("--cache-to type=local,dest=x,mode=huge", "attribute mode=huge"),
        ("--attest nonsense", "attestation type \"nonsense\" is not known: type=provenance"),
        (
            "--attest type=sbom,colour=red",
            "attribute \"colour=red\" of an attestation is not known",
        ),
        ("--provenance mode=huge", "attribute \"mode=huge\""),
        ("--sbom generator=x/y", "without a generator image"),
        ("--build-context nonsense", "expected name=value"),
        (
            "--build-context a=/nonexistent",
            "no such directory; name=DIR or name=docker-image://IMAGE",
        ),
        ("--add-host nonsense", "bad format for add-host: \"nonsense\""),
        ("--network nonsense", "network mode \"nonsense\""),
        ("--platform plan9/mips", "plan9"),
        ("--target nonsense", "nonsense"),
        ("--tag UPPER", "must be lowercase"),
        ("--ulimit nofile", "invalid ulimit argument: nofile"),
        ("--allow nonsense", "expected network.host or security.insecure"),
        ("--source-date-epoch soon", "invalid SOURCE_DATE_EPOCH: \"soon\"\nhint: "),
        ("--progress nonsense", "invalid progress mode \"nonsense\"\nhint: "),
        ("--push", "--push: the image has no name\nhint: give it one with -t"),
    ] {
        let args = ["build"].into_iter().chain(flags.split(' ')).chain([app]);
        let err = world.teu(args).fails(1);
        assert!(err.starts_with("teu: ") && err.contains(expected), "{flags}: {err}");
        assert!(!err.contains("RUN echo"), "{flags} was found out too late: {err}");
    }
    assert_eq!(world.line("images -q").ok().lines().count(), 1, "nothing was built");
    // A label may be a key alone, as in Docker.
    world.teu(["build", "-q", "-t", "app", "--label", "bare", "--annotation", "a=b=c", app]).ok();
    let label = world.teu(["image", "inspect", "-f", "{{json .Config.Labels}}", "app"]).ok();
    assert_eq!(label, "{\"bare\":\"\"}");
}
