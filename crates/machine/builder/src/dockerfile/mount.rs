//! `RUN --mount=type=…,key=value`: what a step sees beside its root.

use super::problem::suggest;
use super::words::{Lookup, WordProblem, expand_word};

/// One mount of a `RUN`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which kind.
    pub kind: MountKind,
    /// Where in the container; empty for the kind's default.
    pub target: String,
    /// Path within the source.
    pub source: String,
    /// Stage, image or named context the files come from.
    pub from: Option<String>,
    /// Not writable.
    pub readonly: bool,
    /// Of caches, secrets, agents.
    pub id: String,
    /// How a cache is shared.
    pub sharing: Sharing,
    /// The step fails without it.
    pub required: bool,
    /// Permissions of a secret, socket or new cache.
    pub mode: Option<u32>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// A secret becomes this variable.
    pub env: Option<String>,
    /// Bytes of a tmpfs.
    pub size_bytes: Option<u64>,
}

/// `type=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are BuildKit's")]
pub enum MountKind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// `sharing=` of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Several steps at once.
    Shared,
    /// A step that comes while it is used gets one of its own.
    Private,
    /// A step waits until it is free.
    Locked,
}

/// What is wrong with a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MountProblem {
    #[error("unsupported mount type {kind:?}{}", hint(.near))]
    Kind { kind: String, near: Option<String> },
    #[error("unexpected key {key:?} for mount type {kind:?}{}", hint(.near))]
    Key { key: String, kind: &'static str, near: Option<String> },
    #[error("invalid value for {key}: {value}")]
    Value { key: &'static str, value: String },
    #[error("field {0:?} must be a key=value pair")]
    Pair(String),
    #[error("target is required for {0}")]
    Target(&'static str),
    #[error("sharing={0}: expected shared, private or locked")]
    Sharing(String),
    #[error("a mount for type={0} cannot be over the root directory")]
    Root(&'static str),
    #[error("failed to process {0:?}: {1}")]
    Word(String, WordProblem),
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}

impl MountKind {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Bind => &[
                "type",
                "target",
                "dst",
                "destination",
                "source",
                "src",
                "from",
                "readonly",
                "ro",
                "readwrite",
                "rw",
            ],
            Self::Cache => &[
                "type",
                "target",
                "dst",
                "destination",
                "source",
                "src",
                "from",
                "readonly",
                "ro",
                "readwrite",
                "rw",
                "id",
                "sharing",
                "mode",
                "uid",
                "gid",
            ],
            Self::Tmpfs => &["type", "target", "dst", "destination", "size"],
            Self::Secret => &[
                "type",
                "target",
                "dst",
                "destination",
                "source",
                "src",
                "id",
                "required",
                "mode",
                "uid",
                "gid",
                "env",
            ],
            Self::Ssh => &[
                "type",
                "target",
                "dst",
                "destination",
                "source",
                "src",
                "id",
                "required",
                "mode",
                "uid",
                "gid",
            ],
        }
    }
}

impl Mount {
    /// Reads `type=…,key=value,…`, its values expanded by `lookup`.
    pub fn parse(text: &str, escape: char, lookup: &Lookup<'_>) -> Result<Self, MountProblem> {
        let fields = fields(text);
        let kind = kind(&fields, escape, lookup)?;
        let mut mount = Self::new(kind);
        let mut required = None;
        for field in &fields {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (field.as_str(), None),
            };
            let key = key.to_ascii_lowercase();
            let Some(known) = kind.keys().iter().find(|known| **known == key) else {
                let near = suggest(&key, kind.keys().iter().copied());
                return Err(MountProblem::Key { key, kind: kind.name(), near });
            };
            let value = match value {
                Some(value) if *known != "from" => Some(
                    expand_word(value, escape, lookup)
                        .map_err(|problem| MountProblem::Word(value.to_owned(), problem))?,
                ),
                value => value.map(str::to_owned),
            };
            if *known == "required" {
                required = Some(flag("required", value.as_deref())?);
                continue;
            }
            mount.set(known, value, field)?;
        }
        mount.required = required.unwrap_or(false);
        mount.finish()
    }

    /// The stage or image that a mount as written takes its files from.
    pub fn from_of(text: &str) -> Option<String> {
        let fields = fields(text);
        let mut pairs = fields.iter().filter_map(|field| field.split_once('='));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case("from")).map(|(_, value)| value.to_owned())
    }

    fn new(kind: MountKind) -> Self {
        Self {
            kind,
            target: String::new(),
            source: String::new(),
            from: None,
            readonly: kind == MountKind::Bind,
            id: String::new(),
            sharing: Sharing::Shared,
            required: false,
            mode: None,
            uid: None,
            gid: None,
            env: None,
            size_bytes: None,
        }
    }

    fn set(
        &mut self,
        key: &'static str,
        value: Option<String>,
        field: &str,
    ) -> Result<(), MountProblem> {
        match key {
            "readonly" | "ro" => self.readonly = flag(key, value.as_deref())?,
            "readwrite" | "rw" => self.readonly = !flag(key, value.as_deref())?,
            _ => {
                let value = value.ok_or_else(|| MountProblem::Pair(field.to_owned()))?;
                self.set_value(key, value)?;
            }
        }
        Ok(())
    }

    fn set_value(&mut self, key: &'static str, value: String) -> Result<(), MountProblem> {
        match key {
            "target" | "dst" | "destination" => self.target = value,
            "source" | "src" => self.source = value,
            "from" => self.from = Some(value),
            "id" => self.id = value,
            "env" => self.env = Some(value),
            "mode" => self.mode = Some(number(key, &value, 8)?),
            "uid" => self.uid = Some(number(key, &value, 10)?),
            "gid" => self.gid = Some(number(key, &value, 10)?),
            "size" => {
                let size = size(&value).ok_or(MountProblem::Value { key, value })?;
                self.size_bytes = Some(size);
            }
            "sharing" => {
                self.sharing = match value.as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err(MountProblem::Sharing(value)),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self, MountProblem> {
        if self.target.is_empty()
            && matches!(self.kind, MountKind::Bind | MountKind::Cache | MountKind::Tmpfs)
        {
            return Err(MountProblem::Target(self.kind.name()));
        }
        if self.kind == MountKind::Secret {
            self.secret_names()?;
        }
        if self.kind == MountKind::Ssh && self.id.is_empty() {
            self.id = "default".to_owned();
        }
        if self.kind == MountKind::Cache && self.id.is_empty() {
            self.id.clone_from(&self.target);
        }
        Ok(self)
    }

    /// A secret's id follows from its source or target, and its target from its id.
    fn secret_names(&mut self) -> Result<(), MountProblem> {
        let base = |path: &str| {
            path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
        };
        if self.id.is_empty() {
            self.id = match (self.source.is_empty(), self.target.is_empty()) {
                (false, _) => base(&self.source),
                (true, false) => base(&self.target),
                (true, true) => return Err(MountProblem::Target("secret")),
            };
        }
        if self.target.is_empty() && self.env.is_none() {
            self.target = format!("/run/secrets/{}", base(&self.id));
        }
        Ok(())
    }
}

fn kind(fields: &[String], escape: char, lookup: &Lookup<'_>) -> Result<MountKind, MountProblem> {
    const KINDS: [MountKind; 5] =
        [MountKind::Bind, MountKind::Cache, MountKind::Tmpfs, MountKind::Secret, MountKind::Ssh];
    let given = fields
        .iter()
        .filter_map(|field| field.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case("type"));
    let Some((_, value)) = given else { return Ok(MountKind::Bind) };
    let value = expand_word(value, escape, lookup)
        .map_err(|problem| MountProblem::Word(value.to_owned(), problem))?
        .to_ascii_lowercase();
    KINDS.into_iter().find(|kind| kind.name() == value).ok_or_else(|| MountProblem::Kind {
        near: suggest(&value, KINDS.iter().map(|kind| kind.name())),
        kind: value,
    })
}

/// A line of CSV: `"a,b",c`.
fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields.retain(|field| !field.is_empty());
    fields
}

fn flag(key: &'static str, value: Option<&str>) -> Result<bool, MountProblem> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(value) => Err(MountProblem::Value { key, value: value.to_owned() }),
    }
}

fn number(key: &'static str, value: &str, radix: u32) -> Result<u32, MountProblem> {
    u32::from_str_radix(value, radix)
        .ok()
        .filter(|number| radix != 8 || *number <= 0o7777)
        .ok_or_else(|| MountProblem::Value { key, value: value.to_owned() })
}

/// `64m`, `1g`, `512kb`, bytes.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let text = text.strip_suffix('i').unwrap_or(text);
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
