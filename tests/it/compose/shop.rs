//! The example of five services: proxy, app from a Dockerfile, database, queue and worker with
//! probes and secrets.

use super::{Compose, until};
use crate::world::World;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

fn copied(world: &World) -> Compose<'_> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/compose-shop");
    let text = |path: &str| std::fs::read_to_string(example.join(path)).expect("the example");
    let mut compose = Compose::of(world, &text("compose.yaml"));
    for name in ["Dockerfile", "app.py", "check.py", "redis.py", "worker.py"] {
        world.file(&format!("p/app/{name}"), &text(&format!("app/{name}")));
    }
    compose.set("SHOP_PORT", "0");
    compose.set("SHOP_TOKEN", "abc");
    compose
}

/// The body of a page, whatever its status.
pub fn get(address: &str, path: &str) -> Result<String, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: shop\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    };
    ask().map_err(|error| error.to_string())
}

#[track_caller]
pub fn answers(address: &str, path: &str, expected: &str) {
    until(|| match get(address, path)? {
        text if text == expected => Ok(()),
        text => Err(format!("{path}: {text:?}, not {expected:?}")),
    });
}

#[test]
fn five_services_live_change_and_go() {
    let world = World::empty();
    for image in ["nginx", "python", "redis"] {
        world.load(image);
    }
    let mut shop = copied(&world);
    shop.line("up -d --wait --quiet-build").ok();
    assert_eq!(
        shop.states(),
        ["app", "db", "proxy", "queue", "worker"].map(|name| format!("shop-{name}-1=running"))
    );
    let healthy = shop.teu_ok("ps --format {{.Service}}={{.Health}}");
    assert_eq!(healthy, "app=healthy\ndb=healthy\nproxy=\nqueue=healthy\nworker=healthy");
    let address = shop.teu_ok("port proxy 80");
    answers(&address, "/", "version 1, token of 3 letters");
    for name in ["one", "two"] {
        get(&address, &format!("/order/{name}")).expect("ordered");
    }
    answers(&address, "/done", "2");
    assert_eq!(shop.teu_ok("exec -T db redis-cli SCARD done"), "2");
    until(|| {
        let logs = shop.teu_ok("logs worker --no-color");
        let both = logs.contains("worker-1  | done: one") && logs.contains("done: two");
        both.then_some(()).ok_or(logs)
    });
    let inside = world.teu(["exec", "shop-db-1", "redis-cli", "-h", "queue", "ping"]);
    assert_eq!(inside.ok(), "PONG");

    // A change replaces what it changes, and nothing else.
    let before = shop.teu_ok("ps -q db queue proxy");
    shop.set("SHOP_VERSION", "2");
    let plan = shop.teu_ok("--dry-run up -d");
    let at = |text: &str| plan.find(text).unwrap_or_else(|| panic!("{text}: {plan}"));
    assert!(at("_shop-app-1  Starting") < at("Container shop-app-1  Stopping"), "{plan}");
    assert!(!plan.contains("shop-db-1  Recreate"), "{plan}");
    shop.line("up -d --wait").ok();
    answers(&address, "/", "version 2, token of 3 letters");
    assert_eq!(shop.teu_ok("ps -q db queue proxy"), before);
    answers(&address, "/done", "2");

    shop.line("up -d --scale worker=3 --wait").ok();
    assert_eq!(shop.teu_ok("ps -q worker").lines().count(), 3);
    shop.line("scale worker=1").ok();
    assert_eq!(shop.teu_ok("ps --format {{.Name}} worker"), "shop-worker-1");

    assert!(shop.teu_ok("ls").contains("shop"));
    let summary = shop.teu_ok("images --format {{.ContainerName}}:{{.Repository}}");
    assert!(summary.contains("shop-app-1:shop-app"), "{summary}");
    shop.line("down -v -t 2").ok();
    shop.is_gone();
}
