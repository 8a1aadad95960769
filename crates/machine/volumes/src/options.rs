//! Options of the local driver: `type`, `device`, `o`, `size`, as mount(8) takes them.
//!
//! The volume is then a mount, made in the container's own namespace when it starts: nothing is
//! ever mounted on the host. What the kernel may be asked to mount is a closed list: tmpfs and
//! binds. Other types would need devices or network helpers that are not ours.

use crate::store::Volume;
use crate::{Error, Result};
use std::collections::BTreeMap;

const KNOWN: [&str; 4] = ["type", "device", "o", "size"];

/// How a volume with options is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// The directory `_data`.
    Directory,
    /// A directory of the host that the person who made the volume named.
    Bind {
        /// Absolute.
        source: String,
        /// Further options.
        options: Vec<String>,
    },
    /// Memory, gone with the container.
    Tmpfs {
        /// Options such as `size=100m`.
        options: Vec<String>,
    },
}

impl Volume {
    /// How it is mounted.
    pub fn backing(&self) -> Backing {
        let get = |key: &str| self.record.options.get(key).map(String::as_str).unwrap_or_default();
        let mut options: Vec<String> =
            get("o").split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect();
        match get("type") {
            "tmpfs" => {
                if !get("size").is_empty() {
                    options.push(format!("size={}", get("size")));
                }
                Backing::Tmpfs { options }
            }
            _ if !get("device").is_empty() => {
                options.retain(|o| o != "bind");
                Backing::Bind { source: get("device").to_owned(), options }
            }
            _ => Backing::Directory,
        }
    }
}

pub(crate) fn check(name: &str, options: &BTreeMap<String, String>) -> Result<()> {
    if let Some(option) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(Error::Option { name: name.to_owned(), option: option.clone() });
    }
    let missing = |option| Err(Error::MissingOption { name: name.to_owned(), option });
    let get = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
    let is_bind = get("o").split(',').any(|o| matches!(o, "bind" | "rbind"));
    match (get("type"), get("device")) {
        ("tmpfs", _) => Ok(()),
        ("" | "none" | "bind", device) if is_bind && device.starts_with('/') => Ok(()),
        ("" | "none" | "bind", _) if is_bind => missing("device"),
        ("", "") if get("o").is_empty() => Ok(()),
        ("", "") => missing("device"),
        ("", _) => missing("type"),
        (kind, _) => Err(Error::FileSystem { name: name.to_owned(), kind: kind.to_owned() }),
    }
}
