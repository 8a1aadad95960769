//! `dockerfile.v0`: what its options mean to the builder, and what is refused.
//!
//! Options are those of BuildKit's own frontend (`frontend/dockerui`); names and formats are facts
//! of the protocol. What this engine cannot honour is an error, never ignored in silence.

use crate::rpc::{Code, Status};
use crate::wire::Any;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use teu_builder::{BuildRequest, CacheSource, Entitlement, NetworkMode};
use teu_oci::Platform;
use teu_oci::runtime::Rlimit;

/// Options of one request.
pub type Options = HashMap<String, String>;

/// Where a context comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A directory that the client has under this name.
    Local(String),
    /// An image.
    Image(String),
    /// What the client has on its standard input, by the path of its URL.
    Upload(String),
    /// The same of a client that sends it by itself.
    Posted,
}

/// What a request asks for, before its files have come.
#[derive(Debug)]
pub struct Asked {
    /// What is known already.
    pub request: BuildRequest,
    /// The Dockerfile's name.
    pub filename: String,
    /// Name of the client's directory that has the Dockerfile.
    pub dockerfile: String,
    /// The main context.
    pub context: Origin,
    /// Further ones by name.
    pub contexts: Vec<(String, Origin)>,
    /// Notes of what is not done, each with a reason.
    pub skipped: Vec<(String, String)>,
}

/// Options that change nothing here, or are read elsewhere.
const IGNORED: &[&str] =
    &["frontend.caps", "dockerfilekey", "contextkey", "build-arg:BUILDKIT_SYNTAX"];

/// Reads the options of a request.
pub fn read(options: &Options, entitlements: &[String]) -> Result<Asked, Status> {
    if let Some(request) = options.get("requestid") {
        return Err(unsupported_request(request));
    }
    let text = |key: &str| options.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let local = |key: &str, default: &str| text(key).unwrap_or(default).to_owned();
    let dockerfile = local("dockerfilekey", "dockerfile");
    let mut asked = Asked {
        request: BuildRequest::default(),
        filename: local("filename", "Dockerfile"),
        dockerfile,
        context: match text("context") {
            None => Origin::Local(local("contextkey", "context")),
            Some(url) => origin(url)?,
        },
        contexts: Vec::new(),
        skipped: Vec::new(),
    };
    let mut keys: Vec<&String> = options.keys().collect();
    keys.sort_unstable();
    for key in keys {
        option(&mut asked, key, &options[key])?;
    }
    for word in entitlements {
        asked.request.entitlements.push(match word.as_str() {
            "network.host" => Entitlement::NetworkHost,
            "security.insecure" => Entitlement::SecurityInsecure,
            other => return Err(invalid(format!("unknown entitlement {other}"))),
        });
    }
    Ok(asked)
}

fn option(asked: &mut Asked, key: &str, value: &str) -> Result<(), Status> {
    let request = &mut asked.request;
    if let Some((kind, name)) = key.split_once(':').filter(|_| !IGNORED.contains(&key)) {
        let name = name.to_owned();
        match kind {
            "build-arg" => request.build_args.push((name, value.to_owned())),
            "label" => drop(request.labels.insert(name, value.to_owned())),
            "context" => {
                let name = name.split("::").next().unwrap_or_default().to_owned();
                asked.contexts.push((name, origin(value)?));
            }
            "attest" => {
                // What clients ask for by themselves is for results that hold it inline, as an
                // index does; here it would be attached to every image that is built.
                if value.split(',').any(|part| part == "inline-only=true") {
                    return Ok(());
                }
                if let Err(problem) = request.attest.add_kind(&name, value) {
                    let what = format!("generating attestation {name}");
                    asked.skipped.push((what, problem.to_string()));
                }
            }
            // Of the client's own making, such as `vcs:revision`, `local-sessionid:…`.
            "vcs" | "local-sessionid" | "local-excludepatterns" | "input-metadata" => {}
            _ => return Err(unknown(key)),
        }
        return Ok(());
    }
    match key {
        "filename" | "context" => {}
        "target" => request.target = Some(value.to_owned()).filter(|target| !target.is_empty()),
        "platform" => request.platforms = platforms(value)?,
        "image-resolve-mode" => request.pull = value == "pull",
        "no-cache" if value.is_empty() => request.no_cache = true,
        "no-cache" => request.no_cache_filter = list(value),
        "add-hosts" => request.add_hosts = hosts(value)?,
        "shm-size" => request.shm_size_bytes = number(key, value)?,
        "ulimit" => {
            request.rlimits = list(value).iter().map(|t| ulimit(t)).collect::<Result<_, _>>()?
        }
        "cgroup-parent" => request.cgroup_parent = Some(value.to_owned()),
        "force-network-mode" => {
            request.network = match value {
                "" | "sandbox" | "default" => NetworkMode::Default,
                "none" => NetworkMode::None,
                "host" => NetworkMode::Host,
                other => return Err(invalid(format!("unsupported network mode {other:?}"))),
            };
        }
        "source-date-epoch" if !value.is_empty() => {
            request.source_date_epoch = Some(number(key, value)?);
        }
        "cache-from" => {
            for name in list(value) {
                import(asked, "registry", &BTreeMap::from([("ref".to_owned(), name)]));
            }
        }
        "cache-imports" => imports(asked, value),
        "multi-platform" if matches!(value, "true" | "1") => {
            let text =
                "an index of one platform is not made by this engine: leave out multi-platform";
            return Err(Status::refused(text));
        }
        "multi-platform" => {}
        key if IGNORED.contains(&key) || key.is_empty() => {}
        _ if value.is_empty() => {}
        _ => return Err(unknown(key)),
    }
    Ok(())
}

