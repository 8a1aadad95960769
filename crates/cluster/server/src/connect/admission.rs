//! Whether a connection may be made. What it is about stands in the query, and is judged as an object
//! of its own (`PodAttachOptions`).

use crate::api::{Api, Call};
use crate::request::Query;
use serde_json::{Map, Value};
use teu_api::Status;

/// Switches of a query that options have.
const SWITCHES: [&str; 4] = ["stdin", "stdout", "stderr", "tty"];

/// Refuses a connection that webhooks or policies are against.
pub async fn admit(api: &Api, call: &Call, query: &Query, rest: &str) -> Result<(), Status> {
    let part = call.entry.row.resource.subresource(&call.subresource);
    let kind = part.map(|part| part.kind.to_string()).unwrap_or_default();
    api.admit_connection(call, options(&kind, query, rest)?).await
}

/// What a query and the rest of a path say, as the options' object.
fn options(kind: &str, query: &Query, rest: &str) -> Result<Value, Status> {
    let mut options = Map::new();
    options.insert("kind".to_owned(), kind.into());
    options.insert("apiVersion".to_owned(), "v1".into());
    for name in SWITCHES {
        if query.switch(name)? {
            options.insert(name.to_owned(), true.into());
        }
    }
    for (name, text) in [("container", query.text("container")), ("path", rest)] {
        if !text.is_empty() {
            options.insert(name.to_owned(), text.into());
        }
    }
    let command: Vec<Value> = query.all("command").map(Value::from).collect();
    if !command.is_empty() {
        options.insert("command".to_owned(), command.into());
    }
    let ports: Vec<Value> =
        query.all("ports").filter_map(|port| port.parse::<i32>().ok()).map(Value::from).collect();
    if !ports.is_empty() {
        options.insert("ports".to_owned(), ports.into());
    }
    Ok(options.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_query_as_an_object() {
        let check = |query: &str, expected: Value| {
            let query = Query::parse(query).expect("a query");
            assert_eq!(options("PodExecOptions", &query, "").expect("options"), expected);
        };
        let none = json!({ "kind": "PodExecOptions", "apiVersion": "v1" });
        check("stdin=false&stdout=0", none);
        check(
            "container=a&stdin=true&tty=1&command=ls&command=-l",
            json!({
                "kind": "PodExecOptions", "apiVersion": "v1", "stdin": true, "tty": true,
                "container": "a", "command": ["ls", "-l"],
            }),
        );
        assert!(options("", &Query::parse("tty=x").expect("a query"), "").is_err());
    }
}
