//! Five services under Docker's own Compose, both generations of it, and under `teu compose`: the
//! same file, the same result; in turns on one project; and an engine killed in the middle of `up`.
//! Issue 4, must show 4.

use super::shop::{answers, get};
use super::until;
use crate::buildx::bench::clients as trixie;
use crate::engine::Engine;
use crate::world::{Said, World};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SERVICES: [&str; 5] = ["app", "db", "proxy", "queue", "worker"];

/// Seconds that one command of a client may take.
const COMMAND_LIMIT_S: &str = "180";

const PROXY: &str = "events {}
http {
  server {
    listen 80;
    # The name server of user networks, asked again every second: the app may have moved.
    resolver 127.0.0.11 valid=1s;
    location / {
      set $app http://app:8000;
      proxy_pass $app;
      proxy_connect_timeout 2s;
    }
  }
}
";

/// Who runs the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// `docker compose`, Debian 13's.
    Second,
    /// `docker-compose` 1.29, Debian 12's.
    First,
    /// `teu compose`.
    Own,
}

/// A project of five services and an engine to talk to.
struct Five {
    engine: Option<Engine>,
    world: World,
    folder: PathBuf,
}

impl Five {
    fn new() -> Self {
        let world = World::empty();
        for image in ["nginx", "python", "redis"] {
            world.load(image);
        }
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/compose-shop/app");
        for name in ["Dockerfile", "app.py", "check.py", "redis.py", "worker.py"] {
            let text = std::fs::read_to_string(example.join(name)).expect("the example");
            world.file(&format!("five/app/{name}"), &text);
        }
        world.file("five/token", "abc");
        world.file("five/proxy.conf", PROXY);
        let file = world.file("five/docker-compose.yml", include_str!("five.yaml"));
        let plugins = world.root().join("docker-config/cli-plugins");
        std::fs::create_dir_all(&plugins).expect("creates");
        for name in ["docker-compose", "docker-buildx"] {
            let plugin = trixie().join("usr/libexec/docker/cli-plugins").join(name);
            let plugin = plugin.canonicalize().unwrap_or_else(|_| panic!("{name}: scripts/trixie"));
            std::os::unix::fs::symlink(plugin, plugins.join(name)).expect("links");
        }
        let engine = Some(Engine::start(&world));
        Self { engine, world, folder: file.parent().expect("written above").to_owned() }
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.world.root().join("run/engine.sock").display())
    }

    fn command(&self, client: Client, line: &str) -> Command {
        let bin = trixie().join("usr/bin");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", COMMAND_LIMIT_S]);
        match client {
            Client::Second => command.arg(bin.join("docker")).arg("compose"),
            Client::First => command.arg("/usr/bin/docker-compose"),
            Client::Own => command.arg(crate::world::binary()).arg("compose"),
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", bin.display()));
        let settings = self.world.command([""; 0]);
        command.envs(settings.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.env("DOCKER_HOST", self.socket()).env("SHOP_PORT", "0");
        for name in ["COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "DOCKER_BUILDKIT", "DOCKER_CONTEXT"] {
            command.env_remove(name);
        }
        command.args(line.split(' ')).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn line(&self, client: Client, line: &str) -> Said {
        self.command(client, line).output().expect("the client starts").into()
    }

    #[track_caller]
    fn ok(&self, client: Client, line: &str) -> String {
        let said = self.line(client, line);
        assert_eq!(said.code, 0, "{client:?} {line}: {}{}", said.out, said.err);
        said.out.trim_end().to_owned()
    }

    /// What the engine says of a service's containers, by number.
    fn containers(&self, service: &str) -> Vec<Value> {
        let label = format!("label=com.docker.compose.service={service}");
        let ids = self.world.teu(["ps", "-aq", "--no-trunc", "--filter", &label]).ok();
        let found = ids.lines().map(|id| {
            let text = self.world.teu(["inspect", id]).ok();
            let all: Value = serde_json::from_str(&text).expect("is JSON");
            all[0].clone()
        });
        let mut found: Vec<Value> = found.collect();
        found.sort_by_key(|one| {
            one["Config"]["Labels"]["com.docker.compose.container-number"].to_string()
        });
        found
    }

    fn ids(&self) -> Vec<String> {
        let all = SERVICES.iter().flat_map(|service| self.containers(service));
        all.map(|one| one["Id"].to_string()).collect()
    }

    /// Waits until all five are there and well; what they are made of.
    #[track_caller]
    fn report(&self) -> Value {
        until(|| {
            let all = SERVICES.map(|service| (service, self.containers(service)));
            for (service, found) in &all {
                let well = |one: &Value| {
                    let state = &one["State"];
                    let health = state["Health"]["Status"].as_str().unwrap_or("healthy");
                    state["Status"] == "running" && health == "healthy"
                };
                if found.len() != 1 || !found.iter().all(well) {
                    let states = found.iter().map(|one| one["State"].to_string());
                    return Err(format!("{service}: {:?}", states.collect::<Vec<_>>()));
                }
            }
            Ok(Value::from_iter(all.iter().map(|(name, found)| (*name, facts(&found[0], name)))))
        })
    }

    /// Where the proxy listens.
    fn address(&self) -> String {
        let proxy = &self.containers("proxy")[0];
        let bound = &proxy["NetworkSettings"]["Ports"]["80/tcp"][0];
        assert_eq!(bound["HostIp"], "127.0.0.1", "{bound}");
        format!("127.0.0.1:{}", bound["HostPort"].as_str().expect("a port"))
    }

    /// It does its work: through the proxy to the app, the queue, the worker and the database.
    #[track_caller]
    fn works(&self, client: Client) {
        let address = self.address();
        answers(&address, "/", "version 1, token of 3 letters");
        for name in ["one", "two"] {
            get(&address, &format!("/order/{name}")).expect("ordered");
        }
        answers(&address, "/done", "2");
        assert_eq!(self.ok(client, "exec -T app cat /run/secrets/token"), "abc");
        assert_eq!(self.ok(client, "exec -T db redis-cli SCARD done"), "2");
        let port = self.ok(client, "port proxy 80");
        assert_eq!(port, address);
        until(|| {
            let logs = self.ok(client, "logs worker");
            let both = logs.contains("done: one") && logs.contains("done: two");
            both.then_some(()).ok_or(logs)
        });
    }

    fn restart_engine(&mut self) {
        self.engine = None;
        self.engine = Some(Engine::start(&self.world));
    }

    /// Nothing of the project is there.
    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.world.teu(["ps", "-aq"]).ok(), "");
        assert_eq!(self.world.teu(["volume", "ls", "-q"]).ok(), "");
        let networks = self.world.teu(["network", "ls", "--format", "{{.Name}}"]).ok();
        assert!(!networks.contains("five"), "{networks}");
    }
}

