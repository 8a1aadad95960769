//! `COPY`, `ADD`, `WORKDIR`: where files end, and with what.

use crate::world::World;
use std::process::Command;

fn world() -> World {
    let world = World::new();
    world
        .file("a.txt", "aaa")
        .file("b.txt", "bbb")
        .file("d/x", "x")
        .file("d/sub/y", "y")
        .file("d/sub/z", "z")
        .file("sp ace", "s")
        .mode("a.txt", 0o644)
        .mode("b.txt", 0o644)
        .mode("d/sub/y", 0o755)
        .link("link", "a.txt")
        .link("dirlink", "d");
    world
}

/// What a Dockerfile makes of these paths; `-` for nothing.
#[track_caller]
fn check(world: &World, dockerfile: &str, expected: &[(&str, &str)]) {
    let tree = world.tree(&format!("FROM busybox\n{dockerfile}"));
    for (path, expected) in expected {
        let found = tree.get(*path).map_or("-", String::as_str);
        assert_eq!(found, *expected, "{path} of {dockerfile}");
    }
}

#[test]
fn files_go_where_docker_puts_them() {
    let world = world();
    check(
        &world,
        "COPY a.txt /x\nCOPY a.txt /y/\nCOPY a.txt b.txt /z/",
        &[
            ("x", "644 0:0 aaa"),
            ("y", "755 0:0 dir"),
            ("y/a.txt", "644 0:0 aaa"),
            ("z/b.txt", "644 0:0 bbb"),
        ],
    );
    check(
        &world,
        "COPY d /d1\nCOPY d/sub /d1/more\nRUN mkdir /e\nCOPY d /e\nCOPY a.txt /e",
        &[
            ("d1/x", "644 0:0 x"),
            ("d1/sub/y", "755 0:0 y"),
            ("d1/more/z", "644 0:0 z"),
            ("d1/d", "-"),
            ("e/sub", "755 0:0 dir"),
            ("e/a.txt", "644 0:0 aaa"),
        ],
    );
    check(
        &world,
        "WORKDIR /w\nCOPY a.txt .\nCOPY a.txt c\nCOPY d d\nWORKDIR v\nCOPY b.txt ./",
        &[
            ("w/a.txt", "644 0:0 aaa"),
            ("w/c", "644 0:0 aaa"),
            ("w/d/x", "644 0:0 x"),
            ("w/v/b.txt", "644 0:0 bbb"),
        ],
    );
    check(
        &world,
        "COPY link /l1\nCOPY dirlink /l2\nCOPY . /all\nCOPY [\"sp ace\", \"/s s\"]",
        &[
            ("l1", "644 0:0 aaa"),
            ("l2/x", "644 0:0 x"),
            ("all/link", "0 0:0 -> a.txt"),
            ("all/dirlink", "0 0:0 -> d"),
            ("s s", "644 0:0 s"),
        ],
    );
}

#[test]
fn patterns_and_exclusions() {
    let world = world();
    check(
        &world,
        "COPY *.txt /g/\nCOPY d/s*/* /h/\nCOPY nothing* /i/\nCOPY [a]* /j",
        &[
            ("g/a.txt", "644 0:0 aaa"),
            ("g/b.txt", "644 0:0 bbb"),
            ("h/y", "755 0:0 y"),
            ("i", "755 0:0 dir"),
            ("j", "644 0:0 aaa"),
        ],
    );
    check(
        &world,
        "COPY --exclude=*.txt --exclude=d/sub/z . /e/\nCOPY --exclude=a* *.txt /f/",
        &[
            ("e/a.txt", "-"),
            ("e/d/x", "644 0:0 x"),
            ("e/d/sub/z", "-"),
            ("f/a.txt", "-"),
            ("f/b.txt", "644 0:0 bbb"),
        ],
    );
    check(
        &world,
        "COPY --parents d/sub/y a.txt /p/\nCOPY --parents d/./sub/z /q/\nCOPY --parents **/z /r/",
        &[
            ("p/d/sub/y", "755 0:0 y"),
            ("p/a.txt", "644 0:0 aaa"),
            ("q/sub/z", "644 0:0 z"),
            ("r/d/sub/z", "644 0:0 z"),
        ],
    );
    world.file(".dockerignore", "*.txt\n!b.txt\nd/sub\n!d/sub/z\n");
    check(
        &world,
        "COPY . /c\n",
        &[
            ("c/a.txt", "-"),
            ("c/b.txt", "644 0:0 bbb"),
            ("c/d/x", "644 0:0 x"),
            ("c/d/sub/y", "-"),
            ("c/d/sub/z", "644 0:0 z"),
        ],
    );
    world.file("Dockerfile.dockerignore", "b.txt\n");
    check(&world, "COPY . /c\n", &[("c/a.txt", "644 0:0 aaa"), ("c/b.txt", "-")]);
}

