//! `RUN`: what the command sees, and what stays of it.

use crate::world::World;
use teu_builder::{BuildRequest, Secret, SecretSource, Stream};

fn log(world: &World, dockerfile: &str) -> String {
    world.build(&format!("FROM busybox\n{dockerfile}")).heard.log()
}

#[test]
fn environment_user_and_directory() {
    let world = World::new();
    let text = log(
        &world,
        "ENV A=\"b c\"\nARG d=e\nWORKDIR /tmp\nUSER daemon\nRUN id -u; pwd; echo $A-$d; touch /no 2>/dev/null || echo denied\n",
    );
    assert_eq!(text, "1\n/tmp\nb c-e\ndenied\n");
    let text = log(
        &world,
        "SHELL [\"/bin/sh\", \"-uc\"]\nRUN echo $0 $HOME\nRUN [\"/bin/echo\", \"$HOME\"]\n",
    );
    assert_eq!(text, "/bin/sh /root\n$HOME\n");
}

#[test]
fn output_has_two_streams() {
    let world = World::new();
    let done = world.build("FROM busybox\nRUN echo out; echo err >&2\n");
    assert!(done.heard.wrote_to(Stream::Stdout) && done.heard.wrote_to(Stream::Stderr));
}

#[test]
fn confinement() {
    let world = World::new();
    let text = log(
        &world,
        "RUN grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status; mknod /tmp/sda b 8 0 && cat /tmp/sda > /dev/null 2>&1 || echo refused; mount -t tmpfs x /mnt 2>/dev/null || echo no mount; ls /sys/class/net\n",
    );
    assert!(text.contains("CapEff:\t00000000a80425fb"), "{text}");
    assert!(text.contains("Seccomp:\t2"), "{text}");
    assert!(text.contains("refused") && text.contains("no mount"), "{text}");
    assert!(text.ends_with("lo\n"), "{text}");
}

#[test]
fn nothing_of_the_machinery_stays_in_the_layer() {
    let world = World::new();
    let tree = world.tree("FROM scratch\nCOPY --from=busybox /bin/busybox /bin/sh\nRUN --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/t --mount=type=bind,target=/ctx [\"/bin/sh\", \"-c\", \"echo 1 > /f; echo 2 > /var/cache/x/g\"]\n");
    let names: Vec<&str> = tree.keys().map(String::as_str).collect();
    assert_eq!(names, ["bin", "bin/sh", "f"]);
    // A point that the image hides is taken away again; one that is used stays.
    let tree = world.tree("FROM busybox\nRUN rm -rf /home && mkdir /home\nRUN --mount=type=cache,target=/home/c echo 1 > /home/x\nRUN --mount=type=cache,target=/var/www/deep/c true\n");
    assert_eq!(tree.get("home/c"), None);
    assert!(tree.contains_key("home/x"));
    assert_eq!(tree.get("var/www/deep"), None);
}

#[test]
fn cache_mounts_last() {
    let world = World::new();
    world.build(
        "FROM busybox\nRUN --mount=type=cache,id=k,target=/c,uid=5,mode=700 echo 1 > /c/f\n",
    );
    let text = log(
        &world,
        "RUN --mount=type=cache,id=k,target=/elsewhere cat /elsewhere/f; stat -c '%u %a' /elsewhere\n",
    );
    assert_eq!(text, "1\n5 700\n");
    let text = log(&world, "RUN --mount=type=cache,id=other,target=/c ls /c | grep -c . || true\n");
    assert_eq!(text, "0\n");
    let text = log(
        &world,
        "FROM busybox AS s\nRUN mkdir /o && echo seed > /o/f\nFROM busybox\nRUN --mount=type=cache,id=seeded,from=s,source=/o,target=/c cat /c/f && echo more >> /c/f\n",
    );
    assert_eq!(text, "seed\n");
}

#[test]
fn locked_caches_take_turns() {
    let world = World::new();
    let step = |n: u32| {
        format!(
            "FROM busybox AS s{n}\nRUN --mount=type=cache,id=l,sharing=locked,target=/c [ ! -e /c/in ] && touch /c/in && sleep 0.2 && rm /c/in && echo {n} > /o\n"
        )
    };
    let file =
        format!("{}{}FROM busybox\nCOPY --from=s1 /o /1\nCOPY --from=s2 /o /2\n", step(1), step(2));
    world.build(&file);
}

