//! Flows and seats.

use super::defaults::{self, Kind};
use super::{Level, Limit, Queuing, Request, Schema, Seats, Ticket, Turn};
use crate::kinds;
use serde_json::{Value, json};

fn request<'a>(user: &'a str, groups: &'a [String], verb: &'a str, path: &'a str) -> Request<'a> {
    Request { user, groups, verb, group: "", resource: "", subresource: "", namespace: "", path }
}

/// The schemas of every cluster, in order.
fn schemas() -> Vec<Schema> {
    let all = defaults::all().into_iter().filter(|(kind, _)| *kind == Kind::Schema);
    let mut all: Vec<Schema> = all.map(|(_, schema)| Schema::of(&schema)).collect();
    all.sort_by(|one, other| one.rank().cmp(&other.rank()));
    all
}

#[test]
fn what_every_cluster_has_is_valid_and_needs_no_mending() {
    for (kind, mut object) in defaults::all() {
        let name = match kind {
            Kind::Level => "PriorityLevelConfiguration",
            Kind::Schema => "FlowSchema",
        };
        object["apiVersion"] = format!("{}/v1", super::GROUP).into();
        object["kind"] = name.into();
        let wanted = object.clone();
        let rules = kinds::rules(super::GROUP, "v1", name);
        let made = kinds::testing::accepted(&*rules, &object);
        assert_eq!(defaults::mended(&made, &wanted), None, "{made}");
        let mut spoilt = made.clone();
        spoilt["spec"]["matchingPrecedence"] = 77.into();
        spoilt["spec"]["type"] = "Other".into();
        assert!(defaults::mended(&spoilt, &wanted).is_some());
        // Whoever says so keeps what is his, but for what cannot be otherwise.
        spoilt["metadata"]["annotations"]["apf.kubernetes.io/autoupdate-spec"] = "false".into();
        let name = made["metadata"]["name"].as_str().unwrap_or_default();
        let is_mandatory = ["exempt", "catch-all"].contains(&name);
        assert_eq!(defaults::mended(&spoilt, &wanted).is_some(), is_mandatory, "{name}");
    }
}

#[test]
fn requests_are_sorted_by_the_first_schema_that_is_about_them() {
    let schemas = schemas();
    let check = |request: Request<'_>, wanted: (&str, &str, &str)| {
        let found = schemas.iter().find(|schema| schema.covers(&request)).expect("a schema");
        assert_eq!((&*found.name, &*found.level, found.flow(&request)), wanted, "{request:?}");
    };
    let groups = |names: &[&str]| -> Vec<String> {
        names.iter().chain(&["system:authenticated"]).map(|name| (*name).to_owned()).collect()
    };
    let masters = groups(&["system:masters"]);
    check(request("admin", &masters, "get", "/metrics"), ("exempt", "exempt", ""));
    let nobody = ["system:unauthenticated".to_owned()];
    check(request("system:anonymous", &nobody, "get", "/readyz"), ("probes", "exempt", ""));
    let anonymous = ("global-default", "global-default", "system:anonymous");
    check(request("system:anonymous", &nobody, "get", "/readyz/etcd"), anonymous);
    let user = groups(&[]);
    let pods = Request { resource: "pods", namespace: "a", ..request("eve", &user, "list", "") };
    check(pods, ("global-default", "global-default", "eve"));
    let account = groups(&["system:serviceaccounts", "system:serviceaccounts:a"]);
    let name = "system:serviceaccount:a:builder";
    check(
        Request { user: name, groups: &account, ..pods },
        ("service-accounts", "workload-low", name),
    );
    let name = "system:serviceaccount:kube-system:x";
    let own = ("kube-system-service-accounts", "workload-high", "a");
    check(Request { user: name, groups: &account, ..pods }, own);
    let node = groups(&["system:nodes"]);
    let status = Request {
        user: "system:node:n",
        groups: &node,
        verb: "patch",
        resource: "nodes",
        subresource: "status",
        namespace: "",
        ..pods
    };
    check(status, ("system-node-high", "node-high", "system:node:n"));
    check(Request { subresource: "proxy", ..status }, ("system-nodes", "system", "system:node:n"));
    let lease = Request {
        user: "system:kube-scheduler",
        verb: "update",
        group: "coordination.k8s.io",
        resource: "leases",
        namespace: "kube-system",
        ..pods
    };
    check(lease, ("system-leader-election", "leader-election", "system:kube-scheduler"));
    check(Request { verb: "delete", ..lease }, ("kube-scheduler", "workload-high", "kube-system"));
}

fn level(name: &str, shares: u32, lendable_percent: u32, waiting: usize) -> Level {
    let queuing = (waiting > 0).then_some(Queuing { all: waiting, each: waiting });
    let limit = Limit { shares, lendable_percent, borrowing_percent: None, queuing };
    Level { name: name.into(), uid: name.into(), limit: Some(limit) }
}

