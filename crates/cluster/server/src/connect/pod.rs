//! A pod: where it is itself, and what its node does for it.

use super::socket::Wish;
use super::{Named, anybody, callable, node, object, port};
use crate::api::{Api, Call};
use crate::outgoing::Target;
use crate::proxy::{Manner, forward};
use crate::request::Query;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use teu_api::{Cause, Status, object};
use teu_web::{Body, Request, Response};

/// Bytes of a node's refusal that are passed on.
const MAX_REFUSAL_BYTES: usize = 50_000;

/// Who is asked for a pod's proxy: itself, at the port that is said, or the first of its containers'.
pub async fn target(api: &Api, call: &Call, named: &Named<'_>) -> Result<Target, Status> {
    let pod = object(api, call, "pods", named.name).await?;
    let pod = pod.ok_or_else(|| Status::not_found("", "pods", named.name))?;
    let said = match named.port {
        "" => first_port(&pod).map_or_else(String::new, |port| port.to_string()),
        said => said.to_owned(),
    };
    let address = pod.pointer("/status/podIPs/0/ip").and_then(Value::as_str).unwrap_or_default();
    let ip = callable(api, address)?;
    Ok(anybody(named.scheme, ip, port(&said, named.scheme)?))
}

fn containers<'a>(pod: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let all = object::at(pod, &["spec", field]).and_then(Value::as_array);
    all.into_iter().flatten()
}

fn first_port(pod: &Value) -> Option<u64> {
    containers(pod, "containers").find_map(|it| it.pointer("/ports/0/containerPort")?.as_u64())
}

/// Has a pod's node do what a subresource means.
pub async fn handle(
    api: &Api,
    mut request: Request,
    call: &Call,
    query: &Query,
    pod: &Value,
) -> Result<Response, Status> {
    let what = &*call.subresource;
    let wish = match what {
        "log" => Wish::of(&mut request)?,
        _ => None,
    };
    let container = match what {
        "portforward" => "",
        _ => container(call, query.text("container"), pod)?,
    };
    let asked = match what {
        "log" => log_query(call, query)?,
        "portforward" => ports(query)?,
        _ => streams(query, what == "exec")?,
    };
    let node = object::text(pod, &["spec", "nodeName"]).unwrap_or_default();
    if node.is_empty() && what == "log" {
        // It has said nothing yet.
        let answer = Response::new(Body::empty());
        return Ok(match wish {
            Some(wish) => wish.fulfil(answer),
            None => answer,
        });
    }
    if node.is_empty() {
        let text = format!("pod {} does not have a host assigned", call.name);
        return Err(Status::bad_request(text));
    }
    let mut target = node::kubelet(api, call, node).await?;
    target.is_unverified = what == "log" && query.switch("insecureSkipTLSVerifyBackend")?;
    let whose = format!("{}/{}", call.namespace, call.name);
    let path = match what {
        "log" => format!("/containerLogs/{whose}/{container}?{asked}"),
        "portforward" => format!("/portForward/{whose}?{asked}"),
        _ => format!("/{what}/{whose}/{container}?{asked}"),
    };
    let answer = forward(api, request, &target, &path, Manner::Node).await?;
    match wish {
        _ if what == "log" && !answer.status().is_success() => Err(refusal(answer).await),
        Some(wish) => Ok(wish.fulfil(answer)),
        None => Ok(answer),
    }
}

/// The container that is meant: by name, or the only one there is.
fn container<'a>(call: &Call, said: &'a str, pod: &'a Value) -> Result<&'a str, Status> {
    let name = |it: &'a Value| it["name"].as_str().unwrap_or_default();
    let (pod_name, own) = (&call.name, containers(pod, "containers"));
    let others = containers(pod, "initContainers").chain(containers(pod, "ephemeralContainers"));
    let mut all = own.chain(others).map(name);
    if !said.is_empty() {
        return match all.any(|name| name == said) {
            true => Ok(said),
            false => Err(Status::bad_request(format!(
                "container {said} is not valid for pod {pod_name}"
            ))),
        };
    }
    let mut own = containers(pod, "containers").map(name);
    if let (Some(only), None) = (own.next(), own.next()) {
        return Ok(only);
    }
    let names = all.collect::<Vec<_>>().join(" ");
    let text = format!("a container name must be specified for pod {pod_name}");
    Err(Status::bad_request(format!("{text}, choose one of: [{names}]")))
}

