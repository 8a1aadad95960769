//! Parameters of operations.

use super::Dialect;
use serde_json::{Map, Value, json};

/// A parameter in the query or the path.
pub(super) struct Parameter {
    name: &'static str,
    kind: &'static str,
    words: &'static str,
}

const fn of(name: &'static str, kind: &'static str, words: &'static str) -> Parameter {
    Parameter { name, kind, words }
}

const DRY_RUN: Parameter =
    of("dryRun", "string", "'All' runs every stage of the request and keeps nothing.");
const MANAGER: Parameter =
    of("fieldManager", "string", "Who makes the change: the name in managedFields.");
const VALIDATION: Parameter = of(
    "fieldValidation",
    "string",
    "What is done about unknown and duplicate fields: Ignore, Warn or Strict.",
);
const CONTINUE: Parameter =
    of("continue", "string", "The token of the page before, to go on from there.");
const FIELD: Parameter = of("fieldSelector", "string", "Only objects whose fields are such.");
const LABEL: Parameter = of("labelSelector", "string", "Only objects whose labels are such.");
const LIMIT: Parameter = of("limit", "integer", "At most so many objects in one answer.");
const REVISION: Parameter =
    of("resourceVersion", "string", "From which state of the store is answered.");
const REVISION_MATCH: Parameter =
    of("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan.");
const INITIAL: Parameter =
    of("sendInitialEvents", "boolean", "Whether a watch begins with what is there.");
const TIMEOUT: Parameter = of("timeoutSeconds", "integer", "After how long the answer ends.");
const GRACE: Parameter =
    of("gracePeriodSeconds", "integer", "How long the object may take to end; 0 is at once.");
const ORPHAN: Parameter =
    of("orphanDependents", "boolean", "Replaced by propagationPolicy: whether dependents stay.");
const PROPAGATION: Parameter = of(
    "propagationPolicy",
    "string",
    "What becomes of dependents: Orphan, Background or Foreground.",
);
const COMMAND: Parameter = of("command", "string", "What is run, a word each.");
const CONTAINER: Parameter = of("container", "string", "In which container of the pod.");
const STDIN: Parameter = of("stdin", "boolean", "Whether input is sent.");
const STDOUT: Parameter = of("stdout", "boolean", "Whether output is wanted.");
const STDERR: Parameter = of("stderr", "boolean", "Whether errors are wanted.");
const TTY: Parameter = of("tty", "boolean", "Whether there is a terminal.");

/// How the answer is printed.
pub(super) const PRETTY: Parameter = of("pretty", "string", "Whether the answer is indented.");
/// The object's name.
pub(super) const NAME: Parameter = of("name", "string", "Name of the object.");
/// Where it lives.
pub(super) const NAMESPACE: Parameter = of("namespace", "string", "Namespace of the object.");
/// What is asked behind a proxy.
pub(super) const PATH: Parameter = of("path", "string", "Path to ask for.");

pub(super) const LIST: &[Parameter] = &[
    of("allowWatchBookmarks", "boolean", "Whether a watch may say how far it is."),
    CONTINUE,
    FIELD,
    LABEL,
    LIMIT,
    REVISION,
    REVISION_MATCH,
    INITIAL,
    TIMEOUT,
    of("watch", "boolean", "Whether changes are sent as they happen."),
];
pub(super) const WRITE: &[Parameter] = &[DRY_RUN, MANAGER, VALIDATION];
pub(super) const PATCH: &[Parameter] = &[
    DRY_RUN,
    MANAGER,
    VALIDATION,
    of("force", "boolean", "Takes fields over from other managers; only for apply."),
];
pub(super) const DELETE: &[Parameter] = &[DRY_RUN, GRACE, ORPHAN, PROPAGATION];
pub(super) const DELETE_ALL: &[Parameter] = &[
    CONTINUE,
    DRY_RUN,
    FIELD,
    GRACE,
    LABEL,
    LIMIT,
    ORPHAN,
    PROPAGATION,
    REVISION,
    REVISION_MATCH,
    INITIAL,
    TIMEOUT,
];
pub(super) const ATTACH: &[Parameter] = &[CONTAINER, STDERR, STDIN, STDOUT, TTY];
pub(super) const EXEC: &[Parameter] = &[COMMAND, CONTAINER, STDERR, STDIN, STDOUT, TTY];
pub(super) const FORWARD: &[Parameter] = &[of("ports", "integer", "Which port, several times.")];
pub(super) const PROXY: &[Parameter] = &[PATH];
pub(super) const LOG: &[Parameter] = &[
    CONTAINER,
    of("follow", "boolean", "Whether new lines are sent as they come."),
    of("insecureSkipTLSVerifyBackend", "boolean", "Whether the node's certificate is not checked."),
    of("limitBytes", "integer", "At most so many bytes."),
    of("previous", "boolean", "Of the container before this one."),
    of("sinceSeconds", "integer", "Only lines so young."),
    of("stream", "string", "All, Stdout or Stderr."),
    of("tailLines", "integer", "Only so many lines from the end."),
    of("timestamps", "boolean", "Whether each line says when it came."),
];

impl Parameter {
    /// In the query.
    pub(super) fn query(&self, dialect: Dialect) -> Value {
        self.print(dialect, "query")
    }

    /// In the path.
    pub(super) fn path(&self, dialect: Dialect) -> Value {
        self.print(dialect, "path")
    }

    fn print(&self, dialect: Dialect, place: &str) -> Value {
        let mut out = Map::new();
        out.insert("name".into(), self.name.into());
        out.insert("in".into(), place.into());
        out.insert("description".into(), self.words.into());
        if place == "path" {
            out.insert("required".into(), true.into());
        }
        match dialect {
            Dialect::V2 => {
                out.insert("type".into(), self.kind.into());
                out.insert("uniqueItems".into(), true.into());
            }
            Dialect::V3 => {
                out.insert("schema".into(), json!({ "type": self.kind, "uniqueItems": true }));
            }
        }
        Value::Object(out)
    }
}
