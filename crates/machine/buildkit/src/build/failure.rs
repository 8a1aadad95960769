//! A worker's failure as clients expect it: BuildKit's words, and the place in the Dockerfile from
//! which they print their excerpt.

use crate::rpc::{Code, Status};
use crate::status::Dockerfile;
use crate::wire::Any;
use crate::worker::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use teu_builder::worker::{Failure, Place};

/// The type of the detail, whose value is JSON.
const SOURCE: &str = "github.com/moby/buildkit/errdefs.Source+json";

/// The status of a failed build.
pub fn status(error: &Error, dockerfile: Option<&Dockerfile>) -> Status {
    match error {
        Error::Build(failure) if failure.canceled => {
            Status::new(Code::Canceled, "context canceled")
        }
        Error::Build(failure) => of_build(failure, dockerfile),
        other => Status::new(Code::Unknown, other.to_string()),
    }
}

fn of_build(failure: &Failure, dockerfile: Option<&Dockerfile>) -> Status {
    let details = failure.place.iter().map(|place| source(place, dockerfile)).collect();
    Status { details, ..Status::new(Code::Unknown, failure.message.clone()) }
}

fn source(place: &Place, dockerfile: Option<&Dockerfile>) -> Any {
    let name = dockerfile.map_or(place.file.as_str(), |file| file.name.as_str());
    let value = json!({
        "info": {
            "filename": name,
            "data": STANDARD.encode(place.text.as_bytes()),
            "language": "Dockerfile",
        },
        "ranges": [{ "start": { "line": place.lines.first }, "end": { "line": place.lines.last } }],
    });
    Any { type_url: SOURCE.to_owned(), value: value.to_string().into_bytes() }
}
