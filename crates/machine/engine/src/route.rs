//! From a method and a path to what is asked for. Pure: nothing is looked up.
//!
//! The path is decoded once, before it is matched, and names keep what they decoded to: a name that
//! holds a slash is an image's or a plugin's, of everything else no route matches it.

use crate::version::Version;

/// Something that can be asked for. The names are those of Docker's operations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Route {
    Ping,
    Version,
    Info,
    Auth,
    DataUsage,
    Events,
    Distribution(String),
    Grpc,
    Session,
    Container(ContainerRoute),
    Exec(ExecRoute),
    Image(ImageRoute),
    Network(NetworkRoute),
    Volume(VolumeRoute),
    Build(BuildRoute),
    /// Swarm, plugins: what Docker has and Teu does not.
    Off(Off),
}

/// `/containers`
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ContainerRoute {
    List,
    Create,
    Prune,
    Inspect(String),
    Remove(String),
    Start(String),
    Stop(String),
    Restart(String),
    Kill(String),
    Pause(String),
    Unpause(String),
    Rename(String),
    Update(String),
    Wait(String),
    Top(String),
    Stats(String),
    Logs(String),
    Attach(String),
    AttachWebSocket(String),
    Resize(String),
    Exec(String),
    ArchiveGet(String),
    ArchiveHead(String),
    ArchivePut(String),
    Changes(String),
    Export(String),
    Checkpoint(String),
    Commit,
}

/// `/exec`
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExecRoute {
    Start(String),
    Resize(String),
    Inspect(String),
}

/// `/images`
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ImageRoute {
    List,
    Create,
    Load,
    Prune,
    Search,
    SaveMany,
    Save(String),
    Inspect(String),
    History(String),
    Push(String),
    Tag(String),
    Remove(String),
}

/// `/networks`
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum NetworkRoute {
    List,
    Create,
    Prune,
    Inspect(String),
    Remove(String),
    Connect(String),
    Disconnect(String),
}

/// `/volumes`
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum VolumeRoute {
    List,
    Create,
    Prune,
    Inspect(String),
    Remove(String),
    Update(String),
}

/// `/build`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BuildRoute {
    Build,
    Prune,
    Cancel,
}

/// What is off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Off {
    Plugins,
    Plugin(String),
    PluginChange,
    SwarmJoin,
    SwarmLeave,
    Swarm,
}

/// What is known of a request before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which version of the API it is written in.
    pub version: Version,
    /// What is asked for; `None` for nothing that exists.
    pub route: Option<Route>,
}

/// Routes a decoded path; an error is about the version.
pub fn route(method: &str, path: &str) -> Result<Asked, String> {
    let (version, rest) = Version::split(path);
    let version = version?;
    let route = find(method, rest.trim_start_matches('/').trim_end_matches('/'));
    Ok(Asked { version, route })
}

fn find(method: &str, path: &str) -> Option<Route> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let name = || rest.to_owned();
    Some(match (method, first, rest) {
        ("GET" | "HEAD", "_ping", "") => Route::Ping,
        ("GET", "version", "") => Route::Version,
        ("GET", "info", "") => Route::Info,
        ("POST", "auth", "") => Route::Auth,
        ("GET", "events", "") => Route::Events,
        ("GET", "system", "df") => Route::DataUsage,
        ("GET", "distribution", _) => {
            Route::Distribution(rest.strip_suffix("/json").filter(|n| !n.is_empty())?.to_owned())
        }
        ("POST", "grpc", "") => Route::Grpc,
        ("POST", "session", "") => Route::Session,
        ("POST", "commit", "") => Route::Container(ContainerRoute::Commit),
        ("POST", "build", "") => Route::Build(BuildRoute::Build),
        ("POST", "build", "prune") => Route::Build(BuildRoute::Prune),
        ("POST", "build", "cancel") => Route::Build(BuildRoute::Cancel),
        (_, "containers", _) => Route::Container(container(method, rest)?),
        (_, "exec", _) => Route::Exec(exec(method, rest)?),
        (_, "images", _) => Route::Image(image(method, rest)?),
        (_, "networks", _) => Route::Network(network(method, rest)?),
        (_, "volumes", _) => Route::Volume(volume(method, rest)?),
        ("GET", "plugins", "") => Route::Off(Off::Plugins),
        ("GET", "plugins", "privileges") | ("POST", "plugins", _) => Route::Off(Off::PluginChange),
        ("GET" | "DELETE", "plugins", _) => Route::Off(Off::Plugin(name())),
        ("POST", "swarm", "init" | "join") => Route::Off(Off::SwarmJoin),
        ("POST", "swarm", "leave") => Route::Off(Off::SwarmLeave),
        (_, "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", _) => {
            Route::Off(Off::Swarm)
        }
        _ => return None,
    })
}

