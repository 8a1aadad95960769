//! Fields that Docker's documents leave out when they are empty, and its templates know all the same.
//!
//! Docker's client renders a template over the type of a document first, in which every field has at
//! least its zero value: `{{if .State.Health}}` is common, and must not be an error where there is no
//! health check. Documents are printed without them, as Docker prints them.

use serde_json::{Value, json};

/// What an empty field looks like.
#[derive(Debug, Clone, Copy)]
enum Zero {
    Text,
    Switch,
    Number,
    List,
    Map,
    /// A pointer to nothing.
    Nothing,
}

impl Zero {
    fn value(self) -> Value {
        match self {
            Self::Text => json!(""),
            Self::Switch => json!(false),
            Self::Number => json!(0),
            Self::List => json!([]),
            Self::Map => json!({}),
            Self::Nothing => Value::Null,
        }
    }
}

/// The configuration of a container, and of an image.
const CONFIG: &[(&str, Zero)] = &[
    ("ArgsEscaped", Zero::Switch),
    ("AttachStderr", Zero::Switch),
    ("AttachStdin", Zero::Switch),
    ("AttachStdout", Zero::Switch),
    ("Cmd", Zero::List),
    ("Domainname", Zero::Text),
    ("Entrypoint", Zero::List),
    ("Env", Zero::List),
    ("ExposedPorts", Zero::Map),
    ("Healthcheck", Zero::Nothing),
    ("Hostname", Zero::Text),
    ("Image", Zero::Text),
    ("Labels", Zero::Map),
    ("MacAddress", Zero::Text),
    ("NetworkDisabled", Zero::Switch),
    ("OnBuild", Zero::List),
    ("OpenStdin", Zero::Switch),
    ("Shell", Zero::List),
    ("StdinOnce", Zero::Switch),
    ("StopSignal", Zero::Text),
    ("StopTimeout", Zero::Nothing),
    ("Tty", Zero::Switch),
    ("User", Zero::Text),
    ("Volumes", Zero::Map),
    ("WorkingDir", Zero::Text),
];

const HOST_CONFIG: &[(&str, Zero)] = &[
    ("Annotations", Zero::Map),
    ("Init", Zero::Nothing),
    ("MaskedPaths", Zero::List),
    ("Mounts", Zero::List),
    ("ReadonlyPaths", Zero::List),
    ("StorageOpt", Zero::Map),
    ("Sysctls", Zero::Map),
    ("Tmpfs", Zero::Map),
];

/// By kind: where, and what. The empty place is the document itself.
type Table = &'static [(&'static str, &'static [(&'static str, Zero)])];

const CONTAINER: Table = &[
    ("", &[("SizeRootFs", Zero::Nothing), ("SizeRw", Zero::Nothing)]),
    ("Config", CONFIG),
    ("HostConfig", HOST_CONFIG),
    ("State", &[("Health", Zero::Nothing)]),
];
const IMAGE: Table = &[
    ("", &[("Container", Zero::Text), ("VirtualSize", Zero::Number), ("Variant", Zero::Text)]),
    ("Config", CONFIG),
];
const VOLUME: Table =
    &[("", &[("Labels", Zero::Map), ("Options", Zero::Map), ("Status", Zero::Map)])];

/// The document as a template sees it.
pub(super) fn filled(kind: &str, mut document: Value) -> Value {
    let table = match kind {
        "container" => CONTAINER,
        "image" => IMAGE,
        "volume" => VOLUME,
        _ => return document,
    };
    for (place, fields) in table {
        let place = if place.is_empty() { Some(&mut document) } else { document.get_mut(place) };
        let Some(Value::Object(place)) = place else { continue };
        for (name, zero) in *fields {
            // Empty maps and lists are null in Docker's JSON, and are printed as what they are.
            let value = place.entry(*name).or_insert(Value::Null);
            if value.is_null() {
                *value = zero.value();
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_there_for_templates() {
        let container = json!({ "State": { "Status": "running" }, "Config": { "User": "7" } });
        let seen = filled("container", container);
        assert_eq!(seen["State"], json!({ "Status": "running", "Health": null }));
        assert_eq!(seen["Config"]["User"], "7");
        assert_eq!(seen["Config"]["ExposedPorts"], json!({}));
        assert_eq!(seen["SizeRw"], Value::Null);
        let volume = filled("volume", json!({ "Labels": null, "Options": { "o": "x" } }));
        assert_eq!(volume, json!({ "Labels": {}, "Options": { "o": "x" }, "Status": {} }));
        assert_eq!(filled("network", json!({})), json!({}));
    }
}
