//! The Compose specification as tables: one row a field gives its type, its place in what is printed,
//! and how it merges. Checking, normalising, merging and printing all follow these rows, so that a
//! field is known in all of them or in none.
//!
//! The order of rows is the order of the canonical form.

use crate::normal::short;
use crate::normal::short::Convert;

mod build;
mod deploy;
mod service;

pub use service::SERVICE;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Anything (`x-…`).
    Any,
    /// A text.
    Text,
    /// A text, number or boolean, kept as text.
    Scalar,
    /// A boolean, or its word.
    Bool,
    /// A whole number, or its digits.
    Int,
    /// A number, or its digits.
    Float,
    /// A size such as `64m`, kept as bytes in decimal digits.
    Bytes,
    /// A time such as `1m30s`, kept as Go prints it.
    Duration,
    /// Permission bits, kept as octal digits.
    Mode,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Fields of their own.
    Object(&'static Object),
    /// Any keys, each with this kind of value; `null` stays where it is said so.
    Map(&'static Kind, Nulls),
    /// `KEY: value` or a list of `KEY=value`; a bare key has no value, or an empty one.
    Pairs(Bare),
    /// A text or a list of texts.
    Texts,
    /// A list.
    List(&'static Kind),
    /// A list of words, or a shell's line of them.
    Command,
    /// A short form, turned into the long one and then held against the kind.
    Short(Convert, &'static Kind),
}

/// Whether a map's values may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Nulls {
    Kept,
    Empty,
    Refused,
}

/// What a key without a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bare {
    Null,
    Empty,
}

/// How two files' values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Mappings key by key, lists one after the other, scalars by the later one.
    Auto,
    /// The later one.
    Replace,
    /// Mappings key by key if both name the same driver.
    SameDriver,
}

/// When two entries of a list are the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// Never.
    No,
    /// When they are equal.
    Whole,
    /// By this field.
    Field(&'static str),
    /// By host, published, target, protocol.
    Port,
    /// By target, or the default target of the source below this directory.
    Granted(&'static str),
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// As written in files.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How it merges.
    pub merge: Merge,
    /// When entries are the same.
    pub unique: Unique,
}

/// A mapping with known fields, and `x-…`.
#[derive(Debug)]
pub struct Object {
    /// In the canonical order.
    pub fields: &'static [Field],
    /// Those that must be there.
    pub required: &'static [&'static str],
}

impl Object {
    /// The row of a field.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, merge: Merge::Auto, unique: Unique::No }
}

const fn list(name: &'static str, kind: Kind, unique: Unique) -> Field {
    Field { name, kind, merge: Merge::Auto, unique }
}

const fn replaced(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, merge: Merge::Replace, unique: Unique::No }
}

/// A whole file.
pub static FILE: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("version", Kind::Text),
        field("include", Kind::List(&Kind::Short(short::include, &Kind::Object(&INCLUDE)))),
        field("services", Kind::Map(&Kind::Object(&SERVICE), Nulls::Refused)),
        field(
            "networks",
            Kind::Map(&Kind::Short(short::external, &Kind::Object(&NETWORK)), Nulls::Empty),
        ),
        field(
            "volumes",
            Kind::Map(&Kind::Short(short::external, &Kind::Object(&VOLUME)), Nulls::Empty),
        ),
        field(
            "secrets",
            Kind::Map(&Kind::Short(short::external, &Kind::Object(&FILE_OBJECT)), Nulls::Refused),
        ),
        field(
            "configs",
            Kind::Map(&Kind::Short(short::external, &Kind::Object(&FILE_OBJECT)), Nulls::Refused),
        ),
        field("models", Kind::Map(&Kind::Object(&MODEL), Nulls::Refused)),
    ],
    required: &[],
};

static INCLUDE: Object = Object {
    fields: &[
        field("path", Kind::Texts),
        field("project_directory", Kind::Text),
        field("env_file", Kind::Texts),
    ],
    required: &["path"],
};

static NETWORK: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("driver", Kind::Text),
        field("driver_opts", Kind::Map(&Kind::Scalar, Nulls::Refused)),
        field("ipam", Kind::Object(&IPAM)),
        field("external", Kind::Bool),
        field("internal", Kind::Bool),
        field("attachable", Kind::Bool),
        field("labels", Kind::Pairs(Bare::Empty)),
        field("enable_ipv4", Kind::Bool),
        field("enable_ipv6", Kind::Bool),
    ],
    required: &[],
};

static IPAM: Object = Object {
    fields: &[
        field("driver", Kind::Text),
        list("config", Kind::List(&Kind::Object(&POOL)), Unique::Field("subnet")),
        field("options", Kind::Map(&Kind::Scalar, Nulls::Refused)),
    ],
    required: &[],
};

static POOL: Object = Object {
    fields: &[
        field("subnet", Kind::Text),
        field("gateway", Kind::Text),
        field("ip_range", Kind::Text),
        field("aux_addresses", Kind::Map(&Kind::Text, Nulls::Refused)),
    ],
    required: &[],
};

static VOLUME: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("driver", Kind::Text),
        field("driver_opts", Kind::Map(&Kind::Scalar, Nulls::Refused)),
        field("external", Kind::Bool),
        field("labels", Kind::Pairs(Bare::Empty)),
    ],
    required: &[],
};

static FILE_OBJECT: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("file", Kind::Text),
        field("environment", Kind::Text),
        field("content", Kind::Text),
        field("external", Kind::Bool),
        field("labels", Kind::Pairs(Bare::Empty)),
        field("driver", Kind::Text),
        field("driver_opts", Kind::Map(&Kind::Scalar, Nulls::Refused)),
        field("template_driver", Kind::Text),
    ],
    required: &[],
};

static MODEL: Object = Object {
    fields: &[
        field("name", Kind::Text),
        field("model", Kind::Text),
        field("context_size", Kind::Int),
        list("runtime_flags", Kind::List(&Kind::Text), Unique::No),
    ],
    required: &["model"],
};

/// A secret or config that a service is granted.
pub(crate) static GRANT: Object = Object {
    fields: &[
        field("source", Kind::Text),
        field("target", Kind::Text),
        field("uid", Kind::Scalar),
        field("gid", Kind::Scalar),
        field("mode", Kind::Mode),
    ],
    required: &["source"],
};

/// A command at a point of a container's life.
static HOOK: Object = Object {
    fields: &[
        replaced("command", Kind::Command),
        field("user", Kind::Text),
        field("privileged", Kind::Bool),
        field("working_dir", Kind::Text),
        field("environment", Kind::Pairs(Bare::Null)),
    ],
    required: &["command"],
};

static ULIMIT: Object = Object {
    fields: &[field("single", Kind::Int), field("soft", Kind::Int), field("hard", Kind::Int)],
    required: &[],
};
