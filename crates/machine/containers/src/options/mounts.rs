//! `-v`, `--mount` and `--tmpfs`.

use super::{OptionError, boolean, fields};
use crate::record::{MountKind, MountRecord, Propagation};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use teu_volumes::VolumeSpec;

/// A mount, and what has to be there for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// The mount.
    pub record: MountRecord,
    /// A directory of the host that is made when it is missing (`-v` only).
    pub create_source: Option<PathBuf>,
    /// A volume with settings of its own.
    pub volume: Option<VolumeSpec>,
}

impl From<MountRecord> for MountOption {
    fn from(record: MountRecord) -> Self {
        Self { record, create_source: None, volume: None }
    }
}

/// One `-v [SOURCE:]TARGET[:OPTIONS]`; relative sources are taken from `directory`.
pub fn volume(text: &str, directory: &Path) -> Result<MountOption, OptionError> {
    let wrong = |reason: String| OptionError::Volume { value: text.to_owned(), reason };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, modes) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, modes] => (source, target, modes),
        _ => return Err(wrong("too many colons".to_owned())),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err(wrong("empty section between colons".to_owned()));
    }
    let destination = absolute(target).map_err(wrong)?;
    let modes = Modes::parse(modes).map_err(wrong)?;
    if is_path(source) {
        if modes.nocopy {
            return Err(wrong("nocopy is for volumes, not for host paths".to_owned()));
        }
        let source = host_path(source, directory);
        let record = MountRecord {
            destination,
            kind: MountKind::Bind { source: text_of(&source), recursive: modes.recursive },
            readonly: modes.readonly,
            propagation: modes.propagation.unwrap_or_default(),
        };
        return Ok(MountOption { record, create_source: Some(source), volume: None });
    }
    if modes.propagation.is_some() {
        return Err(wrong("propagation is for host paths, not for volumes".to_owned()));
    }
    let record = MountRecord {
        destination,
        kind: MountKind::Volume {
            name: volume_name(source).map_err(wrong)?,
            anonymous: source.is_empty(),
            nocopy: modes.nocopy,
            subpath: None,
        },
        readonly: modes.readonly,
        propagation: Propagation::default(),
    };
    Ok(record.into())
}

struct Modes {
    readonly: bool,
    nocopy: bool,
    recursive: bool,
    propagation: Option<Propagation>,
}

impl Modes {
    fn parse(text: &str) -> Result<Self, String> {
        let mut modes = Self { readonly: false, nocopy: false, recursive: true, propagation: None };
        for mode in text.split(',').filter(|mode| !mode.is_empty()) {
            match mode {
                "ro" | "readonly" => modes.readonly = true,
                "rw" => modes.readonly = false,
                "nocopy" => modes.nocopy = true,
                "copy" | "rbind" => {}
                "bind" => modes.recursive = false,
                // SELinux labels and macOS consistency: nothing to do on this machine.
                "z" | "Z" | "cached" | "delegated" | "consistent" => {}
                other => match propagation(other) {
                    Some(propagation) => modes.propagation = Some(propagation),
                    None => return Err(format!("invalid mode: {other}")),
                },
            }
        }
        Ok(modes)
    }
}

fn propagation(text: &str) -> Option<Propagation> {
    Some(match text {
        "rprivate" => Propagation::Rprivate,
        "private" => Propagation::Private,
        "rshared" => Propagation::Rshared,
        "shared" => Propagation::Shared,
        "rslave" => Propagation::Rslave,
        "slave" => Propagation::Slave,
        _ => return None,
    })
}

fn is_path(source: &str) -> bool {
    source.starts_with(['/', '~'])
        || source == "."
        || source == ".."
        || source.starts_with("./")
        || source.starts_with("../")
}

fn host_path(source: &str, directory: &Path) -> PathBuf {
    let joined = directory.join(source);
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn absolute(target: &str) -> Result<String, String> {
    if !target.starts_with('/') {
        return Err(format!("invalid mount path: '{target}' mount path must be absolute"));
    }
    let mut clean: Vec<&str> = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    if clean.is_empty() {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    Ok(format!("/{}", clean.join("/")))
}

fn volume_name(name: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let good = name.is_empty()
        || (name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(word));
    match good {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "{name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, \
             use absolute path"
        )),
    }
}

