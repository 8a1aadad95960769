//! `docker buildx build` and `docker build` of today against the engine, through BuildKit's
//! protocol. Issue 4, must show 3.

use bench::Bench;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

mod attestations;
pub mod bench;
mod caches;
mod interrupted;
mod platforms;

/// Bytes of a file that must not be sent twice.
const LARGE_BYTES: usize = 3 << 20;

const APP: &str = r#"# what people write
ARG BASE=busybox
FROM ${BASE} AS build
ARG WHO=nobody
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/cache echo line >> /cache/lines && wc -l < /cache/lines
RUN --mount=type=secret,id=key,required=true sha256sum < /run/secrets/key > /sum
RUN <<END
echo "heredoc for $WHO"
ls /src > /list
END
FROM build AS unwanted
RUN exit 9
FROM busybox
COPY --from=build /sum /list /
COPY <<END /note
written in the Dockerfile
END
CMD ["cat", "/list", "/note"]
"#;

/// The amount after `transferring context:`, in bytes.
fn transferred(progress: &str) -> f64 {
    let rest = progress.split("load build context").nth(1).unwrap_or_else(|| panic!("{progress}"));
    let last = rest.lines().take_while(|line| !line.contains("DONE"));
    let text = last.filter_map(|line| line.split("transferring context: ").nth(1)).last();
    let text = text.unwrap_or_else(|| panic!("{progress}")).split(' ').next().unwrap_or_default();
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        other => panic!("{other}: {progress}"),
    };
    digits.parse::<f64>().unwrap_or_else(|_| panic!("{progress}")) * unit
}

#[test]
fn an_application_is_built_and_built_again() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    world.file("app/Dockerfile", APP);
    world.file("app/.dockerignore", "*.log\n!keep.log\nDockerfile\n");
    world.file("app/large", &"x".repeat(LARGE_BYTES));
    world.file("app/code", "one");
    world.file("app/drop.log", "");
    world.file("app/keep.log", "");
    world.file("secret", "top secret");
    let line = "-t app:1 --build-arg WHO=me --secret id=key,src=secret app";
    let first = bench.build(line);
    for expected in ["[build 4/6] RUN --mount=type=cache", "[stage-1 3/3]", "heredoc for me"] {
        let expected = expected.replace("stage-1", "stage-2");
        assert!(first.contains(&expected), "{expected}: {first}");
    }
    assert!(!first.contains("unwanted") && !first.contains("top secret"), "{first}");
    assert!(transferred(&first) > LARGE_BYTES as f64);
    let out = world.teu(["run", "--rm", "app:1"]).ok();
    assert_eq!(out, "code\nkeep.log\nlarge\nwritten in the Dockerfile");

    let second = bench.build(line);
    assert!(transferred(&second) < 1000.0, "nothing has changed: {second}");
    assert!(!second.contains("heredoc for me") && second.contains("CACHED"), "{second}");
    world.file("app/code", "another");
    let third = bench.build(line);
    assert!(transferred(&third) < 10_000.0, "one small file has changed: {third}");
    assert!(third.contains("heredoc for me"), "{third}");

    let target = bench.fails("--target unwanted --secret id=key,src=secret app");
    assert!(target.contains("exit code: 9"), "{target}");
}

#[test]
fn results_come_back_as_files() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    world.file(
        "app/Dockerfile",
        "FROM busybox AS made\nRUN mkdir /out && echo made > /out/file && ln -s file /out/link && chmod 751 /out\n\
         FROM scratch\nCOPY --from=made /out /\n",
    );
    bench.build("--output type=local,dest=local app");
    assert_eq!(std::fs::read_to_string(bench.path("local/file")).expect("is there"), "made\n");
    let link = std::fs::read_link(bench.path("local/link")).expect("is a link");
    assert_eq!(link, Path::new("file"));
    bench.build("--output type=tar,dest=files.tar app");
    let list = Command::new("tar").arg("tf").arg(bench.path("files.tar")).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&list.stdout), "file\nlink\n");
    for (kind, file) in [("oci", "oci.tar"), ("docker", "docker.tar")] {
        bench.build(&format!("-t given:{kind} --output type={kind},dest={file} app"));
        let archive = bench.path(file).display().to_string();
        let loaded = world.teu(["load", "-i", &archive]).ok();
        assert!(loaded.contains(&format!("given:{kind}")), "{loaded}");
    }
    bench.build("-t app:1 -t app:2 --metadata-file meta.json --iidfile id app");
    let id = std::fs::read_to_string(bench.path("id")).expect("is there");
    let meta = std::fs::read_to_string(bench.path("meta.json")).expect("is there");
    let meta: serde_json::Value = serde_json::from_str(&meta).expect("is JSON");
    assert_eq!(meta["containerimage.config.digest"], id.as_str());
    assert_eq!(meta["image.name"], "docker.io/library/app:1,docker.io/library/app:2");
    let inspected = world.teu(["image", "inspect", "-f", "{{.Id}}", "app:2"]).ok();
    assert_eq!(inspected, id);
    let quiet = bench.buildx(["build", "-q", "app"]).ok();
    assert_eq!(quiet, id);
}

