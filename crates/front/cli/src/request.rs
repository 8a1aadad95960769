//! From what was typed behind `run` or `create` to the request of the crate below.
//!
//! Files, devices, variables of the environment and names of other containers are looked up here;
//! how each value is read is in [`crate::options`].

use crate::context::{Context, warn};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use crate::options::{OptionError, environment, lists, mounts, ports, signals};
use crate::units;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::record::{
    ContainerRecord, NamespaceMode, PodRecord, RestartPolicy, SeccompChoice, SecurityRecord,
};
use teu_oci::image::Healthcheck;

mod network;
mod resources;

pub use network::published;
pub use resources::resources;

/// Largest file of variables, labels or seccomp rules.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// The whole request. Operands: image, then command.
pub fn request(ctx: &Context, matches: &Matches) -> Result<CreateRequest> {
    refuse_unsupported(matches)?;
    let mut pod = PodRecord::default();
    network::network(ctx, matches, &mut pod)?;
    namespaces(ctx, matches, &mut pod)?;
    let mut container = process(matches)?;
    container.healthcheck = healthcheck(matches)?;
    container.security = security(matches)?;
    container.resources = resources(matches)?;
    container.devices = resources::devices(matches, &mut container.resources)?;
    container.pid_mode = namespace(ctx, "pid", matches.nonempty("pid"), &[])?;
    container.cgroupns = match matches.nonempty("cgroupns") {
        None | Some("private") => NamespaceMode::Private,
        Some("host") => NamespaceMode::Host,
        Some(other) => {
            return Err(OptionError::value("cgroupns", other, "invalid CGROUP mode").into());
        }
    };
    for text in matches.list("expose") {
        container.exposed_ports.extend(ports::expose(text)?);
    }
    for port in &pod.network.ports {
        let last = u32::from(port.container_port) + u32::from(port.count.max(1));
        for number in u32::from(port.container_port)..last {
            let exposed = format!("{number}/{}", port.protocol);
            if !container.exposed_ports.contains(&exposed) {
                container.exposed_ports.push(exposed);
            }
        }
    }
    let mut request = CreateRequest {
        name: matches.nonempty("name").map(str::to_owned),
        image: matches.operand(0).to_owned(),
        entrypoint: matches.text("entrypoint").map(|text| match text {
            "" => Vec::new(),
            program => vec![program.to_owned()],
        }),
        volumes_from: matches.list("volumes-from").into_iter().map(str::to_owned).collect(),
        container,
        ..CreateRequest::default()
    };
    request.container.typed = typed(matches);
    add_mounts(matches, &mut request)?;
    request.pod = match matches.nonempty("pod") {
        None => PodChoice::Own(Box::new(pod)),
        Some(name) => match name.strip_prefix("new:") {
            Some(name) => {
                PodChoice::New(Box::new(PodRecord { name: Some(name.to_owned()), ..pod }))
            }
            None => PodChoice::Existing(name.to_owned()),
        },
    };
    Ok(request)
}

/// The command line again, each flag with its long name.
fn typed(matches: &Matches) -> Vec<String> {
    let mut words = Vec::with_capacity(matches.values.len() + matches.operands.len());
    for (flag, value) in &matches.values {
        words.push(match (flag.kind, value.as_str()) {
            (crate::flags::Kind::Switch, "true") => format!("--{}", flag.long),
            _ => format!("--{}={value}", flag.long),
        });
    }
    words.extend(matches.operands.iter().cloned());
    words
}

/// What `pod create` asks for: all that containers of a pod share.
pub fn pod(ctx: &Context, matches: &Matches) -> Result<PodRecord> {
    let mut pod = PodRecord::default();
    network::network(ctx, matches, &mut pod)?;
    namespaces(ctx, matches, &mut pod)?;
    pod.resources = resources(matches)?;
    pod.labels = labels(matches)?;
    pod.typed = typed(matches);
    Ok(pod)
}

fn refuse_unsupported(matches: &Matches) -> Result<()> {
    let refuse = |flag: &str, why: &str| {
        Err(Failure::new(format!("--{flag} is not supported: {why}")).code(125))
    };
    if matches.given("storage-opt") {
        return refuse("storage-opt", "layers are plain overlay directories without quotas")?;
    }
    if matches.given("gpus") {
        return refuse("gpus", "give device nodes with --device instead")?;
    }
    if matches.given("link-local-ip") {
        return refuse("link-local-ip", "use --ip and --ip6")?;
    }
    if let Some(other) = matches.nonempty("isolation").filter(|value| *value != "default") {
        return refuse("isolation", &format!("{other:?} is for Windows"))?;
    }
    if let Some(other) = matches.nonempty("runtime").filter(|name| *name != "teu") {
        return Err(Failure::new(format!("unknown or invalid runtime name: {other}"))
            .hint("Teu runs containers itself; leave --runtime out")
            .code(125));
    }
    if let Some(other) = matches.nonempty("volume-driver").filter(|name| *name != "local") {
        return refuse("volume-driver", &format!("there is no volume driver {other:?}"))?;
    }
    if matches.given("kernel-memory") {
        warn("Kernel memory limits are not kept by current kernels; --kernel-memory is ignored.");
    }
    Ok(())
}

