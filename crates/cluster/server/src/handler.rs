//! HTTP in: who asks, for what, may they, and which operation answers.
//!
//! A request is parsed once. What is authorised is what was parsed, and what was parsed is executed.

mod body;
pub use body::{MAX_BODY_BYTES, read as read_body};
mod options;
mod resource;
mod seat;
mod stream;
mod trail;
mod watch;

pub(crate) use resource::verb as resource_verb;

use crate::api::Api;
use crate::audit::Notes;
use crate::auth::{Attributes, User, impersonate};
use crate::metrics::Series;
use crate::request::{Accept, Place, Query};
use crate::{answer, paths};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use teu_api::Status;
use teu_web::{Handler, Request, Response, peer};

/// A request may take this long, watches excepted.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Requests at a time, those that wait for their turn among them, watches excepted; the next are
/// told to come again.
const MAX_INFLIGHT: i64 = 10_000;

/// The server as a handler of requests.
#[derive(Debug, Clone)]
pub struct Service(Arc<Api>);

impl Service {
    /// Over an API.
    pub fn new(api: Arc<Api>) -> Self {
        Self(api)
    }
}

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        let api = &self.0;
        let begun = Instant::now();
        let inflight = api.metrics.inflight.fetch_add(1, Ordering::Relaxed);
        let guard = Inflight(Arc::clone(api));
        let mut series = Series {
            verb: "get".to_owned(),
            group: String::new(),
            version: String::new(),
            resource: String::new(),
            subresource: String::new(),
            code: 0,
        };
        let response = if inflight >= MAX_INFLIGHT {
            let status = Status::too_many_requests("too many requests, please try again later", 1);
            answer::status(&status, Accept::default())
        } else {
            route(api, request, &mut series).await
        };
        drop(guard);
        series.code = response.status().as_u16();
        api.metrics.count(series, begun.elapsed());
        response
    }
}

/// Counts a request out, however it ends.
struct Inflight(Arc<Api>);

impl Drop for Inflight {
    fn drop(&mut self) {
        self.0.metrics.inflight.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn route(api: &Arc<Api>, mut request: Request, series: &mut Series) -> Response {
    // Refusals are written as JSON or YAML, whatever else was asked for.
    let plain = Accept::of(request.headers(), false).unwrap_or_default();
    let query = match Query::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(status) => return answer::status(&status, plain),
    };
    let found = identify(api, &request).await;
    let place = Place::parse(request.uri().path());
    let trail = match &api.audit {
        Some(audit) => trail::begin(audit, &mut request, &found, place.as_ref(), &query).await,
        None => None,
    };
    let user = match found {
        Ok((user, _)) => user,
        Err(status) => return trail::end(trail, answer::status(&status, plain)).await,
    };
    // Whoever is elsewhere may take the time that the client gives him, and keeps no seat here.
    let leads_elsewhere = place.as_ref().is_some_and(crate::connect::leads_elsewhere);
    let asked = Asked { user, place, query };
    let mut sorted = None;
    let answered = match leads_elsewhere {
        true => Ok(execute(api, request, asked, series).await),
        // The answer to a watch has begun when its stream has; only that is timed.
        false => {
            let timed = async {
                let target = (&request.method().clone(), request.uri().path());
                let _seat = seat::seat(api, target, &asked, &mut sorted).await?;
                execute(api, request, asked, series).await
            };
            tokio::time::timeout(REQUEST_TIME, timed).await
        }
    };
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => answer::status(&status, plain),
        Err(_) => answer::status(&Status::timeout("the request took too long"), plain),
    };
    if let Some(sorted) = sorted {
        sorted.mark(response.headers_mut());
    }
    trail::end(trail, response).await
}

/// Who asks for what.
struct Asked {
    user: Arc<User>,
    /// The resource's; none for what is none.
    place: Option<Place>,
    query: Query,
}

/// Answers what has its turn.
async fn execute(
    api: &Arc<Api>,
    request: Request,
    asked: Asked,
    series: &mut Series,
) -> Result<Response, Status> {
    let Asked { user, place, query } = asked;
    // Whatever is below a group and version that another server serves is its affair.
    let mut segments = request.uri().path().trim_start_matches('/').split('/');
    if segments.next() == Some("apis")
        && let (Some(group), Some(version)) = (segments.next(), segments.next())
        && let Some(target) = api.remote(group, version).await
    {
        let (group, version) = (group.to_owned(), version.to_owned());
        series.resource = "aggregated".to_owned();
        authorize_remote(api, &user, &request, place.as_ref(), &query).await?;
        (series.group, series.version) = (group, version);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let manner = crate::proxy::Manner::Aggregated(&user);
        return crate::proxy::forward(api, request, &target?, &path, manner).await;
    }
    match place {
        Some(place) => {
            let named = Named { user, place, query };
            resource::handle(api, request, named, series).await
        }
        None => {
            authorize_path(api, &user, &request).await?;
            paths::handle(api, &request, &query).await
        }
    }
}

/// As whom a request is made, and who makes it, if that is another.
type Identified = Result<(Arc<User>, Option<Arc<User>>), Status>;

/// Where a request's way is noted, if it is.
fn notes(request: &Request) -> Option<Arc<Notes>> {
    request.extensions().get::<Arc<Notes>>().cloned()
}

/// What a request for a resource is about.
struct Named {
    user: Arc<User>,
    place: Place,
    query: Query,
}

async fn authorize_path(api: &Api, user: &User, request: &Request) -> Result<(), Status> {
    let verb = request.method().as_str().to_lowercase();
    let attributes = Attributes {
        user,
        verb: &verb,
        path: request.uri().path(),
        group: "",
        version: "",
        resource: "",
        subresource: "",
        namespace: "",
        name: "",
        fields: "",
    };
    api.demand_noted(&attributes, notes(request).as_deref()).await
}

/// The right to what another server has is asked for as for our own. The list of what it has is a path;
/// what is below that and cannot be read as a resource is nobody's: the other server might read it.
async fn authorize_remote(
    api: &Api,
    user: &User,
    request: &Request,
    place: Option<&Place>,
    query: &Query,
) -> Result<(), Status> {
    match place {
        None if is_below_version(request.uri().path()) => {
            Err(Status::not_found_path(request.uri().path()))
        }
        None => authorize_path(api, user, request).await,
        Some(place) => {
            let verb = resource::verb(request.method(), place, query)?;
            let choice = resource::choice(verb, query);
            let attributes = resource::attributes(user, verb, place, &choice);
            api.demand_noted(&attributes, notes(request).as_deref()).await
        }
    }
}

/// Whether something follows `/apis/GROUP/VERSION`.
fn is_below_version(path: &str) -> bool {
    path.trim_matches('/').splitn(4, '/').nth(3).is_some()
}

/// Who a request is made as.
async fn identify(api: &Api, request: &Request) -> Identified {
    let headers = request.headers();
    let real = api.authenticator.authenticate(api, &peer(request), headers).await?;
    let user = impersonate::apply(api, Arc::clone(&real), headers).await?;
    let is_other = !Arc::ptr_eq(&user, &real);
    Ok((user, is_other.then_some(real)))
}
