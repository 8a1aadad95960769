//! Requests for resources: the verb, the right to it, the operation.

use super::options::write_options;
use super::watch::watch;
use super::{Named, body};
use crate::answer;
use crate::api::{Api, Call};
use crate::auth::{Attributes, User, reviews};
use crate::components;
use crate::connect;
use crate::encode::{self, Include, Look};
use crate::metrics::Series;
use crate::request::accept::TYPES;
use crate::request::{Accept, Form, Place, Query};
use crate::verbs::Written;
use crate::verbs::delete::{DeleteOptions, Deleted};
use crate::verbs::input::{Input, PATCH_TYPES};
use crate::verbs::list::{ListError, ListRequest};
use crate::verbs::read::at_least;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::decode::Strictness;
use teu_api::selector::FieldSelector;
use teu_api::{Cause, Status, kinds, object};
use teu_web::{Request, Response};

/// What a method means here.
pub(crate) fn verb(method: &Method, place: &Place, query: &Query) -> Result<&'static str, Status> {
    let is_object = !place.name.is_empty();
    Ok(match *method {
        Method::GET | Method::HEAD => {
            // An object's own path is read, whatever its query says.
            let is_watch = place.is_watch || (!is_object && query.switch("watch")?);
            match (is_watch && place.subresource.is_empty(), is_object) {
                (true, _) => "watch",
                (_, true) => "get",
                (_, false) => "list",
            }
        }
        _ if place.is_watch => {
            return Err(Status::method_not_allowed("", &place.plural, method.as_str()));
        }
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if is_object => "delete",
        Method::DELETE => "deletecollection",
        // No role has a verb without a name; who may everything may this.
        Method::OPTIONS if place.subresource == "proxy" => "",
        _ => return Err(Status::method_not_allowed("", &place.plural, method.as_str())),
    })
}

/// What a list or watch leaves, as far as it counts for the right to it.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    fields: &'a str,
    /// The one object it can be about: read as it will be executed, not from its text.
    name: String,
}

/// The choice of a request.
pub(super) fn choice<'a>(verb: &str, query: &'a Query) -> Choice<'a> {
    if !matches!(verb, "list" | "watch" | "deletecollection") {
        return Choice::default();
    }
    let fields = query.text("fieldSelector");
    let name = FieldSelector::parse(fields)
        .ok()
        .and_then(|fields| fields.exact("metadata.name").map(str::to_owned))
        .filter(|name| !name.contains(['/', '%']));
    Choice { fields, name: name.unwrap_or_default() }
}

/// What is authorised: what was parsed.
pub(super) fn attributes<'a>(
    user: &'a User,
    verb: &'a str,
    place: &'a Place,
    choice: &'a Choice<'_>,
) -> Attributes<'a> {
    Attributes {
        user,
        verb,
        path: "",
        group: &place.group,
        version: &place.version,
        resource: &place.plural,
        subresource: &place.subresource,
        // A namespace is in itself: who may do something in it may read it.
        namespace: match &*place.plural {
            "namespaces" if place.namespace.is_empty() => &place.name,
            _ => &place.namespace,
        },
        name: if place.name.is_empty() { &choice.name } else { &place.name },
        fields: choice.fields,
    }
}

/// Answers one.
pub(super) async fn handle(
    api: &Arc<Api>,
    request: Request,
    named: Named,
    series: &mut Series,
) -> Result<Response, Status> {
    let Named { user, place, query } = named;
    let verb = verb(request.method(), &place, &query)?;
    let notes = super::notes(&request);
    let choice = choice(verb, &query);
    api.demand_noted(&attributes(&user, verb, &place, &choice), notes.as_deref()).await?;
    let rows = api.table.rows();
    let found = rows.find(&place.group, &place.version, &place.plural).cloned();
    let entry = found.ok_or_else(|| Status::not_found_path(&place.plural))?;
    let resource = &entry.row.resource;
    // What is in no namespace is not found in one; what is in one is made in one.
    let is_placed = resource.is_namespaced() || place.namespace.is_empty();
    let is_whole = !place.namespace.is_empty() || !resource.is_namespaced();
    let is_too_long = !place.rest.is_empty() && place.subresource != "proxy";
    if is_too_long || !is_placed || (!is_whole && !place.name.is_empty()) {
        return Err(Status::not_found_path(&place.plural));
    }
    // An object is made in its collection, and only an object is changed.
    let is_made = place.name.is_empty() || !place.subresource.is_empty();
    let is_apt = match verb {
        "create" => is_made,
        "update" | "patch" => !place.name.is_empty(),
        _ => true,
    };
    if !is_apt {
        return Err(not_allowed());
    }
    verb.clone_into(&mut series.verb);
    series.group = place.group.clone();
    series.version = place.version.clone();
    series.resource = place.plural.clone();
    let leads_elsewhere = connect::leads_elsewhere(&place);
    let call = Call {
        user,
        entry,
        rows,
        namespace: place.namespace,
        name: place.name,
        subresource: place.subresource,
    };
    if !verb.is_empty() {
        check_verb(&call, verb)?;
    }
    series.subresource = call.subresource.clone();
    if leads_elsewhere {
        "connect".clone_into(&mut series.verb);
        return connect::handle(api, request, &call, &query, &place.rest).await;
    }
    let look = Look {
        accept: accept(&call, request.headers(), &query)?,
        include: Include::parse(query.text("includeObject"))?,
        now: api.wall.seconds(),
    };
    let answered = match verb {
        "watch" => watch(api, &call, request, &query, look).await,
        "list" => list(api, &call, &query, look).await,
        "get" => get(api, &call, &query, look).await,
        "delete" | "deletecollection" => delete(api, &call, request, &query, look).await,
        _ => write(api, &call, request, &query, look).await,
    }?;
    Ok(match call.entry.row.rules.deprecated() {
        Some(text) => answer::warn(answered, &[text.to_owned()]),
        None => answered,
    })
}

