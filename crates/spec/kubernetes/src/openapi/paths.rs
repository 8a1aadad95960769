//! Paths of resources and what can be done there.

use super::operation::{Operation, Sent};
use super::parameter::{self, Parameter};
use super::schema::{Schemas, part_name};
use super::{Described, Dialect};
use crate::resource::Subresource;
use serde_json::{Map, Value};

const OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const OK: (&str, &str) = ("200", "OK");
const CREATED: (&str, &str) = ("201", "Created");
const ACCEPTED: (&str, &str) = ("202", "Accepted");

/// Paths of a document.
pub(super) struct Paths {
    dialect: Dialect,
    done: Map<String, Value>,
}

/// Where an operation is.
struct Place<'a> {
    described: &'a Described<'a>,
    /// `AppsV1`.
    set: String,
    /// `apps_v1`.
    tag: String,
    /// `NamespacedDeployment`, `NamespacedPodLog`.
    noun: String,
}

impl Paths {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, done: Map::new() }
    }

    pub(super) fn finish(self) -> Value {
        self.done.into()
    }

    pub(super) fn add(&mut self, described: &Described<'_>, schemas: &mut Schemas) {
        let resource = described.resource;
        let root = match &*resource.group {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        let spaced = resource.is_namespaced();
        let all = match spaced {
            true => format!("{root}/namespaces/{{namespace}}/{}", resource.plural),
            false => format!("{root}/{}", resource.plural),
        };
        let one = format!("{all}/{{name}}");
        let noun =
            if spaced { format!("Namespaced{}", resource.kind) } else { resource.kind.to_string() };
        let place = Place::new(described, noun);
        let verbs: Vec<&str> = resource.verbs.iter().map(|verb| &**verb).collect();
        self.path(&all, collection(&place, &verbs, schemas));
        self.path(&one, item(&place, &verbs, schemas));
        if spaced && verbs.contains(&"list") {
            let mut list = place.list(schemas);
            list.id = format!("list{}{}ForAllNamespaces", place.set, resource.kind);
            self.path(&format!("{root}/{}", resource.plural), vec![("get", list)]);
        }
        for part in &resource.subresources {
            let place = Place::new(described, format!("{}{}", place.noun, capital(&part.name)));
            let path = format!("{one}/{}", part.name);
            if matches!(&*part.name, "attach" | "exec" | "portforward" | "proxy") {
                self.path(&path, connect(&place, part));
            } else {
                self.path(&path, below(&place, part, schemas));
            }
        }
    }

    fn path(&mut self, path: &str, operations: Vec<(&'static str, Operation<'_>)>) {
        if operations.is_empty() {
            return;
        }
        let mut out = Map::new();
        for (method, operation) in operations {
            out.insert(method.into(), operation.print(self.dialect));
        }
        let mut shared = Vec::new();
        if path.contains("{name}") {
            shared.push(parameter::NAME.path(self.dialect));
        }
        if path.contains("{namespace}") {
            shared.push(parameter::NAMESPACE.path(self.dialect));
        }
        shared.push(parameter::PRETTY.query(self.dialect));
        out.insert("parameters".into(), shared.into());
        self.done.insert(path.to_owned(), out.into());
    }
}

impl<'a> Place<'a> {
    fn new(described: &'a Described<'a>, noun: String) -> Self {
        let group = match &*described.resource.group {
            "" => "core",
            group => group.strip_suffix(".k8s.io").unwrap_or(group),
        };
        let words: String = group.split('.').map(capital).collect();
        let version = &described.resource.version;
        let mut letters = words.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        let tag: String = first.into_iter().chain(letters).collect();
        Self { described, set: words + &capital(version), tag: format!("{tag}_{version}"), noun }
    }

    /// An operation on the object's own kind that sends nothing and is answered with the object.
    fn of(&self, verb: &str, action: &'static str) -> Operation<'a> {
        let resource = self.described.resource;
        Operation {
            id: format!("{verb}{}{}", self.set, self.noun),
            tag: self.tag.clone(),
            words: format!("{verb} {}", resource.kind),
            action,
            kind: (&resource.group, &resource.version, &resource.kind),
            query: &[],
            sent: Sent::Nothing,
            answer: None,
            codes: &[OK],
            watch: false,
            custom: resource.type_name.is_empty(),
        }
    }

    fn list(&self, schemas: &mut Schemas) -> Operation<'a> {
        let mut list = self.of("list", "list");
        list.query = parameter::LIST;
        list.answer = Some(schemas.list(self.described));
        list.watch = true;
        list
    }
}

