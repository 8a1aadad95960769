//! Where a result goes: BuildKit's exporters as outputs of the builder, and what is sent to the
//! client afterwards.

use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use crate::wire::{Exporter, SolveRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::path::PathBuf;
use teu_builder::worker::Ended;
use teu_builder::{BuildRequest, Destination, Output};
use teu_oci::Reference;

/// Exporters of one build.
const EXPORTER_LIMIT: usize = 16;

/// Something that the client gets once the build is done.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which of the client's exports.
    pub exporter: usize,
    /// What.
    pub kind: DeliveryKind,
}

/// What a client gets.
#[derive(Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// A file, as a stream.
    File(PathBuf),
    /// A directory's files.
    Directory(PathBuf),
}

/// What to tell the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exports {
    /// What it gets.
    pub deliveries: Vec<Delivery>,
    /// Names of the image.
    names: Vec<Reference>,
    /// The image stays here, where its id counts, rather than a manifest's digest.
    stays: bool,
}

/// Reads the exporters of a request into the builder's.
pub fn plan(
    request: &SolveRequest,
    outbox: &Outbox,
    build: &mut BuildRequest,
) -> Result<Exports, Status> {
    let single = Exporter { kind: request.exporter.clone(), attrs: request.exporter_attrs.clone() };
    let single = [single];
    let exporters = match &request.exporters[..] {
        [] if request.exporter.is_empty() => &[],
        [] => &single[..],
        given => given,
    };
    if exporters.len() > EXPORTER_LIMIT {
        return Err(Status::new(Code::InvalidArgument, "a build has at most 16 outputs"));
    }
    let mut exports = Exports::default();
    for (number, exporter) in exporters.iter().enumerate() {
        one(number, exporter, outbox, (build, &mut exports))?;
    }
    if build.outputs.is_empty() {
        build.outputs.push(Output::CacheOnly);
    }
    build.tags.clone_from(&exports.names);
    Ok(exports)
}

fn one(
    number: usize,
    exporter: &Exporter,
    outbox: &Outbox,
    (build, exports): (&mut BuildRequest, &mut Exports),
) -> Result<(), Status> {
    let refuse = |text: String| Err(Status::refused(text));
    let kind = exporter.kind.as_str();
    let is_set =
        |key: &str| exporter.attrs.get(key).is_some_and(|v| matches!(v.as_str(), "true" | "1"));
    // Old clients push themselves afterwards as well: then there is nothing left to send.
    build.push |= is_set("push") && matches!(kind, "moby" | "image");
    for (key, value) in &exporter.attrs {
        let of = |level| key.strip_prefix(level);
        let key = match (of("annotation."), of("annotation-manifest."), of("annotation-index.")) {
            (Some(key), _, _) | (_, Some(key), _) => key.to_owned(),
            (_, _, Some(key)) => format!("index:{key}"),
            _ if key.starts_with("annotation") => {
                return refuse(format!("{key}: only manifests and the index can be annotated"));
            }
            _ => continue,
        };
        build.annotations.insert(key, value.clone());
    }
    for name in exporter.attrs.get("name").into_iter().flat_map(|names| names.split(',')) {
        if name.is_empty() {
            continue;
        }
        let wrong = |error: teu_oci::reference::ParseReferenceError| {
            Status::new(Code::InvalidArgument, error.to_string())
        };
        let name: Reference = name.parse().map_err(wrong)?;
        if !exports.names.contains(&name) {
            exports.names.push(name);
        }
    }
    let file = outbox.join(&format!("{number}.tar"));
    let destination = Destination::Path(file.clone());
    let (output, delivery) = match kind {
        "moby" | "image" => {
            exports.stays = true;
            (Output::Image { name: None }, None)
        }
        "tar" => (Output::Tar { destination }, Some(DeliveryKind::File(file))),
        "docker" => (Output::Docker { destination }, Some(DeliveryKind::File(file))),
        "oci" => match exporter.attrs.get("tar").map(String::as_str) {
            Some("false" | "0") => {
                return refuse(
                    "exporter oci with tar=false is not supported: use tar=true and unpack it"
                        .to_owned(),
                );
            }
            _ => (Output::Oci { destination, tar: true }, Some(DeliveryKind::File(file))),
        },
        "local" => {
            let directory = outbox.join(&number.to_string());
            (
                Output::Local { directory: directory.clone() },
                Some(DeliveryKind::Directory(directory)),
            )
        }
        "cacheonly" => (Output::CacheOnly, None),
        other => return refuse(format!("exporter {other:?} could not be found")),
    };
    build.outputs.push(output);
    exports.deliveries.extend(delivery.map(|kind| Delivery { exporter: number, kind }));
    Ok(())
}

impl Exports {
    /// What `Solve` answers: the keys that `--metadata-file` and `--iidfile` are made of.
    pub fn response(&self, ended: &Ended) -> HashMap<String, String> {
        let mut response = HashMap::new();
        let mut put = |key: &str, value: String| drop(response.insert(key.to_owned(), value));
        if let Some(id) = &ended.image_id {
            put("containerimage.config.digest", id.to_string());
        }
        if let Some(descriptor) = &ended.descriptor {
            let id = ended.image_id.as_ref().filter(|_| self.stays);
            put("containerimage.digest", id.unwrap_or(&descriptor.digest).to_string());
            if let Ok(text) = serde_json::to_vec(descriptor) {
                put("containerimage.descriptor", STANDARD.encode(&text));
            }
        }
        if !self.names.is_empty() {
            let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
            put("image.name", names.join(","));
        }
        response
    }
}

#[cfg(test)]
mod tests;