/// A layer of its own is the same over every base, but for whom a name means there.
#[test]
fn a_name_in_a_link_layer_means_the_bases_user() {
    let world = world();
    let build = |uid: u32| {
        let base = format!("FROM busybox\nRUN echo app:x:{uid}:{uid}::/:/bin/sh >> /etc/passwd\n");
        let tree = world.tree(&format!("{base}COPY --link --chown=app a.txt /1"));
        assert_eq!(tree["1"], format!("644 {uid}:{uid} aaa"));
    };
    build(1001);
    build(1002);
}

/// Names of one inode whose first was replaced by another source's file of that name.
#[test]
fn a_second_name_is_that_of_its_own_content() {
    let world = world();
    for dir in ["1", "2", "3"] {
        std::fs::create_dir(world.context().join(dir)).expect("makes");
    }
    world.file("1/f", "first");
    world.file("2/f", "other");
    std::fs::hard_link(world.context().join("1/f"), world.context().join("3/g")).expect("links");
    check(&world, "COPY 1 2 3 /d/", &[("d/f", "644 0:0 other"), ("d/g", "644 0:0 first")]);
}

#[test]
fn owners_and_modes() {
    let world = world();
    check(
        &world,
        "COPY --chown=1:2 a.txt /1\nCOPY --chown=daemon:root d /3\nCOPY --chmod=4711 a.txt /4\nCOPY --chmod=u=rwX,go= d /5\nCOPY --chown=7:8 a.txt /n/m/",
        &[
            ("1", "644 1:2 aaa"),
            ("3/sub", "755 1:0 dir"),
            ("4", "4711 0:0 aaa"),
            ("5/sub", "700 0:0 dir"),
            ("5/sub/y", "700 0:0 y"),
            ("5/x", "600 0:0 x"),
            ("n/m", "755 7:8 dir"),
        ],
    );
    check(
        &world,
        "RUN echo 1 > /f; chown 3:4 /f; chmod 640 /f\nFROM busybox\nCOPY --from=0 /f /k\nCOPY --from=0 --chown=5:6 /f /o",
        &[("k", "640 3:4 1\n"), ("o", "640 5:6 1\n")],
    );
    check(
        &world,
        "USER daemon\nWORKDIR /w\nUSER 0\nWORKDIR /v",
        &[("w", "755 1:1 dir"), ("v", "755 0:0 dir")],
    );
}

#[test]
fn links_of_the_image_are_followed_within_it() {
    let world = world();
    check(
        &world,
        "RUN mkdir /real && ln -s /real /sym && ln -s real/f /symf && ln -s ../../../etc /up\nCOPY a.txt /sym/\nCOPY d /sym/d\nCOPY b.txt /symf\nCOPY a.txt /up/in-etc",
        &[
            ("real/a.txt", "644 0:0 aaa"),
            ("real/d/x", "644 0:0 x"),
            ("real/f", "644 0:0 bbb"),
            ("sym", "0 0:0 -> /real"),
            ("etc/in-etc", "644 0:0 aaa"),
        ],
    );
}

#[test]
fn heredocs_and_hard_links() {
    let world = world();
    check(
        &world,
        "ENV v=1\nCOPY <<A <<\"B\" <<-C /h/\n$v\nA\n$v\nB\n\tc\n\tC\nCOPY --chmod=755 <<X /x\n#!/bin/sh\nX\nRUN echo l > /l1 && ln /l1 /l2\n",
        &[
            ("h/A", "644 0:0 1\n"),
            ("h/B", "644 0:0 $v\n"),
            ("h/C", "644 0:0 c\n"),
            ("x", "755 0:0 #!/bin/sh\n"),
            ("l2", "644 0:0 l\n"),
        ],
    );
    let tree = world.tree("FROM busybox AS a\nRUN mkdir /d && echo l > /d/1 && ln /d/1 /d/2 && mkfifo /d/p\nFROM busybox\nCOPY --from=a /d /d\nRUN stat -c %h /d/1 > /n && test -p /d/p && rm /d/p\n");
    assert_eq!(tree["n"], "644 0:0 2\n");
}