/// One `--tmpfs TARGET[:OPTIONS]`.
pub fn tmpfs(text: &str) -> Result<MountOption, OptionError> {
    let wrong = |reason: String| OptionError::value("tmpfs", text, reason);
    let (target, settings) = text.split_once(':').unwrap_or((text, ""));
    let (mut size_bytes, mut mode, mut options, mut readonly) = (0, None, Vec::new(), false);
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=') {
            Some(("size", size)) => {
                let whole = size.strip_suffix('%').is_none();
                if whole {
                    size_bytes = crate::units::bytes(size).map_err(|e| wrong(e.to_string()))?;
                } else {
                    options.push(setting.to_owned());
                }
            }
            Some(("mode", bits)) => mode = Some(octal(bits).map_err(wrong)?),
            None if setting == "ro" => readonly = true,
            None if setting == "rw" => readonly = false,
            _ => options.push(setting.to_owned()),
        }
    }
    let record = MountRecord {
        destination: absolute(target).map_err(wrong)?,
        kind: MountKind::Tmpfs { size_bytes, mode, options },
        readonly,
        propagation: Propagation::default(),
    };
    Ok(record.into())
}

fn octal(text: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(text, 8).ok().filter(|&bits| bits <= 0o7777);
    bits.ok_or_else(|| format!("invalid mode {text:?}: expected octal digits such as 1777"))
}

#[derive(Default)]
struct Long {
    kind: String,
    source: String,
    target: String,
    readonly: bool,
    propagation: Propagation,
    non_recursive: bool,
    nocopy: bool,
    subpath: Option<String>,
    driver: String,
    labels: BTreeMap<String, String>,
    driver_options: BTreeMap<String, String>,
    size_bytes: u64,
    mode: Option<u32>,
    /// Keys that belong to one kind only.
    special: Vec<&'static str>,
}

/// One `--mount type=…,source=…,target=…`.
pub fn mount(text: &str, directory: &Path) -> Result<MountOption, OptionError> {
    let wrong = |reason: String| OptionError::Mount { value: text.to_owned(), reason };
    let fields = fields(text).ok_or_else(|| wrong("misplaced quotes".to_owned()))?;
    let mut long = Long { kind: "volume".to_owned(), ..Long::default() };
    for field in &fields {
        long.set(field).map_err(wrong)?;
    }
    if long.target.is_empty() {
        return Err(wrong("target is required".to_owned()));
    }
    let foreign = long.special.iter().find(|key| !key.starts_with(&long.kind));
    if let Some(key) = foreign {
        return Err(wrong(format!("cannot mix '{key}' with mount type '{}'", long.kind)));
    }
    long.finish(directory).map_err(wrong)
}