fn container(method: &str, rest: &str) -> Option<ContainerRoute> {
    use ContainerRoute as R;
    let (name, verb) = rest.split_once('/').unwrap_or((rest, ""));
    let id = || name.to_owned();
    if name.is_empty() {
        return None;
    }
    Some(match (method, name, verb) {
        ("GET", "json", "") => R::List,
        ("POST", "create", "") => R::Create,
        ("POST", "prune", "") => R::Prune,
        ("DELETE", _, "") => R::Remove(id()),
        ("GET", _, "json") => R::Inspect(id()),
        ("POST", _, "start") => R::Start(id()),
        ("POST", _, "stop") => R::Stop(id()),
        ("POST", _, "restart") => R::Restart(id()),
        ("POST", _, "kill") => R::Kill(id()),
        ("POST", _, "pause") => R::Pause(id()),
        ("POST", _, "unpause") => R::Unpause(id()),
        ("POST", _, "rename") => R::Rename(id()),
        ("POST", _, "update") => R::Update(id()),
        ("POST", _, "wait") => R::Wait(id()),
        ("GET", _, "top") => R::Top(id()),
        ("GET", _, "stats") => R::Stats(id()),
        ("GET", _, "logs") => R::Logs(id()),
        ("POST", _, "attach") => R::Attach(id()),
        ("GET", _, "attach/ws") => R::AttachWebSocket(id()),
        ("POST", _, "resize") => R::Resize(id()),
        ("POST", _, "exec") => R::Exec(id()),
        ("GET", _, "archive") => R::ArchiveGet(id()),
        ("HEAD", _, "archive") => R::ArchiveHead(id()),
        ("PUT", _, "archive") => R::ArchivePut(id()),
        ("GET", _, "changes") => R::Changes(id()),
        ("GET", _, "export") => R::Export(id()),
        ("GET" | "POST", _, "checkpoints") => R::Checkpoint(id()),
        ("DELETE", _, verb) if verb.starts_with("checkpoints/") => R::Checkpoint(id()),
        _ => return None,
    })
}

fn exec(method: &str, rest: &str) -> Option<ExecRoute> {
    let (id, verb) = rest.split_once('/')?;
    let id = id.to_owned();
    Some(match (method, verb) {
        ("POST", "start") => ExecRoute::Start(id),
        ("POST", "resize") => ExecRoute::Resize(id),
        ("GET", "json") => ExecRoute::Inspect(id),
        _ => return None,
    })
}

fn image(method: &str, rest: &str) -> Option<ImageRoute> {
    use ImageRoute as R;
    match (method, rest) {
        ("GET", "json") => return Some(R::List),
        ("GET", "search") => return Some(R::Search),
        ("GET", "get") => return Some(R::SaveMany),
        ("POST", "create") => return Some(R::Create),
        ("POST", "load") => return Some(R::Load),
        ("POST", "prune") => return Some(R::Prune),
        _ => {}
    }
    if method == "DELETE" {
        return (!rest.is_empty()).then(|| R::Remove(rest.to_owned()));
    }
    let (name, verb) = rest.rsplit_once('/')?;
    let name = name.to_owned();
    Some(match (method, verb) {
        ("GET", "get") => R::Save(name),
        ("GET", "json") => R::Inspect(name),
        ("GET", "history") => R::History(name),
        ("POST", "push") => R::Push(name),
        ("POST", "tag") => R::Tag(name),
        _ => return None,
    })
}