impl Drop for Five {
    fn drop(&mut self) {
        self.line(Client::Own, "down -v -t 0 --remove-orphans");
    }
}

/// What has to be the same of a container, whoever made it. A project's names are joined by `-`
/// or `_`, and secrets may be mounted in one way or another.
fn facts(container: &Value, service: &str) -> Value {
    let (config, host) = (&container["Config"], &container["HostConfig"]);
    let sorted = |value: &Value, pick: &dyn Fn(&Value) -> Value| {
        let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<String> = all.iter().map(|one| pick(one).to_string()).collect();
        all.sort();
        all
    };
    let networks = container["NetworkSettings"]["Networks"].as_object().expect("networks");
    let named = networks.iter().map(|(name, network)| {
        let aliases = network["Aliases"].to_string();
        assert!(aliases.contains(&format!("\"{service}\"")), "{name}: {aliases}");
        json!(name)
    });
    let ports = host["PortBindings"].as_object().map(|ports| ports.keys().cloned());
    json!({
        "image": config["Image"],
        "command": config["Cmd"],
        "environment": sorted(&config["Env"], &Value::clone),
        "test": config["Healthcheck"]["Test"],
        "restart": host["RestartPolicy"],
        "networks": named.collect::<Vec<Value>>(),
        "mounts": sorted(&container["Mounts"], &|mount| {
            json!([mount["Type"], mount["Name"], mount["Destination"], mount["RW"]])
        }),
        "ports": ports.map(Iterator::collect::<Vec<String>>),
    })
}