fn accept(call: &Call, headers: &http::HeaderMap, query: &Query) -> Result<Accept, Status> {
    let mut accept = Accept::of(headers, !call.entry.is_custom)?;
    // What is only asked, as reviews are, has no rows.
    if accept.form == Form::Table && !call.entry.row.resource.has_verb("get") {
        return Err(Status::not_acceptable(&TYPES));
    }
    if query.find("pretty").is_some() {
        accept.is_pretty = query.switch("pretty")?;
    }
    Ok(accept)
}

/// Refuses what the resource cannot do.
fn check_verb(call: &Call, verb: &str) -> Result<(), Status> {
    let resource = &call.entry.row.resource;
    let verbs = if call.subresource.is_empty() {
        &resource.verbs
    } else {
        let found = resource.subresources.iter().find(|below| below.name == *call.subresource);
        &found.ok_or_else(|| Status::not_found_path(&call.subresource))?.verbs
    };
    match verbs.iter().any(|known| known == verb) {
        true => Ok(()),
        false => Err(not_allowed()),
    }
}

/// 405.
fn not_allowed() -> Status {
    let text = "the server does not allow this method on the requested resource";
    Status::new(405, "MethodNotAllowed", text)
}

async fn get(api: &Api, call: &Call, query: &Query, look: Look) -> Result<Response, Status> {
    let at = at_least(query.text("resourceVersion"))?;
    let found = match components::are_meant(call) {
        true => api.component(call).await?,
        false => api.get(call, at).await?,
    };
    if call.is_derived() {
        let whole = call.entry.open(&found.stored, found.revision)?;
        return derived(call, &whole, look);
    }
    let body = encode::object(&call.entry, &found.stored, found.revision, &look)?;
    Ok(answer::encoded(200, body, look.accept))
}

/// A subresource that is a document of its own, such as `scale`.
fn derived(call: &Call, whole: &Value, look: Look) -> Result<Response, Status> {
    let part = call.entry.row.rules.read_subresource(whole, &call.subresource)?;
    let rules = match call.entry.row.resource.subresource(&call.subresource) {
        Some(below) => kinds::rules(&below.group, &below.version, &below.kind),
        None => Arc::clone(&call.entry.row.rules),
    };
    Ok(answer::document(200, &encode::form(&*rules, part, &look), look.accept))
}

async fn list(api: &Api, call: &Call, query: &Query, look: Look) -> Result<Response, Status> {
    let request = ListRequest::of(call, query)?;
    let listed = match components::are_meant(call) {
        true => Ok(api.components(call, &request).await),
        false => api.list(call, &request).await,
    };
    match listed {
        Ok(listing) => {
            let body = encode::list::list(&call.entry, &listing, &look)?;
            Ok(answer::encoded(200, body, look.accept))
        }
        Err(ListError { status, next: None }) => Err(status),
        Err(ListError { status, next: Some(next) }) => {
            let mut shown = status.to_value();
            shown["metadata"] = json!({ "continue": next });
            Ok(answer::failure(&status, &shown, look.accept))
        }
    }
}