#[test]
fn dockerfiles_and_contexts_come_from_everywhere() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    world.file("app/word", "context");
    world.file("other/word", "other");
    world.file("elsewhere/Dockerfile.x", "FROM busybox\nCOPY word /\nRUN cat /word\n");
    let copies = "FROM busybox\nCOPY --from=named word /\nRUN cat /word\n";
    let shown = bench.build_from(copies, "-f - --build-context named=other app");
    assert!(shown.contains("other") && shown.contains("[context named]"), "{shown}");
    let shown = bench.build_from("FROM busybox\nRUN echo from-nothing\n", "-");
    assert!(shown.contains("from-nothing"), "{shown}");
    let shown = bench.build("-f elsewhere/Dockerfile.x app");
    assert!(shown.contains("load build definition from Dockerfile.x"), "{shown}");
    let image = "FROM base\nRUN echo base-was-named\n";
    let shown =
        bench.build_from(image, "-f - --build-context base=docker-image://busybox:latest app");
    assert!(shown.contains("base-was-named"), "{shown}");

    world.file("app/Dockerfile", "FROM busybox\nCOPY word /\nRUN cat /word\n");
    let tar = Command::new("tar").args(["c", "-C"]).arg(bench.path("app")).arg(".").output();
    std::fs::write(bench.path("app.tar"), tar.expect("runs").stdout).expect("writes");
    let archive = std::fs::File::open(bench.path("app.tar")).expect("opens");
    let mut command = bench.client(bench.plugin());
    let built = command.args(["build", "--progress", "plain", "-"]).stdin(archive).output();
    let built = built.expect("the plugin starts");
    let shown = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && shown.contains("load remote build context"), "{shown}");
}

#[test]
fn what_fails_says_where_and_why() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    world.file("app/Dockerfile", "FROM busybox\n\nRUN echo told && exit 7\nRUN true\n");
    let shown = bench.fails("app");
    for expected in [
        "told",
        "Dockerfile:3\n--------------------",
        "   3 | >>> RUN echo told && exit 7",
        "did not complete successfully: exit code: 7",
    ] {
        assert!(shown.contains(expected), "{expected:?} is missing: {shown}");
    }
    world.file("app/Dockerfile", "FROM busybox\nRUNN true\n");
    let shown = bench.fails("app");
    assert!(shown.contains("   2 | >>> RUNN true"), "{shown}");
    assert!(shown.contains("dockerfile parse error on line 2"), "{shown}");
    world.file("app/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=k,required=true true\n");
    assert!(bench.fails("app").contains("secret k: not found"));
    let cases = [
        ("-f missing app", "missing"),
        ("https://127.0.0.1:1/app.git", "fetches no git repositories"),
        ("--platform linux/amd64,linux/s390x -o type=tar,dest=x app", "files of one platform"),
        ("--cache-to type=nowhere,a=b app", "cache type \"nowhere\" is not supported"),
        ("--output type=oci,tar=false,dest=layout app", "tar=false"),
    ];
    for (line, expected) in cases {
        let shown = bench.fails(line);
        assert!(shown.contains(expected), "{line}: {shown}");
    }
    let mut command = bench.client(bench.plugin());
    command.env("BUILDX_EXPERIMENTAL", "1").args(["build", "--print=outline", "app"]);
    let shown = command.output().expect("the plugin starts").stderr;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("unsupported request frontend.outline"), "{shown}");
}