impl Long {
    fn set(&mut self, field: &str) -> Result<(), String> {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), value),
            None => (field.to_ascii_lowercase(), ""),
        };
        let switch = || match (field.contains('='), boolean(value)) {
            (false, _) => Ok(true),
            (true, Some(value)) => Ok(value),
            (true, None) => Err(format!("invalid value for {key}: {value}")),
        };
        let takes_none = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive"];
        if !field.contains('=') && !takes_none.contains(&key.as_str()) {
            return Err(format!("invalid field '{field}' must be a key=value pair"));
        }
        match key.as_str() {
            "type" => self.kind = value.to_ascii_lowercase(),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            "readonly" | "ro" => self.readonly = switch()?,
            "consistency" => {}
            "bind-propagation" => {
                self.special.push("bind-propagation");
                let known = propagation(&value.to_ascii_lowercase());
                self.propagation =
                    known.ok_or_else(|| format!("invalid value for bind-propagation: {value}"))?;
            }
            "bind-nonrecursive" => {
                self.special.push("bind-nonrecursive");
                self.non_recursive = switch()?;
            }
            "bind-recursive" => {
                self.special.push("bind-recursive");
                match value {
                    "enabled" | "writable" => {}
                    "disabled" => self.non_recursive = true,
                    "readonly" if self.readonly => {}
                    "readonly" => {
                        return Err("option 'bind-recursive=readonly' requires 'readonly' to be \
                                    specified in conjunction"
                            .to_owned());
                    }
                    _ => {
                        return Err(format!(
                            "invalid value for bind-recursive: {value} (must be \"enabled\", \
                             \"disabled\", \"writable\", or \"readonly\")"
                        ));
                    }
                }
            }
            _ => self.set_special(&key, value, field, &switch)?,
        }
        Ok(())
    }

    fn set_special(
        &mut self,
        key: &str,
        value: &str,
        field: &str,
        switch: &dyn Fn() -> Result<bool, String>,
    ) -> Result<(), String> {
        let pair = || {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            (key.to_owned(), value.to_owned())
        };
        match key {
            "volume-nocopy" => {
                self.special.push("volume-nocopy");
                self.nocopy = switch()?;
            }
            "volume-subpath" => {
                self.special.push("volume-subpath");
                self.subpath = Some(value.to_owned());
            }
            "volume-driver" => {
                self.special.push("volume-driver");
                value.clone_into(&mut self.driver);
            }
            "volume-label" => {
                self.special.push("volume-label");
                self.labels.extend([pair()]);
            }
            "volume-opt" => {
                self.special.push("volume-opt");
                self.driver_options.extend([pair()]);
            }
            "tmpfs-size" => {
                self.special.push("tmpfs-size");
                let size = crate::units::bytes(value);
                self.size_bytes = size.map_err(|_| format!("invalid value for {key}: {value}"))?;
            }
            "tmpfs-mode" => {
                self.special.push("tmpfs-mode");
                self.mode =
                    Some(octal(value).map_err(|_| format!("invalid value for {key}: {value}"))?);
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
        Ok(())
    }

    fn finish(self, directory: &Path) -> Result<MountOption, String> {
        let destination = absolute(&self.target)?;
        let mut volume = None;
        let kind = match self.kind.as_str() {
            "bind" => {
                if self.source.is_empty() {
                    return Err(
                        "invalid mount config for type \"bind\": field Source must not be \
                                empty"
                            .to_owned(),
                    );
                }
                if !is_path(&self.source) {
                    return Err(format!(
                        "invalid mount config for type \"bind\": invalid mount path: '{}' mount \
                         path must be absolute",
                        self.source
                    ));
                }
                MountKind::Bind {
                    source: text_of(&host_path(&self.source, directory)),
                    recursive: !self.non_recursive,
                }
            }
            "volume" => {
                let name = volume_name(&self.source)?;
                let settled = !self.labels.is_empty()
                    || !self.driver_options.is_empty()
                    || !matches!(self.driver.as_str(), "" | "local");
                if settled && !name.is_empty() {
                    volume = Some(VolumeSpec {
                        name: Some(name.clone()),
                        anonymous: false,
                        driver: self.driver,
                        labels: self.labels,
                        options: self.driver_options,
                    });
                }
                let anonymous = name.is_empty();
                let (nocopy, subpath) = (self.nocopy, self.subpath);
                MountKind::Volume { name, anonymous, nocopy, subpath }
            }
            "tmpfs" => {
                if !self.source.is_empty() {
                    return Err(
                        "invalid mount config for type \"tmpfs\": field Source must not be \
                                specified"
                            .to_owned(),
                    );
                }
                let (size_bytes, mode) = (self.size_bytes, self.mode);
                MountKind::Tmpfs { size_bytes, mode, options: Vec::new() }
            }
            other => {
                return Err(format!(
                    "mount type {other:?} is not known here: expected bind, volume or tmpfs"
                ));
            }
        };
        let (readonly, propagation) = (self.readonly, self.propagation);
        let record = MountRecord { destination, kind, readonly, propagation };
        Ok(MountOption { record, create_source: None, volume })
    }
}
