//! Everything as an ordinary user with subordinate ids: issue 4 part 3, must show 5.
//!
//! The user exists only in a mount namespace of the test (`/etc/passwd`, `/etc/subuid`, `/etc/subgid`
//! lie over the machine's there), and its "machine" is a network namespace with one address of its
//! own: nothing of the host is changed, and nothing leaves it.

mod compose;
mod world;

use std::io::Write;
use std::time::{Duration, Instant};
use world::User;

/// Waits, bounded, for something that another process does.
#[track_caller]
fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !check() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

const SERVE: &str = "mkdir /w && echo from a user >/w/index.html && exec httpd -f -h /w -p 80";

/// The port of the machine that a container's port 80 has.
fn port(user: &User, name: &str) -> String {
    let ports = user.line(&format!("port {name} 80/tcp")).ok();
    let first = ports.lines().next().expect("published").to_owned();
    first.rsplit_once(':').expect("address:port").1.to_owned()
}

fn fetch(user: &User, port: &str) -> String {
    user.run(&["wget", "-q", "-O", "-", &format!("http://127.0.0.1:{port}/")]).out
}

#[test]
fn published_ports_exec_logs_stop_and_nothing_stays() {
    let user = User::with_busybox();
    user.teu(&["run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", "busybox", "sh", "-c", SERVE])
        .ok();
    let port = port(&user, "web");
    eventually("the page is served through the machine's loopback", || {
        fetch(&user, &port) == "from a user\n"
    });
    // Many at once, and more than a socket takes at a time.
    let big = "dd if=/dev/zero of=/w/big bs=1k count=3000 2>/dev/null";
    user.teu(&["exec", "web", "sh", "-c", big]).ok();
    let line = format!(
        "for i in 1 2 3 4 5 6 7 8; do wget -q -O - http://127.0.0.1:{port}/big | wc -c & done; wait"
    );
    assert_eq!(user.run(&["sh", "-c", &line]).ok(), ["3072000"; 8].join("\n"));

    assert_eq!(user.line("exec web id -u").ok(), "0");
    assert_eq!(user.line("exec -u 33 web id -u").ok(), "33");
    assert_eq!(user.teu(&["exec", "web", "sh", "-c", "exit 7"]).code, 7);
    user.line("exec web true").ok();
    user.teu(&["run", "--name", "said", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3"])
        .fails(3);
    let logs = user.line("logs said");
    assert_eq!((logs.out.as_str(), logs.err.as_str()), ("out\n", "err\n"));
    assert!(user.line("top web").ok().contains("httpd"));
    let stats = ["stats", "--no-stream", "--format", "{{.PIDs}}", "web"];
    eventually("only the server is left", || user.teu(&stats).ok() == "1");

    user.line("stop -t 1 web").ok();
    assert_eq!(fetch(&user, &port), "");
    user.line("start web").ok();
    user.line("rm -f web said").ok();
    user.nothing_runs();
    assert_eq!(user.files_in("run/teu/pods"), Vec::<String>::new());
    assert_eq!(user.files_in("data/teu/pods"), Vec::<String>::new());
}

#[test]
fn containers_talk_over_networks_of_the_user_and_reach_beyond() {
    let user = User::with_busybox();
    user.line("network create back").ok();
    user.teu(&["run", "-d", "--name", "db", "--network", "back", "busybox", "sh", "-c", SERVE])
        .ok();
    let ask = "run --rm --network back busybox wget -q -O - http://db/";
    eventually("a container is found by its name", || user.line(ask).out == "from a user\n");
    user.line("run -d --name other busybox sleep 1000").ok();
    let away = user.teu(&["exec", "other", "wget", "-q", "-O", "-", "http://db/"]);
    assert_ne!(away.code, 0, "networks are apart: {away:?}");
    user.line("network connect back other").ok();
    let near = user.teu(&["exec", "other", "wget", "-q", "-O", "-", "http://db/"]);
    assert_eq!(near.ok(), "from a user");

    // An address of the machine's, by way of pasta.
    let server = user.serve_on_the_machine("from the machine\n");
    let url = format!("http://{server}/");
    eventually("a container reaches beyond the user's network", || {
        user.teu(&["exec", "other", "wget", "-q", "-O", "-", &url]).out == "from the machine\n"
    });
    let host = user.teu(&["run", "--rm", "--network=host", "busybox", "ip", "-o", "address"]).ok();
    assert!(host.contains(world::ADDRESS), "{host}");
    let none = user.teu(&["run", "--rm", "--network=none", "busybox", "ip", "-o", "link"]).ok();
    assert_eq!(none.lines().count(), 1, "{none}");
    user.line("rm -f db other").ok();
    user.line("network rm back").ok();
    user.nothing_runs();
}

#[test]
fn ids_are_mapped_and_volumes_keep_their_owners() {
    let user = User::with_busybox();
    let map = user.teu(&["run", "--rm", "busybox", "cat", "/proc/self/uid_map"]).ok();
    let words: Vec<&str> = map.split_whitespace().collect();
    let own = user.uid.to_string();
    assert_eq!(words[..3], ["0", own.as_str(), "1"]);
    assert_eq!(words[3..], ["1", "100000", "65536"]);

    let make = "echo x >/data/root && echo y >/data/other && chown 5:6 /data/other";
    user.teu(&["run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", make]).ok();
    let owner = |name: &str| user.owner(&format!("data/teu/volumes/kept/_data/{name}"));
    assert_eq!(owner("root"), (user.uid, user.uid));
    assert_eq!(owner("other"), (100_004, 100_005));
    let seen =
        user.teu(&["run", "--rm", "-v", "kept:/d:ro", "busybox", "stat", "-c", "%u", "/d/other"]);
    assert_eq!(seen.ok(), "5");

    let home = user.path("home");
    let bind = format!("{home}:/h");
    user.teu(&["run", "--rm", "-v", &bind, "busybox", "touch", "/h/made"]).ok();
    assert_eq!(user.owner("home/made"), (user.uid, user.uid));
    let secret = user.path("root-only");
    std::fs::write(&secret, "x").expect("writes");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, mode).expect("ours");
    let bind = format!("{secret}:/s");
    let read = user.teu(&["run", "--rm", "-v", &bind, "busybox", "cat", "/s"]);
    assert!(read.err.contains("Permission denied"), "root in there is not root here: {read:?}");
    user.line("volume rm kept").ok();
}

#[test]
fn images_are_built_saved_and_run() {
    let user = User::with_busybox();
    let folder = user.path("home/app");
    std::fs::create_dir(&folder).expect("ours");
    let dockerfile = "FROM busybox\n\
        RUN mkdir -p /app/old /app/kept && echo 1 >/app/old/a && chown 7:8 /app/kept && rm /bin/vi\n\
        COPY --chown=33:34 note /app/note\n\
        RUN rm -r /app/old && mkdir /app/old && echo 2 >/app/old/b\n\
        USER 33\n\
        CMD [\"sh\", \"-c\", \"cat /app/note; ls /app/old; stat -c %u:%g /app/note /app/kept\"]\n";
    for (name, text) in [("Dockerfile", dockerfile), ("note", "built by a user\n")] {
        std::fs::File::create(format!("{folder}/{name}"))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("writes");
    }
    user.teu(&["build", "-q", "-t", "app", &folder]).ok();
    let expected = "built by a user\nb\n33:34\n7:8";
    assert_eq!(user.line("run --rm app").ok(), expected);
    assert_ne!(user.line("run --rm app ls /bin/vi").code, 0);
    // Marks of overlayfs become whiteouts, and whiteouts marks again.
    let archive = user.path("home/app.tar");
    user.teu(&["save", "-o", &archive, "app"]).ok();
    user.line("rmi app").ok();
    user.teu(&["load", "-q", "-i", &archive]).ok();
    assert_eq!(user.line("run --rm app").ok(), expected);

    user.teu(&["run", "--name", "changed", "busybox", "sh", "-c", "rm -r /home; echo n >/new"])
        .ok();
    let diff = user.line("diff changed").ok();
    assert!(diff.contains("D /home") && diff.contains("A /new"), "{diff}");
    user.line("commit changed next").ok();
    let seen = user.teu(&["run", "--rm", "next", "sh", "-c", "cat /new; ls -d /home"]);
    assert_eq!((seen.out.as_str(), seen.code != 0), ("n\n", true));
    user.line("rm changed").ok();
}

#[test]
fn pods_share_and_a_killed_shim_is_cleared_away() {
    let user = User::with_busybox();
    user.line("pod create --name shop -p 127.0.0.1:0:80 --share pid,net,ipc,uts").ok();
    user.teu(&["run", "-d", "--pod", "shop", "--name", "page", "busybox", "sh", "-c", SERVE]).ok();
    let local = "run --rm --pod shop busybox wget -q -O - http://127.0.0.1/";
    eventually("the page answers in the pod", || user.line(local).out == "from a user\n");
    let seen = user.line("run --rm --pod shop busybox ps").ok();
    assert!(seen.contains("httpd"), "one pid namespace: {seen}");
    user.line("exec page true").ok();
    user.line("pod rm -f shop").ok();

    user.line("run -d --name lost busybox sleep 1000").ok();
    let pid = user.teu(&["inspect", "--format", "{{.State.Pid}}", "lost"]).ok();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let shim = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim();
    assert!(
        std::process::Command::new("kill").args(["-9", shim]).status().expect("runs").success()
    );
    eventually("the loss is noticed, and what ran is killed", || {
        user.teu(&["inspect", "--format", "{{.State.Status}}", "lost"]).out == "exited\n"
    });
    user.line("rm lost").ok();
    user.nothing_runs();
}

#[test]
fn what_cannot_be_had_is_refused_with_advice() {
    let user = User::with_busybox();
    let low = user.line("run --rm -p 80:80 busybox true").fails(125);
    assert!(low.contains("ip_unprivileged_port_start"), "{low}");
    // This machine's control groups are the first version's, of which none is delegated.
    if std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        let limit = user.line("run --rm -m 64m busybox true").fails(125);
        assert!(limit.contains("not delegated"), "{limit}");
    }
    let nobody = User::without_ids();
    let refused = nobody.line("ps");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("usermod --add-subuids"), "{refused:?}");
}