#[test]
fn a_build_ends_with_a_killed_engine() {
    let Some(mut bench) = Bench::start() else { return };
    let mark = format!("sleep {}", 200_000 + std::process::id());
    bench.world.file("app/Dockerfile", &format!("FROM busybox\nRUN echo begun; {mark}\n"));
    let mut command = bench.client(bench.plugin());
    let mut client = command
        .args(["build", "--progress", "plain", "app"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the plugin starts");
    let mut lines = BufReader::new(client.stderr.take().expect("it was piped"));
    until_begun(&mut lines);
    bench.kill();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("reads");
    assert!(!client.wait().expect("ends").success());
    until_gone(&mark);
    bench.restart();
    bench.world.file("app/Dockerfile", "FROM busybox\nRUN true\n");
    bench.build("app");
}

/// Reads until a step says that it has begun.
fn until_begun(lines: &mut impl BufRead) {
    let mut line = String::new();
    while !line.trim_end().ends_with("begun") {
        line.clear();
        let read = lines.read_line(&mut line).expect("reads");
        assert!(read > 0, "the build ended before it had begun");
    }
}

/// Waits until no process has this command line.
fn until_gone(mark: &str) {
    let begun = std::time::Instant::now();
    while running(mark) > 0 {
        assert!(begun.elapsed().as_secs() < 60, "{mark} goes on");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn running(mark: &str) -> usize {
    let found = Command::new("pgrep").args(["-f", &format!("^{mark}$")]).output().expect("runs");
    String::from_utf8_lossy(&found.stdout).lines().count()
}

#[test]
fn an_agent_is_reached_from_a_step() {
    let Some(bench) = Bench::start() else { return };
    bench.world.load("python");
    // The client's agent: it has no keys, whatever it is asked.
    let socket = bench.world.root().join("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("listens");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut heard = [0; 64];
            while connection.read(&mut heard).is_ok_and(|read| read > 0) {
                // Four bytes of length, "identities", none.
                let _ = connection.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, 0]);
            }
        }
    });
    let step = "import os, socket\ns = socket.socket(socket.AF_UNIX)\n\
                s.connect(os.environ['SSH_AUTH_SOCK'])\ns.sendall(b'\\0\\0\\0\\1\\x0b')\n\
                print('answer', s.recv(9, socket.MSG_WAITALL).hex())\n";
    bench.world.file(
        "app/Dockerfile",
        &format!("FROM python\nRUN --mount=type=ssh <<END python3\n{step}END\n"),
    );
    let line = format!("--ssh default={} app", socket.display());
    let shown = bench.build(&line);
    assert!(shown.contains("answer 000000050c00000000"), "{shown}");
    let shown = bench.fails("--no-cache app");
    assert!(shown.contains("KeyError"), "no agent was given: {shown}");
}

#[test]
fn docker_builds_with_it_by_default_and_the_cache_is_looked_after() {
    let Some(bench) = Bench::start() else { return };
    bench.world.file("app/Dockerfile", "FROM busybox\nRUN echo through-docker\n");
    let mut programs = vec![bench::clients().join("usr/bin/docker")];
    programs.extend(
        Some("/usr/local/bin/docker".into()).filter(|path: &std::path::PathBuf| path.exists()),
    );
    for program in programs {
        let mut command = bench.docker(&program);
        command.args(["build", "--no-cache", "--progress", "plain", "-t", "by-docker", "app"]);
        let built = command.output().expect("docker starts");
        let shown = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{}: {shown}", program.display());
        assert!(
            shown.contains("using docker driver") || shown.contains("#1 [internal]"),
            "{shown}"
        );
        assert!(shown.contains("through-docker"), "{shown}");
    }
    let listed = bench.buildx(["ls"]).ok();
    assert!(listed.contains("running"), "{listed}");
    let inspected = bench.buildx(["inspect"]).ok();
    assert!(inspected.contains("linux/"), "{inspected}");
    let used = bench.buildx(["du", "--verbose"]).ok();
    assert!(used.contains("source.local") && used.contains("through-docker"), "{used}");
    let pruned = bench.buildx(["prune", "-af"]).ok();
    assert!(pruned.contains("Total:"), "{pruned}");
    let left = bench.buildx(["du", "--filter", "type=source.local"]).ok();
    assert!(!left.contains("source.local"), "{left}");
}

#[test]
fn several_targets_are_baked_at_the_same_time() {
    let Some(bench) = Bench::start() else { return };
    let world = &bench.world;
    world.file("app/word", "shared");
    world.file("app/Dockerfile", "FROM busybox\nARG N\nCOPY word /\nRUN echo $N > /n\n");
    let target = |n: u32| {
        format!(
            "target \"t{n}\" {{\n context = \"app\"\n args = {{ N = \"{n}\" }}\n tags = [\"baked:{n}\"]\n}}\n"
        )
    };
    let file: String = (1..=3).map(target).collect();
    world.file(
        "bake.hcl",
        &format!("group \"default\" {{ targets = [\"t1\", \"t2\", \"t3\"] }}\n{file}"),
    );
    bench.buildx(["bake", "-f", "bake.hcl"]).ok();
    for n in 1..=3 {
        let said = world.line(&format!("run --rm baked:{n} cat /n /word")).ok();
        assert_eq!(said, format!("{n}\nshared"));
    }
}

#[test]
fn images_go_to_registries_and_come_from_there() {
    let Some(bench) = Bench::start() else { return };
    let registry = crate::registry::Registry::start();
    let name = format!("{}/app:1", registry.host());
    bench.world.file("app/Dockerfile", "FROM busybox\nRUN echo pushed > /said\n");
    let shown = bench.build(&format!("--push -t {name} app"));
    assert!(shown.contains(&format!("pushing {name}")), "{shown}");
    bench.world.teu(["rmi", "-f", &name]).ok();
    bench.world.file("app/Dockerfile", &format!("FROM {name}\nRUN cat /said\n"));
    let shown = bench.build("app");
    assert!(shown.contains(" pushed\n"), "{shown}");
    let nowhere = "--push -t 127.0.0.1:1/app:1 app";
    let shown = bench.fails(nowhere);
    assert!(shown.contains("failed to push 127.0.0.1:1/app:1"), "{shown}");
}
