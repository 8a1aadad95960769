//! `PriorityLevelConfiguration`, read: how much of the server it has.

use crate::object;
use serde_json::Value;

/// A level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Box<str>,
    /// Its limit; none for what is never held up.
    pub limit: Option<Limit>,
}

/// How much a level may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its part of all seats, in relation to the other levels' parts.
    pub shares: u32,
    /// Percent of its seats that others may use when it does not.
    pub lendable_percent: u32,
    /// Percent of its seats that it may use beside them; none for as many as there are.
    pub borrowing_percent: Option<u32>,
    /// How many may wait; none where whoever finds no seat is refused.
    pub queuing: Option<Queuing>,
}

/// How many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queuing {
    /// In all.
    pub all: usize,
    /// Of one flow.
    pub each: usize,
}

impl Level {
    /// Reads one.
    pub fn of(level: &Value) -> Self {
        let spec = level.get("spec").unwrap_or(&Value::Null);
        let is_exempt = object::text(spec, &["type"]) == Some("Exempt");
        let limited = spec.get("limited").unwrap_or(&Value::Null);
        Self {
            name: object::name(level).into(),
            uid: object::uid(level).into(),
            limit: (!is_exempt).then(|| Limit::of(limited)),
        }
    }
}

impl Limit {
    fn of(limited: &Value) -> Self {
        let number = |field: &str| {
            let number = limited.get(field).and_then(Value::as_u64);
            number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        };
        let queuing = object::at(limited, &["limitResponse", "queuing"]);
        Self {
            shares: number("nominalConcurrencyShares").unwrap_or(30),
            lendable_percent: number("lendablePercent").unwrap_or(0).min(100),
            borrowing_percent: number("borrowingLimitPercent"),
            queuing: queuing.map(Queuing::of),
        }
    }
}

impl Queuing {
    /// Kubernetes deals each flow a hand of queues; here each flow has one of its own, as long as
    /// its whole hand would be.
    fn of(queuing: &Value) -> Self {
        let number = |field: &str, usual: usize| {
            let number = queuing.get(field).and_then(Value::as_u64);
            number.map_or(usual, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let length = number("queueLengthLimit", 50);
        Self {
            all: number("queues", 64).saturating_mul(length),
            each: number("handSize", 8).saturating_mul(length),
        }
    }
}