/// Seats for levels, and what they are called.
fn seats(all: u32, levels: &[Level]) -> (Seats<u32>, Vec<u64>) {
    let mut seats = Seats::new(all);
    let (ids, _) = seats.configure(levels);
    (seats, ids.into_iter().map(|id| id.expect("a limit")).collect())
}

fn now(turn: Turn) -> Ticket {
    match turn {
        Turn::Now(ticket) => ticket,
        other => panic!("not at once: {other:?}"),
    }
}

fn later(turn: &Turn) {
    assert!(matches!(turn, Turn::Later(_)), "{turn:?}");
}

#[test]
fn what_a_level_does_not_use_is_lent_and_comes_back_first() {
    // Six seats of its own for `a`, of which it lends three; four for `b`, of which it lends none.
    let (mut seats, ids) = seats(10, &[level("a", 6, 50, 10), level("b", 4, 0, 10)]);
    let mut taken: Vec<Ticket> =
        (0..7).map(|number| now(seats.arrive(ids[1], 1, 1, || number))).collect();
    later(&seats.arrive(ids[1], 1, 1, || 100));
    // Three are its own at any time; the fourth was lent and has to be waited for.
    for _ in 0..3 {
        let _ = now(seats.arrive(ids[0], 2, 1, || 0));
    }
    later(&seats.arrive(ids[0], 2, 1, || 200));
    let called = seats.give_back(taken.remove(0), 0.1);
    assert_eq!(called.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [200]);
    let called = seats.give_back(taken.remove(0), 0.1);
    assert_eq!(called.len(), 1, "a seat that is free is taken");
}

#[test]
fn who_had_less_is_served_before_who_had_more() {
    let (mut seats, ids) = seats(2, &[level("a", 1, 0, 100)]);
    let (greedy, modest) = (1, 2);
    let mut taken: Vec<Ticket> =
        (0..2).map(|number| now(seats.arrive(ids[0], greedy, 1, || number))).collect();
    for number in 10..60 {
        later(&seats.arrive(ids[0], greedy, 1, || number));
    }
    // Whoever comes last, but seldom, does not wait behind the fifty.
    for round in 0..5 {
        later(&seats.arrive(ids[0], modest, 1, || 1000 + round));
        let called = seats.give_back(taken.remove(0), 1.0);
        let who: Vec<u32> = called.iter().map(|(who, _)| *who).collect();
        assert_eq!(who, [1000 + round]);
        taken.extend(called.into_iter().map(|(_, ticket)| ticket));
        // He is done at once, and the seat goes to the crowd.
        let ticket = taken.pop().expect("a ticket");
        let called = seats.give_back(ticket, 0.001);
        assert!(called.iter().all(|(who, _)| (10..60).contains(who)));
        taken.extend(called.into_iter().map(|(_, ticket)| ticket));
    }
}

#[test]
fn queues_end_and_can_be_left() {
    let (mut seats, ids) = seats(1, &[level("a", 1, 0, 1), level("b", 0, 0, 0)]);
    let ticket = now(seats.arrive(ids[0], 1, 5, || 0));
    let Turn::Later(place) = seats.arrive(ids[0], 2, 1, || 1) else { panic!("it has to wait") };
    assert!(matches!(seats.arrive(ids[0], 3, 1, || 2), Turn::Never));
    assert!(seats.leave(place));
    assert!(!seats.leave(place));
    later(&seats.arrive(ids[0], 3, 1, || 3));
    assert_eq!(seats.give_back(ticket, 0.1).len(), 1);
    // A level without a share has a seat at a time, and nobody waits where nobody may.
    let alone = now(seats.arrive(ids[1], 1, 1, || 4));
    assert!(matches!(seats.arrive(ids[1], 1, 1, || 5), Turn::Never));
    assert!(seats.give_back(alone, 0.1).is_empty());
    // Nobody stays behind in a level that is gone.
    later(&seats.arrive(ids[0], 3, 1, || 6));
    let (_, freed) = seats.configure(&[level("b", 1, 0, 0)]);
    assert_eq!(freed, [6]);
    let counts: Vec<(Box<str>, u32)> =
        seats.counts().map(|counts| (counts.level, counts.nominal)).collect();
    assert_eq!(counts, [("b".into(), 1)]);
}

#[test]
fn levels_are_read() {
    let found = Level::of(&json!({
        "metadata": { "name": "a", "uid": "u" },
        "spec": { "type": "Limited", "limited": {
            "nominalConcurrencyShares": 7, "lendablePercent": 20, "borrowingLimitPercent": 30,
            "limitResponse": { "type": "Queue", "queuing":
                { "queues": 4, "handSize": 2, "queueLengthLimit": 5 } },
        } },
    }));
    let limit = Limit {
        shares: 7,
        lendable_percent: 20,
        borrowing_percent: Some(30),
        queuing: Some(Queuing { all: 20, each: 10 }),
    };
    assert_eq!(found, Level { name: "a".into(), uid: "u".into(), limit: Some(limit) });
    let exempt: Value = json!({ "metadata": { "name": "e" }, "spec": { "type": "Exempt" } });
    assert_eq!(Level::of(&exempt).limit, None);
}