/// What can be done with all objects.
fn collection<'a>(
    place: &Place<'a>,
    verbs: &[&str],
    schemas: &mut Schemas,
) -> Vec<(&'static str, Operation<'a>)> {
    let mut out = Vec::new();
    if verbs.contains(&"list") {
        out.push(("get", place.list(schemas)));
    }
    if verbs.contains(&"create") {
        let object = schemas.object(place.described);
        out.push(("post", create(place, object)));
    }
    if verbs.contains(&"deletecollection") {
        let mut delete = place.of("delete", "deletecollection");
        delete.id = format!("delete{}Collection{}", place.set, place.noun);
        delete.query = parameter::DELETE_ALL;
        delete.sent = Sent::Options(schemas.reference(OPTIONS));
        delete.answer = Some(schemas.reference(STATUS));
        out.push(("delete", delete));
    }
    out
}

fn create<'a>(place: &Place<'a>, object: Value) -> Operation<'a> {
    let mut create = place.of("create", "post");
    create.query = parameter::WRITE;
    create.sent = Sent::Object(object.clone());
    create.answer = Some(object);
    create.codes = &[OK, CREATED, ACCEPTED];
    create
}

/// What can be done with one.
fn item<'a>(
    place: &Place<'a>,
    verbs: &[&str],
    schemas: &mut Schemas,
) -> Vec<(&'static str, Operation<'a>)> {
    let object = schemas.object(place.described);
    let mut out = written(place, verbs, &object, schemas);
    if verbs.contains(&"delete") {
        let mut delete = place.of("delete", "delete");
        delete.query = parameter::DELETE;
        delete.sent = Sent::Options(schemas.reference(OPTIONS));
        delete.answer = Some(schemas.reference(STATUS));
        delete.codes = &[OK, ACCEPTED];
        out.push(("delete", delete));
    }
    out
}

/// Get, update and patch of an object or a part of it.
fn written<'a>(
    place: &Place<'a>,
    verbs: &[&str],
    object: &Value,
    schemas: &mut Schemas,
) -> Vec<(&'static str, Operation<'a>)> {
    let mut out = Vec::new();
    if verbs.contains(&"get") {
        let mut get = place.of("read", "get");
        get.answer = Some(object.clone());
        out.push(("get", get));
    }
    if verbs.contains(&"update") {
        let mut replace = place.of("replace", "put");
        replace.query = parameter::WRITE;
        replace.sent = Sent::Object(object.clone());
        replace.answer = Some(object.clone());
        replace.codes = &[OK, CREATED];
        out.push(("put", replace));
    }
    if verbs.contains(&"patch") {
        let mut patch = place.of("patch", "patch");
        patch.query = parameter::PATCH;
        patch.sent = Sent::Patch(schemas.reference(PATCH), !patch.custom);
        patch.answer = Some(object.clone());
        patch.codes = &[OK, CREATED];
        out.push(("patch", patch));
    }
    out
}

/// What can be done with a part of one.
fn below<'a>(
    place: &Place<'a>,
    part: &'a Subresource,
    schemas: &mut Schemas,
) -> Vec<(&'static str, Operation<'a>)> {
    let resource = place.described.resource;
    let verbs: Vec<&str> = part.verbs.iter().map(|verb| &**verb).collect();
    let kind = (&*part.group, &*part.version, &*part.kind);
    let own = kind == (&*resource.group, &*resource.version, &*resource.kind);
    let mut out = if part.name == "log" {
        let mut log = place.of("read", "get");
        log.query = parameter::LOG;
        vec![("get", log)]
    } else {
        let object = match own {
            true => schemas.object(place.described),
            false => schemas.reference(&part_name(&part.group, &part.version, &part.kind)),
        };
        let mut out = written(place, &verbs, &object, schemas);
        if verbs.contains(&"create") {
            out.push(("post", create(place, object)));
        }
        out
    };
    for (_, operation) in &mut out {
        operation.kind = kind;
    }
    out
}

/// Connections to what runs.
fn connect<'a>(place: &Place<'a>, part: &'a Subresource) -> Vec<(&'static str, Operation<'a>)> {
    let query: &[Parameter] = match &*part.name {
        "attach" => parameter::ATTACH,
        "exec" => parameter::EXEC,
        "portforward" => parameter::FORWARD,
        _ => parameter::PROXY,
    };
    let methods = part.verbs.iter().filter_map(|verb| {
        Some(match &**verb {
            "get" => ("get", "Get"),
            "create" => ("post", "Post"),
            "update" => ("put", "Put"),
            "patch" => ("patch", "Patch"),
            "delete" => ("delete", "Delete"),
            _ => return None,
        })
    });
    methods
        .map(|(method, word)| {
            let mut operation = place.of("connect", "connect");
            operation.id = format!("connect{}{word}{}", place.set, place.noun);
            operation.kind = (&part.group, &part.version, &part.kind);
            operation.query = query;
            (method, operation)
        })
        .collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