#[test]
fn binds() {
    let world = World::new();
    world.file("a", "1").file("d/b", "2").file("hidden", "3").file(".dockerignore", "hidden");
    let text = log(
        &world,
        "RUN --mount=target=/x cat /x/a /x/d/b; ls /x/hidden 2>/dev/null; touch /x/new 2>/dev/null || echo read-only\n",
    );
    assert_eq!(text, "12read-only\n");
    let text = log(
        &world,
        "RUN --mount=source=d,target=/x,rw touch /x/new && ls /x\nRUN --mount=source=a,target=/y cat /y\n",
    );
    assert_eq!(text, "b\nnew\n1");
    assert!(!world.context().join("d/new").exists(), "a step wrote into the context");
    let text = log(
        &world,
        "FROM busybox AS s\nRUN mkdir -p /o/p && echo 1 > /o/p/q\nFROM busybox\nRUN --mount=from=s,source=/o,target=/x,rw cat /x/p/q && touch /x/w && ls /x\nRUN --mount=from=s,source=/o/p/q,target=/f cat /f; [ ! -e /x/w ] && echo gone\n",
    );
    assert_eq!(text, "1\np\nw\n1\ngone\n");
}

#[test]
fn secrets_leave_no_trace() {
    const SECRET: &str = "correct-horse-battery-staple";
    let world = World::new();
    let file = world.path("secret");
    std::fs::write(&file, SECRET).expect("writes");
    world.file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B --mount=type=secret,id=c,target=/t/c,uid=1,mode=0440 [ $(wc -c < /run/secrets/a) = 28 ] && [ ${#B} = 28 ] && stat -c '%u %a' /t/c\nRUN ls /run/secrets /t 2>&1 | grep -c 'No such'\n");
    let secret = |id: &str, source| Secret { id: id.to_owned(), source };
    let request = |value: &str| BuildRequest {
        secrets: vec![
            secret("a", SecretSource::File(file.clone())),
            secret("b", SecretSource::Value(value.into())),
            secret("c", SecretSource::Value(value.into())),
        ],
        ..BuildRequest::default()
    };
    let done = world.request(request(SECRET));
    assert_eq!(done.heard.log(), "1 440\n2\n");
    assert!(!format!("{:?}", done.heard.events).contains(SECRET));
    for (path, bytes) in world.blobs() {
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the secret is in {}", path.display());
    }
    // Another value is no other input.
    std::fs::write(&file, "rotated").expect("writes");
    assert_eq!(world.request(request("rotated")).heard.ran().len(), 0);
}

#[test]
fn required_secrets_and_agents_must_be_given() {
    let world = World::new();
    let error =
        world.fails("FROM busybox\nRUN --mount=type=secret,id=x,required true\n").to_string();
    assert!(error.contains("secret x: not found"), "{error}");
    world.build("FROM busybox\nRUN --mount=type=secret,id=x [ ! -e /run/secrets/x ]\n");
    let error = world.fails("FROM busybox\nRUN --mount=type=ssh,required true\n").to_string();
    assert!(error.contains("ssh default: not found"), "{error}");
}

#[test]
fn agents_are_forwarded() {
    let world = World::new();
    let socket = world.path("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    world.file(
        "Dockerfile",
        "FROM busybox\nRUN --mount=type=ssh [ -S $SSH_AUTH_SOCK ] && echo $SSH_AUTH_SOCK\n",
    );
    let ssh = vec![teu_builder::SshAgent { id: "default".to_owned(), socket }];
    let done = world.request(BuildRequest { ssh, ..BuildRequest::default() });
    assert_eq!(done.heard.log(), "/run/buildkit/ssh_agent.0\n");
}

#[test]
fn programs_in_heredocs() {
    let world = World::new();
    let text = log(
        &world,
        "RUN <<EOF\necho one\necho two\nEOF\nRUN <<P\n#!/bin/cat\nitself\nP\nRUN cat <<A - <<B | tr a-z A-Z\na\nA\nb\nB\n",
    );
    assert_eq!(text, "one\ntwo\n#!/bin/cat\nitself\nB\n");
}

#[test]
fn onbuild_fires_once() {
    let world = World::new();
    world.file("a", "1").file(
        "Dockerfile",
        "FROM busybox\nONBUILD COPY a /a\nONBUILD RUN cat /a\nONBUILD ENV x=y\n",
    );
    let tags = vec!["base".parse().expect("a name")];
    world.request(BuildRequest { tags, ..BuildRequest::default() });
    let child = world.build("FROM base\nRUN echo $x\n");
    assert_eq!(child.heard.log(), "1y\n");
    assert_eq!(child.config().config.on_build, None);
}

#[test]
fn memory_limits_are_told() {
    let world = World::new();
    world.file("Dockerfile", "FROM busybox\nRUN tail /dev/zero\n");
    let memory = teu_oci::runtime::linux::Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Default::default()
    };
    let resources = teu_oci::runtime::Resources { memory: Some(memory), ..Default::default() };
    let (result, _) = world.try_request(BuildRequest { resources, ..BuildRequest::default() });
    let error = result.expect_err("killed").to_string();
    assert!(error.contains("lack of memory"), "{error}");
}