async fn write(
    api: &Arc<Api>,
    call: &Call,
    request: Request,
    query: &Query,
    look: Look,
) -> Result<Response, Status> {
    let agent = request.headers().get(http::header::USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let method = request.method().clone();
    let options = write_options(&method, query, &agent)?;
    let media_type = body::media_type(request.headers()).to_owned();
    let bytes = body::read(request).await?;
    let (input, told) = match method {
        Method::PATCH => patch(call, query, &media_type, &bytes, options.validation)?,
        _ => {
            let (sent, told) = body::object(call, &media_type, &bytes, options.validation)?;
            (Input::Whole(sent), told)
        }
    };
    let mut written = match input {
        Input::Whole(sent) if method == Method::POST => {
            if let Some(review) = reviews::answer(api, call, &sent).await {
                return Ok(answer::document(201, &review?, look.accept));
            }
            if let Some(pod) = bound(call, &sent) {
                let (done, more) = api.create_part(&pod, sent, &options).await?;
                let done = answer::document(201, &done, look.accept);
                return Ok(answer::warn(done, &[told, more].concat()));
            }
            if !call.entry.is_stored() {
                let (group, plural) = (call.entry.group(), call.entry.plural());
                return Err(Status::method_not_allowed(group, plural, "create"));
            }
            if !call.subresource.is_empty() {
                let (done, more) = api.create_part(call, sent, &options).await?;
                let done = answer::document(201, &done, look.accept);
                return Ok(answer::warn(done, &[told, more].concat()));
            }
            api.create(call, sent, &options).await?
        }
        input => api.change(call, input, &options).await?,
    };
    written.warnings.splice(0..0, told);
    respond(call, &written, look)
}

/// The pod that a binding is of which is made by its old name, in a collection of bindings.
fn bound(call: &Call, sent: &Value) -> Option<Call> {
    let is_binding = (call.entry.group(), call.entry.plural()) == ("", "bindings");
    let name = object::name(sent).to_owned();
    // A name that is more than a name could lead into another namespace.
    if !is_binding || call.namespace.is_empty() || name.contains('/') {
        return None;
    }
    let entry = call.rows.find("", "v1", "pods").cloned()?;
    Some(Call { entry, name, subresource: "binding".to_owned(), ..call.clone() })
}

/// A patch, by what it says it is.
fn patch(
    call: &Call,
    query: &Query,
    media_type: &str,
    bytes: &[u8],
    how: Strictness,
) -> Result<(Input, Vec<String>), Status> {
    let is_custom = call.entry.is_custom;
    let refuse = |cause| Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    let is_apply = media_type == "application/apply-patch+yaml";
    if !is_apply && query.find("force").is_some() {
        return refuse(Cause::forbidden("force", "may not be specified for non-apply patch"));
    }
    let make = match media_type {
        "application/json-patch+json" => Input::JsonPatch,
        "application/merge-patch+json" => Input::MergePatch,
        "application/strategic-merge-patch+json" if !is_custom => Input::StrategicPatch,
        "application/apply-patch+yaml" => {
            if query.text("fieldManager").is_empty() {
                return refuse(Cause::required("fieldManager", "is required for apply patch"));
            }
            let (sent, told) = body::configuration(call, bytes, how)?;
            return Ok((Input::Applied(sent), told));
        }
        _ => {
            let count = if is_custom { PATCH_TYPES.len() - 1 } else { PATCH_TYPES.len() };
            return Err(Status::unsupported_media_type(&PATCH_TYPES[..count]));
        }
    };
    // What it makes is looked at when it is made.
    let decoded = body::decode("application/json", bytes, None)?;
    Ok((make(decoded.value), Vec::new()))
}

fn respond(call: &Call, written: &Written, look: Look) -> Result<Response, Status> {
    let object = &written.object;
    if call.is_derived() {
        let whole = call.entry.open(&object.stored, object.revision)?;
        return derived(call, &whole, look);
    }
    let body = encode::object(&call.entry, &object.stored, object.revision, &look)?;
    let code = if written.is_new { 201 } else { 200 };
    Ok(answer::warn(answer::encoded(code, body, look.accept), &written.warnings))
}

async fn delete(
    api: &Arc<Api>,
    call: &Call,
    request: Request,
    query: &Query,
    look: Look,
) -> Result<Response, Status> {
    let media_type = body::media_type(request.headers()).to_owned();
    let bytes = body::read(request).await?;
    let document = body::delete_options(&media_type, &bytes)?;
    let options = DeleteOptions::of(&document, query)?;
    if call.name.is_empty() {
        let listing =
            api.list(call, &ListRequest::of(call, query)?).await.map_err(|error| error.status)?;
        api.delete_all(call, &listing.items, &options).await?;
        let body = encode::list::list(&call.entry, &listing, &look)?;
        return Ok(answer::encoded(200, body, look.accept));
    }
    match api.delete(call, &options).await? {
        Deleted::Gone(_, last) if !returns_object(call) => {
            Ok(answer::document(200, &gone(call, &last), look.accept))
        }
        other => respond(call, &other.into_written(), look),
    }
}

/// Kinds whose deletion answers the object though it is gone.
fn returns_object(call: &Call) -> bool {
    let kinds = [
        "pods",
        "persistentvolumes",
        "persistentvolumeclaims",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
    ];
    call.entry.group().is_empty() && kinds.contains(&call.entry.plural())
}

fn gone(call: &Call, last: &Value) -> Value {
    let mut details =
        json!({ "name": call.name, "kind": call.entry.plural(), "uid": object::uid(last) });
    if !call.entry.group().is_empty() {
        details["group"] = call.entry.group().into();
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    })
}