fn process(matches: &Matches) -> Result<ContainerRecord> {
    let owned = |flag: &str| matches.text(flag).unwrap_or_default().to_owned();
    let texts = |flag: &str| matches.list(flag).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut rlimits: Vec<teu_oci::runtime::Rlimit> = Vec::new();
    for text in matches.list("ulimit") {
        let limit = lists::ulimit(text)?;
        rlimits.retain(|other| other.kind != limit.kind);
        rlimits.push(limit);
    }
    if let Some(signal) = matches.nonempty("stop-signal") {
        signals::parse(signal)?;
    }
    if let Some(adjustment) = matches.integer("oom-score-adj")
        && !(-1000..=1000).contains(&adjustment)
    {
        let reason = "must be between -1000 and 1000";
        return Err(OptionError::value("oom-score-adj", &adjustment.to_string(), reason).into());
    }
    let restart = lists::restart(matches.text("restart").unwrap_or_default())?;
    if matches.switch("rm") && restart != RestartPolicy::No {
        let message = "conflicting options: cannot specify both --restart and --rm";
        return Err(Failure::new(message));
    }
    let annotations = matches.list("annotation");
    Ok(ContainerRecord {
        command: matches.operands.get(1..).unwrap_or_default().to_vec(),
        env: variables(matches)?,
        user: owned("user"),
        group_add: texts("group-add"),
        working_dir: owned("workdir"),
        labels: labels(matches)?,
        annotations: environment::labels(annotations)?,
        tty: matches.switch("tty"),
        stdin_open: matches.switch("interactive"),
        rlimits,
        oom_score_adj: matches.integer("oom-score-adj").and_then(|n| i32::try_from(n).ok()),
        init: matches.switch("init"),
        readonly_rootfs: matches.switch("read-only"),
        restart,
        stop_signal: owned("stop-signal"),
        stop_timeout_s: matches.integer("stop-timeout"),
        auto_remove: matches.switch("rm"),
        log: lists::log(matches.nonempty("log-driver"), &matches.list("log-opt"))?,
        cidfile: matches.nonempty("cidfile").map(PathBuf::from),
        ..ContainerRecord::default()
    })
}

/// Variables of `--env-file` first: what is typed wins.
pub fn variables(matches: &Matches) -> Result<Vec<String>> {
    let lookup = |name: &str| std::env::var(name).ok();
    let mut variables = Vec::new();
    for path in matches.list("env-file") {
        let content = read_file(Path::new(path))?;
        variables.extend(environment::file(path, &content, &lookup)?);
    }
    for text in matches.list("env") {
        variables.push(environment::variable(text, &lookup)?);
    }
    Ok(variables)
}

fn labels(matches: &Matches) -> Result<BTreeMap<String, String>> {
    let mut lines = Vec::new();
    for path in matches.list("label-file") {
        let content = read_file(Path::new(path))?;
        lines.extend(environment::file(path, &content, &|_| Some(String::new()))?);
    }
    let texts = lines.iter().map(String::as_str).chain(matches.list("label"));
    Ok(environment::labels(texts)?)
}

/// A small file that a person named.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    let file = std::fs::File::open(path).doing(|| format!("open {}", path.display()))?;
    let read = file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut content);
    read.doing(|| format!("read {}", path.display()))?;
    if content.len() as u64 > FILE_LIMIT_BYTES {
        return Err(Failure::new(format!("{} is larger than 16 MiB", path.display())));
    }
    Ok(content)
}

fn healthcheck(matches: &Matches) -> Result<Option<Healthcheck>> {
    let time = |flag: &'static str| match matches.nonempty(flag) {
        None => Ok(0),
        Some(text) => {
            let ns = units::duration_ns(text);
            let ns = ns.map_err(|error| OptionError::value(flag, text, error.to_string()))?;
            match ns {
                i64::MIN..=-1 => Err(OptionError::value(flag, text, "cannot be negative")),
                1..1_000_000 => Err(OptionError::value(flag, text, "cannot be less than 1ms")),
                _ => Ok(ns),
            }
        }
    };
    let check = Healthcheck {
        test: match matches.nonempty("health-cmd") {
            Some(command) => vec!["CMD-SHELL".to_owned(), command.to_owned()],
            None => Vec::new(),
        },
        interval: time("health-interval")?,
        timeout: time("health-timeout")?,
        start_period: time("health-start-period")?,
        start_interval: time("health-start-interval")?,
        retries: matches.integer("health-retries").unwrap_or(0),
    };
    if check.retries < 0 {
        return Err(Failure::new("--health-retries cannot be negative"));
    }
    if matches.switch("no-healthcheck") {
        if check != Healthcheck::default() {
            return Err(Failure::new("--no-healthcheck conflicts with --health-* options"));
        }
        let test = vec!["NONE".to_owned()];
        return Ok(Some(Healthcheck { test, ..Healthcheck::default() }));
    }
    Ok((check != Healthcheck::default()).then_some(check))
}

