//! `POST /build?version=2`: BuildKit as Docker 20.10's client speaks it. Files and secrets come over
//! the client's session, as they do for `docker buildx`; the request itself is a query, and what
//! happens is lines.

use crate::error::{Error, Result};
use crate::query::Query;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use teu_buildkit::wire::{CacheOptions, CacheOptionsEntry, Exporter, SolveRequest};
use teu_buildkit::{BuildKit, Status};
use teu_containers::options::environment;
use teu_docker::create::Ulimit;
use teu_docker::message::Message;
use teu_web::{Body, Incoming, Response, Sender, respond};
use tokio::sync::mpsc;

/// Reports and frames ahead of the client.
const AHEAD: usize = 16;
/// What a line is about: a part of the build's status, and the image that was made.
const TRACE: &str = "moby.buildkit.trace";
const IMAGE_ID: &str = "moby.image.id";
/// The build argument by which 20.10 asks for an inline cache.
const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";

/// One of `outputs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    attrs: HashMap<String, String>,
}

/// Says whether a build is one of these.
pub fn is_asked_for(query: &Query) -> bool {
    query.text("version") == "2"
}

/// The build whose context this request brings: `docker build - < FILE` sends it beside the build.
pub fn uploads_for(query: &Query) -> Option<&str> {
    query.text("buildid").strip_prefix(teu_buildkit::POSTED)?.strip_prefix(':')
}

/// Takes a context for the build that waits for it.
pub async fn upload(buildkit: &BuildKit, id: &str, body: &mut Incoming) -> Result<Response> {
    let refused = |Status { message, .. }: Status| Error::bad(message);
    let mut upload = buildkit.upload(id).await.map_err(refused)?;
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece,
            () = upload.unwanted() => break,
        };
        match piece {
            Some(Ok(piece)) => upload.write(&piece).map_err(refused)?,
            Some(Err(error)) => return Err(Error::bad(format!("the context: {error}"))),
            None => {
                upload.finish().map_err(refused)?;
                break;
            }
        }
    }
    Ok(respond::with(http::StatusCode::OK, Some("application/json"), Body::empty()))
}

/// Builds while the client listens.
pub fn build(buildkit: &BuildKit, query: &Query) -> Result<Response> {
    let (request, quiet) = (request(query)?, query.flag("q"));
    let (sender, body) = Body::channel(AHEAD);
    let response = respond::with(http::StatusCode::OK, Some("application/json"), body);
    let buildkit = buildkit.clone();
    tokio::spawn(async move {
        // A client that goes gives the build up.
        tokio::select! {
            () = sender.closed() => {}
            () = run(&buildkit, request, quiet, &sender) => {}
        }
    });
    Ok(response)
}

async fn run(buildkit: &BuildKit, request: SolveRequest, quiet: bool, sender: &Sender) {
    let (told, mut heard) = mpsc::channel::<Vec<u8>>(AHEAD);
    let pass = async {
        while let Some(report) = heard.recv().await {
            if quiet {
                continue;
            }
            let line = of_trace(TRACE, json!(STANDARD.encode(report)));
            // Whether the client is there is looked at elsewhere.
            let _ = sender.send(line).await;
        }
    };
    let (ended, ()) = tokio::join!(buildkit.build(request, told), pass);
    let line = match ended {
        Ok(response) => match image_id(&response) {
            // All that a quiet client prints.
            Some(id) if quiet => Message::stream(format!("{id}\n")).line(),
            Some(id) => of_trace(IMAGE_ID, json!({ "ID": id })),
            None => return,
        },
        Err(Status { message, .. }) => Message::failed(message, None).line(),
    };
    let _ = sender.send(line).await;
}

fn of_trace(id: &str, aux: serde_json::Value) -> Vec<u8> {
    Message { id: Some(id.to_owned()), aux: Some(aux), ..Message::default() }.line()
}

fn image_id(response: &HashMap<String, String>) -> Option<&String> {
    response.get("containerimage.config.digest").or_else(|| response.get("containerimage.digest"))
}

/// The query as a request of BuildKit's own protocol.
fn request(query: &Query) -> Result<SolveRequest> {
    let session = query.text("session").to_owned();
    let remote = query.text("remote");
    match remote {
        "client-session" if !session.is_empty() => {}
        "" | "client-session" => {
            return Err(Error::bad("a build through BuildKit needs a session (POST /session)"));
        }
        _ => {}
    }
    let (attributes, entitlements) = attributes(query, remote)?;
    let inline = attributes.get(&format!("build-arg:{INLINE_CACHE}")).is_some_and(|v| v == "1");
    let exports = match inline {
        true => vec![CacheOptionsEntry { kind: "inline".to_owned(), attrs: HashMap::new() }],
        false => Vec::new(),
    };
    Ok(SolveRequest {
        reference: reference(query)?,
        session,
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes,
        cache: Some(CacheOptions { exports, imports: Vec::new() }),
        entitlements,
        exporters: exporters(query)?,
        ..SolveRequest::default()
    })
}

