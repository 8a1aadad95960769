//! Leaving in two steps, and networks that are kept for a moment.

use crate::support::{Host, PATIENCE, cannot_reach, fetch, ip, run, tcp};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use teu_network::{Keeper, NetworkSpec, Networks};

const SHORT: Duration = Duration::from_millis(200);

fn links() -> String {
    run("ip -o link show | grep -c ': teuv' || true").trim().to_owned()
}

/// Leaves and clears; the keeper, if this made one.
fn leave(networks: &Networks, pod: &str) -> Option<Keeper> {
    let departure = networks.leave(pod).unwrap().expect("it holds something");
    departure.clear().unwrap()
}

/// Tends until nothing is kept; how long that took.
fn wait(mut keeper: Keeper) -> Duration {
    let begun = Instant::now();
    while let Some(pause) = keeper.tend().unwrap() {
        assert!(begun.elapsed() < PATIENCE, "it keeps for ever");
        std::thread::sleep(pause);
    }
    begun.elapsed()
}

#[test]
fn who_leaves_gives_back_at_once_what_others_want() {
    let host = Host::new();
    let stays = host.pod("stays", |_| {});
    let web = host.pod("web", |request| request.ports = vec![tcp(8080, 80)]);
    web.serve(80);
    assert!(fetch(ip("127.0.0.1"), 8080).is_ok());
    assert!(stays.fetch(web.ipv4(), 80).is_ok());
    let departure = host.networks.leave("web-id").unwrap().unwrap();
    // Its namespace lives, its server answers, and nobody reaches it.
    assert_eq!(links(), "2");
    assert!(cannot_reach(ip("127.0.0.1"), 8080));
    assert!(stays.cannot_reach(web.ipv4(), 80));
    assert!(host.networks.leave("web-id").unwrap().is_none());
    let bridge = host.networks.inspect("bridge").unwrap();
    assert_eq!(host.networks.endpoints(&bridge).unwrap().len(), 1);
    let (ipv4, ipv6) = (web.ipv4(), web.ipv6());
    let holds = web.connected.holds;
    drop(holds);
    // The next one has its address, its hardware address and its port before its link is gone.
    let next = host.pod("next", |request| {
        request.ports = vec![tcp(8080, 80)];
        request.ipv4 = ipv4.to_string().parse().ok();
        request.ipv6 = ipv6.to_string().parse().ok();
    });
    next.serve(80);
    assert_eq!(links(), "3");
    assert!(fetch(ip("127.0.0.1"), 8080).unwrap().starts_with("next"));
    assert!(stays.fetch(ipv4, 80).unwrap().starts_with("next"));
    assert!(departure.clear().unwrap().is_none(), "others are on the network");
    assert_eq!(links(), "2");
    assert!(stays.fetch(ipv6, 80).unwrap().starts_with("next"));
    host.networks.disconnect_pod("next-id").unwrap();
    host.networks.disconnect_pod("stays-id").unwrap();
    host.assert_clean();
}

#[test]
fn an_idle_network_stands_for_a_moment_and_goes_with_all_it_had() {
    let host = Host::with(|config| config.linger = SHORT);
    let one = host.pod("one", |_| {});
    let keeper = leave(&host.networks, "one-id").expect("nobody is on the network");
    assert_eq!(links(), "0");
    let bridge = run("ip -o link show teu0 | cut -d: -f1");
    assert!(run("nft list tables").contains("teu"));
    // Somebody comes in time, and finds the same bridge.
    let two = host.pod("two", |_| {});
    assert_ne!(one.ipv4(), two.ipv4());
    assert_eq!(run("ip -o link show teu0 | cut -d: -f1"), bridge);
    wait(keeper);
    assert!(run("nft list tables").contains("teu"), "a network that is in use is not taken down");
    let keeper = leave(&host.networks, "two-id").unwrap();
    let kept = wait(keeper);
    assert!(kept < PATIENCE, "{kept:?}");
    host.assert_clean();
}

#[test]
fn one_keeper_keeps_all() {
    let host = Host::with(|config| config.linger = SHORT);
    let spec = NetworkSpec { name: "web".to_owned(), ..NetworkSpec::default() };
    host.networks.create(spec).unwrap();
    let _one = host.pod("one", |_| {});
    let _two = host.pod("two", |request| request.network = "web".to_owned());
    let keeper = leave(&host.networks, "one-id").unwrap();
    assert!(leave(&host.networks, "two-id").is_none(), "there is one already");
    wait(keeper);
    host.assert_clean();
    // Whoever wants it gone at once has it so.
    let _two = host.pod("two", |request| request.network = "web".to_owned());
    let mut keeper = leave(&host.networks, "two-id").unwrap();
    keeper.end().unwrap();
    drop(keeper);
    host.assert_clean();
    let _two = host.pod("two", |request| request.network = "web".to_owned());
    let keeper = leave(&host.networks, "two-id").unwrap();
    host.networks.remove("web").unwrap();
    host.assert_clean();
    wait(keeper);
}