fn network(method: &str, rest: &str) -> Option<NetworkRoute> {
    use NetworkRoute as R;
    let (name, verb) = rest.split_once('/').unwrap_or((rest, ""));
    let id = || name.to_owned();
    Some(match (method, name, verb) {
        ("GET", "", "") => R::List,
        ("POST", "create", "") => R::Create,
        ("POST", "prune", "") => R::Prune,
        (_, "", _) => return None,
        ("GET", _, "") => R::Inspect(id()),
        ("DELETE", _, "") => R::Remove(id()),
        ("POST", _, "connect") => R::Connect(id()),
        ("POST", _, "disconnect") => R::Disconnect(id()),
        _ => return None,
    })
}

fn volume(method: &str, rest: &str) -> Option<VolumeRoute> {
    use VolumeRoute as R;
    if rest.contains('/') {
        return None;
    }
    Some(match (method, rest) {
        ("GET", "") => R::List,
        ("POST", "create") => R::Create,
        ("POST", "prune") => R::Prune,
        (_, "") => return None,
        ("GET", name) => R::Inspect(name.to_owned()),
        ("DELETE", name) => R::Remove(name.to_owned()),
        ("PUT", name) => R::Update(name.to_owned()),
        _ => return None,
    })
}

/// How a request's body is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// A document, whole, of a limited size.
    Document,
    /// A stream (a tar), read while it comes.
    Stream,
}

/// How long a request may hold its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It ends by itself.
    Short,
    /// As long as somebody wants it: follows, waits, moves gigabytes.
    Long,
}

impl Route {
    /// How its body is taken.
    pub fn body(&self) -> BodyKind {
        match self {
            Self::Container(ContainerRoute::ArchivePut(_))
            | Self::Image(ImageRoute::Load | ImageRoute::Create)
            | Self::Build(BuildRoute::Build) => BodyKind::Stream,
            _ => BodyKind::Document,
        }
    }

    /// How long it may take.
    pub fn pace(&self) -> Pace {
        use ContainerRoute as C;
        match self {
            Self::Events | Self::Build(BuildRoute::Build) => Pace::Long,
            Self::Auth | Self::Distribution(_) | Self::Image(ImageRoute::Search) => Pace::Long,
            Self::Container(
                C::Wait(_)
                | C::Stop(_)
                | C::Restart(_)
                | C::Stats(_)
                | C::Logs(_)
                | C::Attach(_)
                | C::AttachWebSocket(_)
                | C::ArchiveGet(_)
                | C::ArchivePut(_)
                | C::Export(_)
                | C::Commit,
            ) => Pace::Long,
            Self::Exec(ExecRoute::Start(_)) => Pace::Long,
            Self::Image(
                ImageRoute::Create
                | ImageRoute::Load
                | ImageRoute::Push(_)
                | ImageRoute::Save(_)
                | ImageRoute::SaveMany,
            ) => Pace::Long,
            _ => Pace::Short,
        }
    }

    /// Speaks WebSocket.
    pub fn is_web_socket(&self) -> bool {
        matches!(self, Self::Container(ContainerRoute::AttachWebSocket(_)))
    }

    /// Takes its connection over even from clients that do not say so.
    pub fn is_hijacked(&self) -> bool {
        matches!(self, Self::Container(ContainerRoute::Attach(_)) | Self::Exec(ExecRoute::Start(_)))
    }
}

#[cfg(test)]
mod tests;
