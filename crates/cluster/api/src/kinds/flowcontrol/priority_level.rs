//! `PriorityLevelConfiguration`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, meta, print};
use super::check_conditions;
use serde_json::Value;

const MOST_QUEUES: i64 = 10_000_000;
const HASH_BITS: f64 = 60.0;

pub const RULES: Kind = Kind {
    default,
    status: Some(empty_status),
    prepare: meta::status_alone,
    check: |level, report| {
        check_spec(level, report);
        check_conditions(level, report);
    },
    change_part: |_, level, _, report| check_conditions(level, report),
    generation: true,
    unconditional_update: false,
    columns: "Name,Type,NominalConcurrencyShares,Queues,HandSize,QueueLengthLimit,Age",
    cells,
    ..Kind::cluster()
};

fn default(level: &mut Value) {
    let spec = fill::child(level, "spec");
    if fill::text(spec, "type") == "Exempt" {
        let exempt = fill::child(spec, "exempt");
        fill::missing(exempt, "nominalConcurrencyShares", 0);
        fill::missing(exempt, "lendablePercent", 0);
    }
    if let Some(limited) = fill::field(spec, "limited") {
        fill::missing(limited, "nominalConcurrencyShares", 30);
        fill::missing(limited, "lendablePercent", 0);
        if let Some(queuing) = fill::at(limited, "limitResponse.queuing") {
            fill::zero(queuing, "handSize", 8);
            fill::zero(queuing, "queues", 64);
            fill::zero(queuing, "queueLengthLimit", 50);
        }
    }
}

fn check_spec(level: &At, report: &mut Report) {
    let spec = level.get("spec");
    let (kind, limited, exempt) = (spec.get("type"), spec.get("limited"), spec.get("exempt"));
    if (level.text("metadata.name") == "exempt") != (kind.str() == "Exempt") {
        report.invalid(&kind, "type must be 'Exempt' if and only if name is 'exempt'");
    }
    match kind.str() {
        "Exempt" => {
            if limited.is_set() {
                report.forbidden(&limited, "must be nil if the type is not Limited");
            }
            if exempt.is_set() {
                check_shares(&exempt, report);
            }
        }
        "Limited" => {
            if exempt.is_set() {
                report.forbidden(&exempt, "must be nil if the type is Limited");
            }
            if limited.is_set() {
                check_shares(&limited, report);
                check_borrowing(&limited, report);
                check_response(&limited.get("limitResponse"), report);
            } else {
                report.required(&limited, "must not be empty when type is Limited");
            }
        }
        _ => report.unsupported(&kind, &["Exempt", "Limited"]),
    }
}

fn check_shares(at: &At, report: &mut Report) {
    let (shares, percent) = (at.get("nominalConcurrencyShares"), at.get("lendablePercent"));
    if shares.int() < 0 {
        report.invalid(&shares, "must be a non-negative integer");
    }
    if !(0..=100).contains(&percent.int()) {
        report.invalid(&percent, "must be between 0 and 100, inclusive");
    }
}

fn check_borrowing(limited: &At, report: &mut Report) {
    let borrowing = limited.get("borrowingLimitPercent");
    if borrowing.int() < 0 {
        report.invalid(&borrowing, "if specified, must be a non-negative integer");
    }
}

fn check_response(response: &At, report: &mut Report) {
    let (kind, queuing) = (response.get("type"), response.get("queuing"));
    match kind.str() {
        "Reject" => {
            if queuing.is_set() {
                let why = "must be nil if limited.limitResponse.type is not Limited";
                report.forbidden(&queuing, why);
            }
        }
        "Queue" if queuing.is_set() => check_queuing(&queuing, report),
        "Queue" => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            report.required(&queuing, why);
        }
        _ => report.unsupported(&kind, &["Queue", "Reject"]),
    }
}

fn check_queuing(queuing: &At, report: &mut Report) {
    let [length, queues, hand] =
        ["queueLengthLimit", "queues", "handSize"].map(|field| queuing.get(field));
    for at in [&length, &queues] {
        if at.int() <= 0 {
            report.invalid_as(at, at.int(), "must be positive");
        }
    }
    if queues.int() > MOST_QUEUES {
        report.invalid(&queues, format!("must not be greater than {MOST_QUEUES}"));
    }
    if hand.int() <= 0 {
        report.invalid_as(&hand, hand.int(), "must be positive");
    } else if hand.int() > queues.int() {
        report.invalid(&hand, format!("should not be greater than queues ({})", queues.int()));
    } else if entropy(queues.int(), hand.int()) > HASH_BITS {
        let why = format!(
            "required entropy bits of deckSize {} and handSize {} should not be greater than {HASH_BITS}",
            queues.int(),
            hand.int()
        );
        report.invalid(&hand, why);
    }
}

/// Bits that it takes to deal a hand.
fn entropy(queues: i64, hand: i64) -> f64 {
    let left = |dealt: i64| u32::try_from(queues - dealt).map_or(1.0, f64::from);
    // more than the limit is as wrong as much more
    (0..hand.min(64)).map(|dealt| left(dealt).log2()).sum::<f64>().ceil()
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let level = At::root(object);
    let spec = level.get("spec");
    let number = |field: &str| match spec.get(field).opt_int() {
        Some(number) => Value::from(number),
        None => Value::from("<none>"),
    };
    let kind = spec.text("type");
    let shares = if kind == "Exempt" { "exempt" } else { "limited" };
    vec![
        print::name(object),
        kind.into(),
        number(&format!("{shares}.nominalConcurrencyShares")),
        number("limited.limitResponse.queuing.queues"),
        number("limited.limitResponse.queuing.handSize"),
        number("limited.limitResponse.queuing.queueLengthLimit"),
        print::age(object, now),
    ]
}