#[test]
fn what_nobody_minds_any_more_is_mended() {
    let host = Host::new();
    let mut left: Vec<Box<dyn FnOnce()>> = Vec::new();
    let networks = host.networks.clone();
    // Killed before links were removed; killed while a network was kept.
    left.push(Box::new(move || drop(networks.leave("one-id").unwrap())));
    let networks = host.networks.clone();
    left.push(Box::new(move || drop(leave(&networks, "one-id"))));
    for kill in left {
        let _one = host.pod("one", |request| request.ports = vec![tcp(8080, 80)]);
        kill();
        assert!(run("nft list tables").contains("teu"));
        host.networks.mend().unwrap();
        host.assert_clean();
    }
    // While somebody minds it, it is not touched.
    let _one = host.pod("one", |_| {});
    let keeper = leave(&host.networks, "one-id");
    host.networks.mend().unwrap();
    assert!(run("nft list tables").contains("teu"));
    drop(keeper);
    host.networks.repair(&|_| true).unwrap();
    host.assert_clean();
}

#[test]
fn what_a_process_that_lives_has_claimed_is_not_given_up() {
    let host = Host::new();
    let claim = host.networks.claim("step-id").unwrap();
    let _step = host.pod("step", |_| {});
    assert!(host.networks.repair(&|_| false).unwrap().is_empty());
    assert_eq!(links(), "1");
    drop(claim);
    assert_eq!(host.networks.repair(&|_| false).unwrap(), ["step-id"]);
    host.assert_clean();
    let claims = host.dir.path().join("run/networks/.claims");
    assert_eq!(std::fs::read_dir(&claims).unwrap().count(), 0);
    // What a dead one claimed is given up, and can be claimed anew.
    std::fs::write(claims.join("step-id"), "").unwrap();
    let _step = host.pod("step", |_| {});
    assert_eq!(host.networks.repair(&|_| false).unwrap(), ["step-id"]);
    let _claim = host.networks.claim("step-id").unwrap();
}

#[test]
fn a_pod_may_come_back_before_its_link_is_gone() {
    let host = Host::new();
    let stays = host.pod("stays", |_| {});
    let _web = host.pod("web", |_| {});
    let departure = host.networks.leave("web-id").unwrap().unwrap();
    let again = host.pod("web", |_| {});
    again.serve(80);
    assert!(departure.clear().unwrap().is_none());
    assert_eq!(links(), "2");
    assert!(stays.fetch(again.ipv4(), 80).is_ok());
    host.networks.repair(&|_| false).unwrap();
    host.assert_clean();
}

#[test]
fn an_instance_that_is_deleted_takes_its_idle_networks_along() {
    let host = Host::new();
    let _one = host.pod("one", |_| {});
    let mut keeper = leave(&host.networks, "one-id").unwrap();
    assert!(keeper.tend().unwrap().is_some());
    let run: PathBuf = host.dir.path().join("run");
    std::fs::remove_dir_all(&run).unwrap();
    let mut watched = [rustix::event::PollFd::new(&keeper, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(rustix::event::poll(&mut watched, Some(&limit)).unwrap(), 1);
    assert!(keeper.tend().unwrap().is_none());
    host.assert_clean();
}

#[test]
fn an_instance_may_be_deleted_before_the_links_are_gone() {
    let host = Host::new();
    let _one = host.pod("one", |_| {});
    let departure = host.networks.leave("one-id").unwrap().unwrap();
    std::fs::remove_dir_all(host.dir.path().join("run")).unwrap();
    assert!(departure.clear().unwrap().is_none());
    drop(_one);
    assert!(!run("ip -o link").contains("teu0"));
    assert_eq!(run("nft list ruleset"), "");
}

/// The files of an instance go one by one, in any order; whoever minds a network may look in between.
#[test]
fn a_deletion_that_has_only_begun_is_seen() {
    for first in ["run/networks/.marks", "run/networks/NETWORK"] {
        for keeps in [false, true] {
            let host = Host::new();
            let _one = host.pod("one", |_| {});
            let departure = host.networks.leave("one-id").unwrap().unwrap();
            let mut keeper = None;
            let mut departure = Some(departure);
            if keeps {
                keeper = departure.take().unwrap().clear().unwrap();
                keeper.as_mut().unwrap().tend().unwrap();
            }
            let root = host.dir.path().to_path_buf();
            let id = host.networks.inspect("bridge").unwrap().id;
            std::fs::remove_dir_all(root.join(first.replace("NETWORK", &id))).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(5));
                    // Somebody may have made a file meanwhile.
                    while root.join("run").exists() {
                        let _ = std::fs::remove_dir_all(root.join("run"));
                    }
                });
                match departure {
                    Some(departure) => drop(departure.clear().unwrap()),
                    None => drop(wait(keeper.unwrap())),
                }
            });
            assert!(!run("nft list tables").contains("teu"), "{first} {keeps}");
            assert!(!run("ip -o link").contains("teu0"), "{first} {keeps}");
        }
    }
}
