//! Networks as a person meets them: what is taken, and when it is free again.

use crate::pods::eventually;
use crate::world::World;
use std::net::TcpListener;
use std::process::Command;

/// Lines of the kernel's links, addresses and tables in which one of the needles stands.
fn kernel_has(needles: &[&str]) -> Vec<String> {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all = [
        run("ip", &["-o", "link"]),
        run("ip", &["-o", "addr"]),
        run("ip", &["route"]),
        run("nft", &["list", "tables"]),
    ];
    let lines = all.iter().flat_map(|text| text.lines());
    let found = lines.filter(|line| needles.iter().any(|needle| line.contains(needle)));
    found.map(str::to_owned).collect()
}

#[test]
fn the_last_container_takes_the_network_along_and_nobody_waits_for_it() {
    let world = World::busybox();
    let run = "run -d --name first -p 127.0.0.1:0:80 busybox sleep 1000";
    world.line(run).ok();
    let network = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = format!(" {}/", world.teu(["inspect", "--format", network, "first"]).ok());
    let bridge = kernel_has(&[&gateway]).first().expect("a bridge has the gateway").clone();
    let bridge = bridge.split_whitespace().nth(1).expect("its name").to_owned();
    let instance = bridge.strip_prefix("teu0-").expect("an instance's bridge").to_owned();
    let port = world.line("port first 80").ok();
    let port = port.rsplit(':').next().expect("a port").to_owned();
    world.line("rm -f first").ok();
    // At once: the name and the port are free.
    let again = format!("run -d --name first -p 127.0.0.1:{port}:80 busybox sleep 1000");
    let again = world.line(&again);
    assert!(again.err.is_empty(), "{}", again.err);
    again.ok();
    world.line("kill first").ok();
    world.line("rm -f first").ok();
    world.line("run --rm --name first busybox true").ok();
    let needles = [bridge.as_str(), instance.as_str(), gateway.as_str()];
    eventually("bridge, table and routes are gone", || kernel_has(&needles).is_empty());
    // One who keeps a network idle and is killed leaves that to the next command.
    eventually("a network that is idle is kept for a moment", || {
        world.line("run --rm busybox true").ok();
        !kernel_has(&needles).is_empty()
    });
    let root = world.root().display().to_string();
    eventually("the keeper is found and killed", || {
        let found = Command::new("pgrep").args(["-f", &root]).output().expect("pgrep runs");
        let pids = String::from_utf8_lossy(&found.stdout).into_owned();
        for pid in pids.split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).output();
        }
        let found = Command::new("pgrep").args(["-f", &root]).output().expect("pgrep runs");
        found.stdout.is_empty()
    });
    // One that is killed may hold its locks a little longer than it can be seen.
    eventually("the next command takes the network away", || {
        world.line("ps").ok();
        kernel_has(&needles).is_empty()
    });
}

#[test]
fn the_first_free_port_of_a_range_is_published() {
    let world = World::busybox();
    // Twenty ports, of which the first is somebody's.
    let (taken, first) = (0..)
        .find_map(|_| {
            let taken = TcpListener::bind("127.0.0.1:0").ok()?;
            let first = taken.local_addr().ok()?.port();
            (first < u16::MAX - 20).then_some((taken, first))
        })
        .expect("a free port");
    let range = format!("127.0.0.1:{first}-{}:80", first + 20);
    let mut ports = vec![first];
    for name in ["one", "two"] {
        world.teu(["run", "-d", "--name", name, "-p", &range, "busybox", "sleep", "1000"]).ok();
        let said = world.teu(["port", name, "80"]).ok();
        let port: u16 = said.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        assert!((first..=first + 20).contains(&port) && !ports.contains(&port), "{port} {ports:?}");
        ports.push(port);
    }
    drop(taken);
    world.line("rm -f one two").ok();
}