/// What a log's reader wants, checked, as a node is asked.
fn log_query(call: &Call, query: &Query) -> Result<String, Status> {
    let mut faults = Vec::new();
    let mut asked = Asked::default();
    for name in ["follow", "previous", "timestamps"] {
        if query.switch(name)? {
            asked.add(name, "true");
        }
    }
    for (name, least, text) in [
        ("sinceSeconds", 1, "must be greater than 0"),
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
    ] {
        let Some(number) = query.number(name)? else { continue };
        if number < least {
            faults.push(Cause::invalid(name, &number.into(), text));
        }
        asked.add(name, &number.to_string());
    }
    let since = query.text("sinceTime");
    if !since.is_empty() {
        if query.find("sinceSeconds").is_some() {
            let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            faults.push(Cause::forbidden("", text));
        }
        asked.add("sinceTime", since);
    }
    match query.text("stream") {
        "" => {}
        stream @ ("All" | "Stdout" | "Stderr") => asked.add("stream", stream),
        other => {
            let known = ["All", "Stderr", "Stdout"];
            faults.push(Cause::unsupported("stream", &other.into(), &known));
        }
    }
    match faults.is_empty() {
        true => Ok(asked.0),
        false => Err(Status::invalid("", "PodLogOptions", &call.name, faults)),
    }
}

/// Which streams, and which command, as a node is asked.
fn streams(query: &Query, is_exec: bool) -> Result<String, Status> {
    let mut asked = Asked::default();
    let (mut any, mut tty) = (false, false);
    for (name, theirs) in
        [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")]
    {
        if query.switch(name)? {
            asked.add(theirs, "1");
            (any, tty) = (any || name != "tty", tty || name == "tty");
        }
    }
    if tty && query.switch("stderr")? {
        return Err(Status::bad_request("tty and stderr cannot both be true"));
    }
    if !any {
        return Err(Status::bad_request("must specify at least one of stdin, stdout, stderr"));
    }
    if is_exec {
        let mut words = query.all("command").peekable();
        if words.peek().is_none() {
            return Err(Status::bad_request("you must specify at least one command"));
        }
        words.for_each(|word| asked.add("command", word));
    }
    Ok(asked.0)
}

fn ports(query: &Query) -> Result<String, Status> {
    let numbers = query.all("ports").flat_map(|text| text.split(','));
    let numbers: Vec<&str> = numbers.filter(|text| !text.is_empty()).collect();
    if let Some(bad) = numbers.iter().find(|text| !matches!(text.parse::<u16>(), Ok(1..))) {
        return Err(Status::bad_request(format!("{bad:?} is no port's number")));
    }
    let mut asked = Asked::default();
    if !numbers.is_empty() {
        asked.add("port", &numbers.join(","));
    }
    Ok(asked.0)
}

/// A query that is put together.
#[derive(Debug, Default)]
struct Asked(String);

impl Asked {
    fn add(&mut self, name: &str, value: &str) {
        use std::fmt::Write as _;
        let and = if self.0.is_empty() { "" } else { "&" };
        let _ = write!(self.0, "{and}{name}=");
        for byte in value.bytes() {
            let _ = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    write!(self.0, "{}", char::from(byte))
                }
                other => write!(self.0, "%{other:02X}"),
            };
        }
    }
}

/// What a node says that has no log, as a status.
async fn refusal(answer: Response) -> Status {
    let code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_REFUSAL_BYTES).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
    let text = text.unwrap_or_else(|error| format!("the node's answer broke off: {error}"));
    match code {
        400 => Status::bad_request(text),
        404 => Status::new(404, "NotFound", text),
        500 => Status::internal(text),
        _ => {
            let text = format!("the node answered with status {code}: {text}");
            Status::new(502, "InternalError", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_is_asked() {
        let query = |text: &str| Query::parse(text).expect("a query");
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(streams(&query(text), true).ok().as_deref(), wanted, "{text}");
        };
        check(
            "stdin=true&stdout=1&tty=true&command=sh&command=-c&command=a%26b%20%2F",
            Some("input=1&output=1&tty=1&command=sh&command=-c&command=a%26b%20%2F"),
        );
        check("stdout=1", None);
        check("command=sh", None);
        check("stderr=1&tty=1&command=sh", None);
        assert_eq!(
            ports(&query("ports=80&ports=81,82")).ok().as_deref(),
            Some("port=80%2C81%2C82")
        );
        assert_eq!(ports(&query("")).ok().as_deref(), Some(""));
        assert!(ports(&query("ports=0")).is_err() && ports(&query("ports=x")).is_err());
    }
}