/// One of `cache-imports`, as clients write it.
#[derive(serde::Deserialize)]
struct Imported {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Attrs", default)]
    attrs: BTreeMap<String, String>,
}

fn imports(asked: &mut Asked, value: &str) {
    let entries: Vec<Imported> = serde_json::from_str(value).unwrap_or_default();
    for entry in entries {
        import(asked, &entry.kind, &entry.attrs);
    }
}

/// A cache that cannot be used is noted, and no error, as one that cannot be reached is not.
fn import(asked: &mut Asked, kind: &str, attributes: &BTreeMap<String, String>) {
    let shown = attributes.get("ref").or_else(|| attributes.get("src"));
    let name = format!("importing cache manifest from {}", shown.map_or(kind, String::as_str));
    let source = match CacheSource::of(kind, attributes) {
        // A directory of the client, which says what it found there.
        Ok(CacheSource::Local { .. }) => client_cache(attributes)
            .ok_or_else(|| "the client has not found a cache in the directory".to_owned()),
        given => given.map_err(|problem| problem.to_string()),
    };
    match source {
        Ok(source) if asked.request.cache_from.contains(&source) => {}
        Ok(source) => asked.request.cache_from.push(source),
        Err(reason) => asked.skipped.push((name, reason)),
    }
}

fn client_cache(attributes: &BTreeMap<String, String>) -> Option<CacheSource> {
    let (store, digest) = (attributes.get("src")?.clone(), attributes.get("digest")?.parse().ok()?);
    Some(CacheSource::Client { store, digest })
}

/// `docker-image://…`, `local:…`, `http://buildkit-session/…`; others cannot be fetched.
fn origin(url: &str) -> Result<Origin, Status> {
    if let Some(name) = url.strip_prefix("local:") {
        return Ok(Origin::Local(name.to_owned()));
    }
    if let Some(image) = url.strip_prefix("docker-image://") {
        return Ok(Origin::Image(image.to_owned()));
    }
    if url == crate::POSTED {
        return Ok(Origin::Posted);
    }
    if let Some(path) = url.strip_prefix("http://buildkit-session/") {
        return Ok(Origin::Upload(path.to_owned()));
    }
    let what = match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("oci-layout") => "an OCI layout of the client: load it with docker load first",
        Some("input" | "target") => {
            "another build's result: build and tag it, then use docker-image://"
        }
        _ => {
            "remote: this engine fetches no git repositories or URLs. Clone it and build the directory, \
              or pipe an archive: curl -fL URL | docker build -"
        }
    };
    Err(Status::refused(format!("the context {url} is {what}")))
}

fn platforms(value: &str) -> Result<Vec<Platform>, Status> {
    let parse = |name: &String| Platform::from_str(name).map_err(|e| invalid(e.to_string()));
    list(value).iter().map(parse).collect()
}

/// `name=address,…`
fn hosts(value: &str) -> Result<Vec<(String, String)>, Status> {
    let pair = |text: &String| {
        let (name, address) = text.split_once('=')?;
        let address: std::net::IpAddr = address.parse().ok()?;
        Some((name.to_owned(), address.to_string()))
    };
    list(value)
        .iter()
        .map(|text| {
            pair(text)
                .ok_or_else(|| invalid(format!("invalid host {text:?}: expected name=address")))
        })
        .collect()
}

/// `name=soft[:hard]`
fn ulimit(text: &str) -> Result<Rlimit, Status> {
    let wrong = || invalid(format!("invalid ulimit {text:?}: expected name=soft[:hard]"));
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let limit = |text: &str| match text {
        "-1" => Ok(u64::MAX),
        text => text.parse().map_err(|_| wrong()),
    };
    let kind = format!("RLIMIT_{}", name.to_ascii_uppercase());
    Ok(Rlimit { kind, soft: limit(soft)?, hard: limit(hard)? })
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, Status> {
    value.parse().map_err(|_| invalid(format!("{key} is not a number: {value:?}")))
}

fn invalid(text: String) -> Status {
    Status::new(Code::InvalidArgument, text)
}

fn unknown(key: &str) -> Status {
    let text = format!("the option {key:?} of dockerfile.v0 is not supported by this engine");
    Status::refused(text)
}

/// A request for something else than a build, which clients ask to learn whether it is there.
fn unsupported_request(name: &str) -> Status {
    let detail = Any {
        type_url: "github.com/moby/buildkit/errdefs.Subrequest+json".to_owned(),
        value: serde_json::json!({ "name": name }).to_string().into_bytes(),
    };
    let text = format!("unsupported request {name}");
    Status { details: vec![detail], ..Status::new(Code::Unimplemented, text) }
}

#[cfg(test)]
mod tests;