/// The client's name for its build, or one of ours.
fn reference(query: &Query) -> Result<String> {
    if let Some(id) = query.nonempty("buildid") {
        return Ok(id.to_owned());
    }
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| Error::io("name the build")(errno.into()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The frontend's options, and what they need to be allowed.
fn attributes(query: &Query, remote: &str) -> Result<(HashMap<String, String>, Vec<String>)> {
    let mut attributes = HashMap::new();
    let mut put = |key: &str, value: String| drop(attributes.insert(key.to_owned(), value));
    for (key, name) in [("target", "target"), ("filename", "dockerfile"), ("platform", "platform")]
    {
        if let Some(value) = query.nonempty(name).filter(|value| *value != ".") {
            put(key, value.to_owned());
        }
    }
    if remote != "client-session" {
        put("context", remote.to_owned());
    }
    let arguments: BTreeMap<String, Option<String>> = query.json("buildargs")?;
    for (name, value) in arguments.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        put(&format!("build-arg:{name}"), value);
    }
    for (name, value) in query.json::<BTreeMap<String, String>>("labels")? {
        put(&format!("label:{name}"), value);
    }
    if query.flag("nocache") {
        put("no-cache", String::new());
    }
    put("image-resolve-mode", if query.flag("pull") { "pull" } else { "default" }.to_owned());
    let mut entitlements = Vec::new();
    match query.text("networkmode") {
        "" | "default" => {}
        mode => {
            put("force-network-mode", mode.to_owned());
            // Who may ask the engine for a build may ask for this, as with the classic one.
            if mode == "host" {
                entitlements.push("network.host".to_owned());
            }
        }
    }
    let caches: Vec<String> = query.json("cachefrom")?;
    put("cache-from", caches.join(","));
    let mut hosts = Vec::new();
    for host in query.all("extrahosts").flat_map(|all| all.split(',')).filter(|h| !h.is_empty()) {
        let host = environment::host(host)?;
        hosts.push(host.replacen(':', "=", 1));
    }
    put("add-hosts", hosts.join(","));
    if let Some(bytes) = query.number::<u64>("shmsize")?.filter(|bytes| *bytes > 0) {
        put("shm-size", bytes.to_string());
    }
    let limits: Vec<Ulimit> = query.json("ulimits")?;
    let limits: Vec<String> = limits
        .iter()
        .map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard))
        .collect();
    put("ulimit", limits.join(","));
    if let Some(parent) = query.nonempty("cgroupparent") {
        put("cgroup-parent", parent.to_owned());
    }
    if query.flag("squash") {
        return Err(Error::bad("layers cannot be squashed"));
    }
    Ok((attributes, entitlements))
}

/// An image under the tags, unless something else is asked for.
fn exporters(query: &Query) -> Result<Vec<Exporter>> {
    let tags: Vec<&str> = query.all("t").filter(|name| !name.is_empty()).collect();
    let outputs: Vec<Output> = query.json("outputs")?;
    if outputs.len() > 1 {
        return Err(Error::bad("multiple outputs are not supported by this client's protocol"));
    }
    Ok(match outputs.into_iter().next() {
        None => {
            let attrs = HashMap::from([("name".to_owned(), tags.join(","))]);
            vec![Exporter { kind: "moby".to_owned(), attrs }]
        }
        Some(Output { kind, mut attrs }) => {
            if !tags.is_empty() {
                attrs.insert("name".to_owned(), tags.join(","));
            }
            vec![Exporter { kind, attrs }]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::request;
    use crate::query::Query;

    fn asked(text: &str) -> Result<teu_buildkit::wire::SolveRequest, String> {
        let query = Query::parse(text).map_err(|error| error.message().to_owned())?;
        request(&query).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn what_the_client_sends_is_understood() {
        let request = asked(
            "version=2&session=s&remote=client-session&buildid=b&dockerfile=D&t=a:1&t=b&target=x\
             &buildargs=%7B%22A%22%3A%221%22%2C%22B%22%3Anull%2C%22BUILDKIT_INLINE_CACHE%22%3A%221%22%7D\
             &labels=%7B%22l%22%3A%22v%22%7D&nocache=1&networkmode=host&cachefrom=%5B%22x%22%2C%22y%22%5D\
             &extrahosts=h%3A127.0.0.1&ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Soft%22%3A1%2C%22Hard%22%3A2%7D%5D",
        )
        .expect("understood");
        assert_eq!((request.reference.as_str(), request.session.as_str()), ("b", "s"));
        assert_eq!(request.exporters[0].kind, "moby");
        assert_eq!(request.exporters[0].attrs["name"], "a:1,b");
        assert_eq!(request.entitlements, ["network.host"]);
        assert_eq!(request.cache.expect("a cache").exports[0].kind, "inline");
        let attributes = request.frontend_attrs;
        for (key, value) in [
            ("filename", "D"),
            ("target", "x"),
            ("build-arg:A", "1"),
            ("label:l", "v"),
            ("no-cache", ""),
            ("cache-from", "x,y"),
            ("add-hosts", "h=127.0.0.1"),
            ("ulimit", "nofile=1:2"),
        ] {
            assert_eq!(attributes[key], value, "{key}");
        }
        assert!(!attributes.contains_key("build-arg:B") && !attributes.contains_key("context"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, expected) in [
            ("version=2", "needs a session"),
            ("version=2&session=s&remote=client-session&squash=1", "squashed"),
        ] {
            let error = asked(text).expect_err("refused");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