fn security(matches: &Matches) -> Result<SecurityRecord> {
    let capabilities = |flag: &'static str| -> Result<Vec<String>> {
        let normal = |name: &&str| {
            let upper = name.to_ascii_uppercase();
            match upper.as_str() {
                "ALL" => upper,
                name if name.starts_with("CAP_") => upper,
                name => format!("CAP_{name}"),
            }
        };
        Ok(matches.list(flag).iter().map(normal).collect())
    };
    let mut security = SecurityRecord {
        privileged: matches.switch("privileged"),
        cap_add: capabilities("cap-add")?,
        cap_drop: capabilities("cap-drop")?,
        ..SecurityRecord::default()
    };
    for text in matches.list("security-opt") {
        security_option(text, &mut security)?;
    }
    Ok(security)
}

fn security_option(text: &str, security: &mut SecurityRecord) -> Result<()> {
    let invalid =
        || OptionError::value("security-opt", text, format!("invalid --security-opt: {text:?}"));
    let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    match (key, value) {
        ("no-new-privileges", None) => security.no_new_privileges = true,
        ("no-new-privileges", Some(value)) => {
            security.no_new_privileges = crate::options::boolean(value).ok_or_else(invalid)?;
        }
        ("systempaths", Some("unconfined")) => security.unmask_system_paths = true,
        ("seccomp", Some("unconfined")) => security.seccomp = SeccompChoice::Unconfined,
        ("seccomp", Some("builtin" | "default")) => security.seccomp = SeccompChoice::Default,
        ("seccomp", Some(path)) => {
            let profile =
                read_file(Path::new(path)).doing(|| "opening seccomp profile failed".into())?;
            serde_json::from_slice::<serde_json::Value>(&profile)
                .doing(|| format!("compacting json for seccomp profile {path:?} failed"))?;
            security.seccomp = SeccompChoice::Profile(String::from_utf8(profile)?);
        }
        ("apparmor", Some("unconfined")) | ("label", Some(_)) => {}
        ("apparmor", Some(profile)) => {
            return Err(Failure::new(format!(
                "--security-opt apparmor={profile}: AppArmor profiles are not applied by this version"
            ))
            .hint("starting without the profile you asked for would be less safe than not starting")
            .code(125));
        }
        _ => return Err(invalid().into()),
    }
    Ok(())
}

fn add_mounts(matches: &Matches, request: &mut CreateRequest) -> Result<()> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut options = Vec::new();
    for text in matches.list("volume") {
        options.push(mounts::volume(text, &directory)?);
    }
    for text in matches.list("mount") {
        options.push(mounts::mount(text, &directory)?);
    }
    for text in matches.list("tmpfs") {
        options.push(mounts::tmpfs(text)?);
    }
    for option in options {
        request.container.mounts.push(option.record);
        request.create_sources.extend(option.create_source);
        request.volumes.extend(option.volume);
    }
    Ok(())
}

fn namespaces(ctx: &Context, matches: &Matches, pod: &mut PodRecord) -> Result<()> {
    pod.ipc = namespace(ctx, "ipc", matches.nonempty("ipc"), &["shareable", "none"])?;
    pod.uts = match matches.nonempty("uts") {
        None | Some("private") => NamespaceMode::Private,
        Some("host") => NamespaceMode::Host,
        Some(_) => return Err(Failure::new("--uts: invalid UTS mode")),
    };
    for text in matches.list("sysctl") {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        pod.sysctls.insert(key.to_owned(), value.to_owned());
    }
    if let Some(size) = matches.nonempty("shm-size") {
        pod.shm_size_bytes = units::bytes(size)
            .map_err(|error| OptionError::value("shm-size", size, error.to_string()))?;
    }
    pod.cgroup_parent = matches.nonempty("cgroup-parent").map(str::to_owned);
    resources::user_namespace(matches, pod)
}

/// `host`, `private`, `container:NAME`, and words that mean private here.
fn namespace(
    ctx: &Context,
    flag: &str,
    value: Option<&str>,
    also_private: &[&str],
) -> Result<NamespaceMode> {
    Ok(match value {
        None | Some("private") => NamespaceMode::Private,
        Some("host") => NamespaceMode::Host,
        Some(word) if also_private.contains(&word) => NamespaceMode::Private,
        Some(other) => match other.strip_prefix("container:").filter(|name| !name.is_empty()) {
            Some(name) => NamespaceMode::Container(ctx.containers()?.find(name)?.record.id),
            None => {
                let upper = flag.to_ascii_uppercase();
                return Err(Failure::new(format!("--{flag}: invalid {upper} mode")));
            }
        },
    })
}