#[test]
fn three_clients_bring_the_same_up() {
    let five = Five::new();
    let mut reports = Vec::new();
    for client in [Client::Second, Client::First, Client::Own] {
        five.ok(client, "up -d");
        reports.push((client, five.report()));
        five.works(client);
        let before = five.ids();
        five.ok(client, "up -d");
        assert_eq!(five.ids(), before, "{client:?}: nothing has changed");
        five.ok(client, "up -d --scale worker=2");
        assert_eq!(five.containers("worker").len(), 2);
        five.ok(client, "stop -t 2");
        five.ok(client, "start");
        five.ok(client, "down -v -t 2");
        five.is_gone();
    }
    let (_, first) = &reports[0];
    for (client, report) in &reports[1..] {
        assert_eq!(report, first, "{client:?}");
    }
}

/// `docker compose` and `teu compose` call things by the same names.
#[test]
fn two_clients_take_turns_on_one_project() {
    let five = Five::new();
    five.ok(Client::Second, "up -d");
    let report = five.report();
    let made = five.ids();
    five.ok(Client::Own, "up -d");
    assert_eq!(five.ids(), made, "what docker compose made is what teu compose wants");
    five.works(Client::Own);
    five.ok(Client::Own, "up -d --scale worker=2");
    assert_eq!(five.ok(Client::Second, "ps -q worker").lines().count(), 2);
    five.ok(Client::Second, "up -d --scale worker=1");
    five.ok(Client::Own, "up -d --force-recreate -t 2");
    assert_eq!(five.report(), report);
    five.ok(Client::Second, "up -d");
    assert_eq!(five.report(), report);
    answers(&five.address(), "/done", "2");
    five.ok(Client::Own, "stop -t 2 queue");
    five.ok(Client::Second, "start queue");
    five.ok(Client::Second, "restart -t 2 worker");
    five.report();
    five.ok(Client::Own, "down -v -t 2");
    five.is_gone();
}

/// Starts `up`, and kills the engine as soon as a line holds these words.
fn killed_at(five: &mut Five, client: Client, words: &str) {
    let mut up = five.command(client, "up -d");
    let mut up = up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = BufReader::new(up.stderr.take().expect("piped")).lines();
    let mut seen = Vec::new();
    for line in lines.map_while(Result::ok) {
        let here = line.contains(words);
        seen.push(line);
        if here && let Some(engine) = five.engine.take() {
            engine.kill();
        }
    }
    let _ = up.wait();
    assert!(five.engine.is_none(), "{client:?} never said {words:?}: {seen:#?}");
    five.restart_engine();
}

#[test]
fn an_engine_killed_in_the_middle_of_up() {
    let mut five = Five::new();
    let places: [(Client, &[&str]); 2] = [
        (
            Client::Second,
            &[
                "Network five_inside",
                "Container five-db-1  Created",
                "db-1  Started",
                "app-1  Star",
            ],
        ),
        (Client::First, &["Creating network", "Creating five_db_1", "Creating five_app_1"]),
    ];
    let mut expected = None;
    for (client, places) in places {
        for words in places {
            killed_at(&mut five, client, words);
            five.ok(client, "up -d");
            let report = five.report();
            assert_eq!(&report, expected.get_or_insert_with(|| report.clone()), "{words}");
            answers(&five.address(), "/", "version 1, token of 3 letters");
            five.ok(client, "down -v -t 2");
            five.is_gone();
        }
    }
}
