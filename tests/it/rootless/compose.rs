//! Applications of several services, and Docker's API, as an ordinary user: issue 4, must show 5.

use super::world::User;
use super::{eventually, fetch};
use std::path::Path;

/// The example of five services, as the user's own files, with what it is built from.
fn shop(user: &User) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/compose-shop");
    for image in ["nginx", "python", "redis"] {
        user.load(image);
    }
    let folder = user.path("home/shop");
    std::fs::create_dir_all(format!("{folder}/app")).expect("ours");
    let names = ["app.py", "check.py", "redis.py", "worker.py", "Dockerfile"];
    for name in names.map(|name| format!("app/{name}")).iter().map(String::as_str) {
        std::fs::copy(example.join(name), format!("{folder}/{name}")).expect("copies");
    }
    let file = format!("{folder}/compose.yaml");
    std::fs::copy(example.join("compose.yaml"), &file).expect("copies");
    std::fs::write(format!("{folder}/.env"), "SHOP_PORT=0\nSHOP_TOKEN=abc\n").expect("writes");
    file
}

#[test]
fn five_services_are_built_started_changed_and_gone() {
    let user = User::with_busybox();
    let file = shop(&user);
    let compose = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        user.teu(&[&["compose", "-f", &file], words.as_slice()].concat())
    };
    compose("up -d --wait --quiet-build").ok();
    let healthy = compose("ps --format {{.Service}}={{.Health}}").ok();
    assert_eq!(healthy, "app=healthy\ndb=healthy\nproxy=\nqueue=healthy\nworker=healthy");
    let port = || {
        let address = compose("port proxy 80").ok();
        address.rsplit_once(':').expect("address:port").1.to_owned()
    };
    let first = port();
    eventually("the application answers on the machine's loopback", || {
        fetch(&user, &first) == "version 1, token of 3 letters"
    });
    let order = format!("http://127.0.0.1:{first}/order/one");
    user.run(&["wget", "-q", "-O", "-", &order]).ok();
    eventually("the worker did what was ordered", || {
        compose("exec -T db redis-cli SCARD done").out == "1\n"
    });

    let before = compose("ps -q db queue proxy").ok();
    std::fs::write(user.path("home/shop/.env"), "SHOP_PORT=0\nSHOP_TOKEN=abc\nSHOP_VERSION=2\n")
        .expect("writes");
    compose("up -d --wait --quiet-build").ok();
    assert_eq!(compose("ps -q db queue proxy").ok(), before, "the unchanged are not touched");
    eventually("the new version answers", || {
        fetch(&user, &first) == "version 2, token of 3 letters"
    });
    compose("restart -t 1 proxy").ok();
    let again = port();
    eventually("it answers after a restart", || {
        fetch(&user, &again) == "version 2, token of 3 letters"
    });

    compose("down -v -t 1").ok();
    assert_eq!(user.line("ps -aq").ok(), "");
    assert_eq!(user.line("volume ls -q").ok(), "");
    assert_eq!(user.line("network ls --format {{.Name}}").ok(), "bridge\nhost\nnone");
    user.nothing_runs();
}

#[test]
fn what_was_built_is_run_with_a_published_port() {
    let user = User::with_busybox();
    let folder = user.path("home/site");
    std::fs::create_dir(&folder).expect("ours");
    let dockerfile = "FROM busybox\n\
        RUN mkdir /w && echo built by $(id -u) >/w/index.html\n\
        EXPOSE 80\n\
        CMD [\"httpd\", \"-f\", \"-h\", \"/w\"]\n";
    std::fs::write(format!("{folder}/Dockerfile"), dockerfile).expect("writes");
    user.teu(&["build", "-q", "-t", "site", &folder]).ok();
    user.line("run -d --name site -P site").ok();
    let port = super::port(&user, "site");
    eventually("the page is served", || fetch(&user, &port) == "built by 0\n");
    user.line("rm -f site").ok();
    user.nothing_runs();
}

#[test]
fn the_docker_client_talks_to_a_users_engine() {
    let user = User::with_busybox();
    let engine = user.spawn(&["engine"]);
    let socket = user.path("run/teu/engine.sock");
    let host = format!("unix://{socket}");
    let docker = |words: &[&str]| user.run(&[&["docker", "-H", &host], words].concat());
    eventually("the engine answers", || docker(&["version"]).code == 0);
    let serve = "mkdir /w && echo from an engine >/w/index.html && exec httpd -f -h /w -p 80";
    docker(&["run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", "busybox", "sh", "-c", serve])
        .ok();
    let port = super::port(&user, "web");
    eventually("the page is served", || fetch(&user, &port) == "from an engine\n");
    assert_eq!(docker(&["exec", "web", "id", "-u"]).ok(), "0");
    assert_eq!(user.line("ps --format {{.Names}}").ok(), "web");
    drop(engine);
    // It may go at any time: the container does not notice.
    assert_eq!(fetch(&user, &port), "from an engine\n");
    user.line("rm -f web").ok();
    user.nothing_runs();
}
