//! `ComponentStatus`.

use super::super::field::At;
use super::super::kind::Kind;
use super::super::print;
use serde_json::Value;

pub const RULES: Kind = Kind {
    deprecated: "v1 ComponentStatus is deprecated in v1.19+",
    columns: "Name,Status,Message,Error",
    cells,
    ..Kind::cluster()
};

fn cells(object: &Value, _now: i64) -> Vec<Value> {
    let status = At::root(object);
    let (mut state, mut message, mut error) = ("Unknown", "", "");
    for condition in status.get("conditions").items() {
        if condition.text("type") == "Healthy" {
            state = if condition.text("status") == "True" { "Healthy" } else { "Unhealthy" };
            (message, error) = (condition.text("message"), condition.text("error"));
            break;
        }
    }
    vec![print::name(object), state.into(), message.into(), error.into()]
}