#[test]
fn archives_are_unpacked() {
    let world = world();
    let make = |args: &[&str]| {
        let status = Command::new("tar").current_dir(world.context()).args(args).status();
        assert!(status.expect("tar runs").success());
    };
    make(&["--owner=5", "--group=6", "-cf", "t.tar", "a.txt", "d"]);
    make(&["--owner=5", "--group=6", "-czf", "t.tar.gz", "a.txt", "d"]);
    make(&["--zstd", "-cf", "t.tar.zst", "a.txt"]);
    check(
        &world,
        "ADD t.tar /1\nADD t.tar.gz /2/\nADD t.tar.zst /3\nCOPY t.tar /4\nADD --unpack=false t.tar /5\nADD --chown=9:9 t.tar /6\nADD a.txt /7",
        &[
            ("1/a.txt", "644 5:6 aaa"),
            ("2/d/sub/y", "755 5:6 y"),
            ("3/a.txt", "644 0:0 aaa"),
            ("6/a.txt", "644 9:9 aaa"),
            ("7", "644 0:0 aaa"),
        ],
    );
    make(&["-cJf", "t.tar.xz", "b.txt"]);
    make(&["-cjf", "t.tar.bz2", "b.txt"]);
    check(
        &world,
        "ADD t.tar.xz /1\nADD t.tar.bz2 /2",
        &[("1/b.txt", "644 0:0 bbb"), ("2/b.txt", "644 0:0 bbb")],
    );
    // Compressed, and no archive: copied as it is.
    std::fs::write(world.context().join("x.xz"), b"\xfd7zXZ\0abc").expect("writes");
    assert!(world.tree("FROM busybox\nADD x.xz /x\n").contains_key("x"));
}

#[test]
fn scratch_and_link() {
    let world = world();
    let tree = world.tree("FROM scratch\nCOPY a.txt /\nCOPY --link d /d/\nWORKDIR /w\n");
    assert_eq!(tree["a.txt"], "644 0:0 aaa");
    assert_eq!(tree["d/sub/z"], "644 0:0 z");
    assert_eq!(tree["w"], "755 0:0 dir");
    // A layer of its own is the same one whatever is below it.
    world.build("FROM busybox\nCOPY --link a.txt /x/y\n");
    let again = world.build("FROM busybox\nRUN true\nCOPY --link a.txt /x/y\n");
    assert!(again.heard.ran().iter().all(|name| name.contains("RUN")), "{:?}", again.heard.ran());
    assert_eq!(
        world.tree("FROM busybox\nRUN true\nCOPY --link a.txt /x/y\n")["x/y"],
        "644 0:0 aaa"
    );
}

#[test]
fn downloads() {
    use std::io::{Read, Write};
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address");
    let thread = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = server.accept().expect("a connection");
            let mut head = [0; 1024];
            let count = stream.read(&mut head).expect("a request");
            let answer = if head[..count].starts_with(b"GET /moved") {
                "HTTP/1.1 302 Found\r\nLocation: /f.txt\r\n\r\n".to_owned()
            } else {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned()
            };
            stream.write_all(answer.as_bytes()).expect("answers");
        }
    });
    let world = world();
    let sum = "sha256:36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c";
    let dockerfile = format!("FROM busybox\nADD --checksum={sum} http://{address}/moved /d/f\n");
    assert_eq!(world.tree(&dockerfile)["d/f"], "600 0:0 abcde");
    let wrong = sum.replace('3', "4");
    let error =
        world.fails(&format!("FROM busybox\nADD --checksum={wrong} http://{address}/f.txt /d/\n"));
    assert!(error.to_string().contains("digest mismatch"), "{error}");
    thread.join().expect("the server");
    let https = format!("FROM busybox\nADD https://{address}/x /x\n");
    let error = world.fails(&https).to_string();
    assert!(error.contains("cannot reach 127.0.0.1"), "{error}");
}
