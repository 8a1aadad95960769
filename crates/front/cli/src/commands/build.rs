//! `teu build`: an image from a Dockerfile.

use crate::context::{Context, out_is_terminal};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::{OptionError, environment, lists::ulimit};
use crate::progress::{BuildPrinter, live::Live, plain::Plain};
use crate::units;
use rustix::termios::isatty;
use std::io::Read;
use std::path::{Path, PathBuf};
use teu_builder::{
    BuildRequest, ContextSource, DockerfileSource, Entitlement, Environment, NamedContext,
    NetworkMode, Outcome, Output, Outside, Secret, SecretSource, Vault,
};

mod lists;
mod network;
mod outside;

pub(crate) use lists::ssh_agent;

/// Largest Dockerfile on standard input, in bytes.
const DOCKERFILE_LIMIT_BYTES: u64 = 4 << 20;
/// What the cache keeps unless the environment says otherwise, in bytes.
const CACHE_BUDGET_BYTES: u64 = 20 << 30;

/// The command.
pub const BUILD: Command = Command {
    usage: "[OPTIONS] PATH | -",
    arity: Arity::Exactly(1),
    flags: &[FLAGS, LIMITS],
    operands: Completes::Files,
    examples: &[
        ("teu build -t app:1 .", "the Dockerfile of this directory"),
        ("teu build --target test --progress plain .", "one stage, all output"),
        ("teu build --secret id=npm,src=.npmrc -t app .", "a secret that stays out of the image"),
        ("teu build -o out .", "the files instead of an image"),
        ("teu build --sbom true --provenance true -t app .", "with what it has and was made from"),
    ],
    ..Command::new("build", "Build an image from a Dockerfile", run)
};

const FLAGS: &[Flag] = &[
    Flag::list("add-host", "Add a custom host-to-IP mapping (host:ip)"),
    Flag::list("allow", "Allow extra privileged entitlement (network.host, security.insecure)"),
    Flag::list("annotation", "Add annotation to the image"),
    Flag::list("attest", "Attach an attestation (type=provenance[,mode=max], type=sbom)"),
    Flag::list("build-arg", "Set build-time variables"),
    Flag::list("build-context", "Additional build contexts (name=path)"),
    Flag::list(
        "cache-from",
        "External cache sources (NAME, type=registry,ref=NAME, type=local,src=DIR)",
    ),
    Flag::list(
        "cache-to",
        "Cache export destinations (type=registry,ref=NAME, type=local,dest=DIR, type=inline)",
    ),
    Flag::switch("check", "Check the Dockerfile and stop"),
    Flag::switch("compress", "").hidden(),
    Flag::text("file", "string", "Name of the Dockerfile (default: PATH/Dockerfile)")
        .short('f')
        .completes(Completes::Files),
    Flag::switch("force-rm", "").hidden(),
    Flag::text("iidfile", "string", "Write the image ID to a file").completes(Completes::Files),
    Flag::text("isolation", "string", "").hidden(),
    Flag::list("label", "Set metadata for an image"),
    Flag::switch("load", "").hidden(),
    Flag::text("metadata-file", "string", "Write build result metadata to a file")
        .completes(Completes::Files),
    Flag::text("network", "string", "Networking mode for the RUN instructions (default|none|host)")
        .completes(Completes::Words(&["default", "none", "host"])),
    Flag::switch("no-cache", "Do not use cache when building the image"),
    Flag::list("no-cache-filter", "Do not cache specified stages"),
    Flag::list("output", "Output destination (type=local|tar|oci|docker|image,dest=PATH)")
        .short('o'),
    Flag::list(
        "platform",
        "Set target platform for build (linux/amd64,linux/arm64 makes an index)",
    ),
    Flag::text("progress", "string", "Set type of progress output (auto|plain|tty|json|quiet)")
        .completes(Completes::Words(&["auto", "plain", "tty", "json", "quiet"])),
    Flag::text("provenance", "string", "Shorthand for --attest type=provenance (true, mode=max)"),
    Flag::switch("pull", "Always attempt to pull base images"),
    Flag::switch("push", "Push the tags to their registries when the image is built"),
    Flag::switch("quiet", "Suppress the build output and print image ID on success").short('q'),
    Flag::switch("rm", "").hidden(),
    Flag::text("sbom", "string", "Shorthand for --attest type=sbom (true)"),
    Flag::list(
        "secret",
        "Secret to expose to the build (id=mysecret[,src=/local/secret|env=NAME])",
    ),
    Flag::text(
        "source-date-epoch",
        "seconds",
        "Time for reproducible builds (or set SOURCE_DATE_EPOCH)",
    ),
    Flag::switch("squash", "Squash newly built layers into a single new layer"),
    Flag::list("ssh", "SSH agent socket to expose to the build (default|id=socket)"),
    Flag::list("tag", "Name and optionally a tag (name:tag)").short('t'),
    Flag::text("target", "string", "Set the target build stage to build"),
];

const LIMITS: &[Flag] = &[
    Flag::text("cgroup-parent", "string", "Set the parent cgroup for the RUN instructions"),
    Flag::integer("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    Flag::integer("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    Flag::integer("cpu-rt-period", "").hidden(),
    Flag::integer("cpu-rt-runtime", "").hidden(),
    Flag::integer("cpu-shares", "CPU shares (relative weight)").short('c'),
    Flag::text("cpus", "decimal", "Number of CPUs of a RUN instruction"),
    Flag::text("cpuset-cpus", "string", "CPUs in which to allow execution (0-3, 0,1)"),
    Flag::text("cpuset-mems", "string", "MEMs in which to allow execution (0-3, 0,1)"),
    Flag::text("memory", "bytes", "Memory limit of a RUN instruction").short('m'),
    Flag::text("memory-reservation", "bytes", "").hidden(),
    Flag::text("memory-swap", "bytes", "Swap limit equal to memory plus swap"),
    Flag::integer("blkio-weight", "").hidden(),
    Flag::integer("pids-limit", "Limit of processes of a RUN instruction"),
    Flag::text("shm-size", "bytes", "Shared memory size for build containers"),
    Flag::list("ulimit", "Ulimit options"),
];

/// Gives `body` what a build of this home works with.
fn with_environment<T>(
    ctx: &Context,
    body: impl FnOnce(Environment<'_>) -> Result<T>,
) -> Result<T> {
    let networks = network::BuildNetwork::new(ctx)?;
    let outside = outside::BuildOutside::new(ctx.images()?);
    let state = ctx.home().data.join("build");
    body(Environment {
        images: ctx.images()?,
        state: &state,
        step_command: vec!["/proc/self/exe".to_owned(), "build-step".to_owned()],
        network: Some(&networks),
        instance: ctx.home().instance(),
        cache_budget_bytes: CACHE_BUDGET_BYTES,
        vault: None,
        outside: Some(&outside),
        cancel: None,
    })
}

/// A build for the engine: standard input is a socket, see [`teu_builder::worker`].
pub const WORKER: Command = Command {
    arity: Arity::Exactly(0),
    ..Command::new("build-worker", "Build for the engine, on standard input", worker)
};

fn worker(ctx: &Context, _: &Matches) -> Result<u8> {
    let socket = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    with_environment(ctx, |environment| {
        teu_builder::worker::serve(socket, |request, client, cancel, progress| {
            let outside = outside::BuildOutside::of_client(environment.images, client);
            let (vault, outside): (&(dyn Vault + Sync), &(dyn Outside + Sync)) =
                (&**client, &outside);
            let (vault, outside, cancel) = (Some(vault), Some(outside), Some(cancel));
            let environment = Environment { vault, outside, cancel, ..environment };
            teu_builder::build(request, &environment, progress)
        })?;
        Ok(0)
    })
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let request = request(matches)?;
    let mut printer = printer(matches)?;
    let (check, tags) = (request.check_only, request.tags.clone());
    if matches.switch("push") && !check && tags.is_empty() {
        return Err(Failure::new("--push: the image has no name")
            .hint("give it one with -t, such as -t registry.example/app:1"));
    }
    let outcome = build_image(ctx, request, &mut printer)?;
    if check {
        ctx.line("Check complete.")?;
    } else if matches.switch("quiet") || matches.nonempty("progress") == Some("quiet") {
        if let Some(id) = &outcome.image_id {
            ctx.line(id.as_str())?;
        }
    } else if let (Some(image), false) =
        (&outcome.image, matches.nonempty("progress") == Some("json"))
    {
        use std::io::Write as _;
        let mut err = std::io::stderr().lock();
        let _ = writeln!(
            err,
            "\nBuilt {} ({} of {} steps from the cache)",
            image.id, outcome.cached, outcome.steps
        );
        for tag in &tags {
            let _ = writeln!(err, "Tagged {}", tag.familiar());
        }
    }
    if matches.switch("push") && !check {
        super::push::after_build(ctx, &tags)?;
    }
    Ok(0)
}

/// Builds, telling a printer; an error's excerpt of the Dockerfile is printed before it.
pub fn build_image(
    ctx: &Context,
    request: BuildRequest,
    printer: &mut BuildPrinter,
) -> Result<Outcome> {
    let outcome = with_environment(ctx, |environment| {
        Ok(teu_builder::build(request, &environment, printer))
    })?;
    printer.finish();
    outcome.map_err(|error| {
        use std::io::Write as _;
        let excerpt = error.excerpt();
        if !excerpt.is_empty() {
            let _ = writeln!(std::io::stderr(), "{}", crate::text::plain_lines(&excerpt));
        }
        Failure::from(error)
    })
}

fn printer(matches: &Matches) -> Result<BuildPrinter> {
    if matches.switch("quiet") {
        return Ok(BuildPrinter::Quiet);
    }
    printer_of(matches.nonempty("progress").unwrap_or("auto"))
}

/// The printer that `--progress` names.
pub fn printer_of(mode: &str) -> Result<BuildPrinter> {
    let terminal = isatty(rustix::stdio::stderr());
    Ok(match mode {
        "auto" if terminal => BuildPrinter::Live(Live::default()),
        "auto" | "plain" => BuildPrinter::Plain(Plain::default()),
        "tty" if terminal => BuildPrinter::Live(Live::default()),
        "tty" => return Err(Failure::new("--progress tty needs a terminal")),
        "json" | "rawjson" => BuildPrinter::Json(crate::progress::json::Json::default()),
        "quiet" | "none" => BuildPrinter::Quiet,
        other => {
            return Err(Failure::new(format!("invalid progress mode {other:?}"))
                .hint("auto, plain, tty, json or quiet"));
        }
    })
}

fn request(matches: &Matches) -> Result<BuildRequest> {
    let mut resources = crate::request::resources(matches)?;
    resources.devices.clear();
    let shm = matches.nonempty("shm-size").map(units::bytes).transpose()?.unwrap_or(0);
    let owned = |flag: &str| matches.nonempty(flag).map(str::to_owned);
    let mut rlimits = Vec::new();
    for text in matches.list("ulimit") {
        rlimits.push(ulimit(text)?);
    }
    let mut outputs = Vec::new();
    for text in matches.list("output") {
        let output: Output = text.parse()?;
        refuse_terminal(&output)?;
        outputs.push(output);
    }
    let (context, dockerfile) = sources(matches)?;
    Ok(BuildRequest {
        context,
        dockerfile,
        target: owned("target"),
        build_args: lists::build_args(&matches.list("build-arg"))?,
        secrets: matches.list("secret").into_iter().map(secret).collect::<Result<_>>()?,
        ssh: matches.list("ssh").into_iter().map(ssh_agent).collect::<Result<_>>()?,
        labels: environment::labels(matches.list("label"))?,
        annotations: lists::annotations(&matches.list("annotation"))?,
        attest: lists::attest(matches)?,
        tags: matches
            .list("tag")
            .into_iter()
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?,
        outputs,
        platforms: lists::platforms(matches)?,
        build_contexts: matches
            .list("build-context")
            .into_iter()
            .map(named_context)
            .collect::<Result<_>>()?,
        cache_from: lists::cache_sources(matches)?,
        cache_to: lists::cache_targets(matches)?,
        no_cache: matches.switch("no-cache"),
        no_cache_filter: matches
            .list("no-cache-filter")
            .iter()
            .flat_map(|text| text.split(',').map(str::to_owned))
            .collect(),
        network: network_mode(matches.nonempty("network"))?,
        add_hosts: add_hosts(matches)?,
        shm_size_bytes: shm,
        rlimits,
        resources,
        cgroup_parent: owned("cgroup-parent"),
        entitlements: matches.list("allow").into_iter().map(entitlement).collect::<Result<_>>()?,
        source_date_epoch: source_date_epoch(matches)?,
        squash: matches.switch("squash"),
        iidfile: matches.nonempty("iidfile").map(PathBuf::from),
        metadata_file: matches.nonempty("metadata-file").map(PathBuf::from),
        pull: matches.switch("pull"),
        check_only: matches.switch("check"),
        contexts_are_filtered: false,
        // Done with bars of its own once the image is there.
        push: false,
        parallelism: 0,
    })
}

fn network_mode(text: Option<&str>) -> Result<NetworkMode> {
    match text {
        None | Some("default" | "bridge") => Ok(NetworkMode::Default),
        Some("none") => Ok(NetworkMode::None),
        Some("host") => Ok(NetworkMode::Host),
        Some(other) => {
            Err(Failure::new(format!("network mode {other:?} is not supported by build"))
                .hint("default, none or host"))
        }
    }
}

fn refuse_terminal(output: &Output) -> Result<()> {
    use teu_builder::Destination::Stdout;
    let stdout = matches!(
        output,
        Output::Oci { destination: Stdout, .. }
            | Output::Docker { destination: Stdout }
            | Output::Tar { destination: Stdout }
    );
    match stdout && out_is_terminal() {
        true => Err(Failure::new("refusing to write an archive to a terminal")
            .hint("use dest=FILE, or redirect the output")),
        false => Ok(()),
    }
}

/// The operand, and `-f`.
fn sources(matches: &Matches) -> Result<(ContextSource, DockerfileSource)> {
    let stdin_is_dockerfile = matches.nonempty("file") == Some("-");
    let dockerfile = match matches.nonempty("file") {
        None => DockerfileSource::Default,
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(DOCKERFILE_LIMIT_BYTES).read_to_end(&mut bytes)?;
            DockerfileSource::Bytes(bytes)
        }
        Some(path) => DockerfileSource::Path(PathBuf::from(path)),
    };
    let context = match matches.operand(0) {
        "-" if stdin_is_dockerfile => {
            return Err(Failure::new(
                "invalid argument: can't use stdin for both build context and dockerfile",
            )
            .hint("put the Dockerfile into the archive, or name a directory: teu build -f - DIR"));
        }
        "-" => ContextSource::Stream(Box::new(std::io::stdin())),
        url if url.contains("://") || url.starts_with("git@") => {
            return Err(Failure::new(format!("unable to prepare context: {url:?} is remote, and this version reads local directories and archives only"))
                .hint("clone it, or: curl -fL URL | teu build -"));
        }
        path => {
            let meta = Path::new(path).metadata();
            let meta = meta
                .doing(|| format!("unable to prepare context: path {path:?} not found"))
                .map_err(|failure| {
                    failure.hint("the last argument is the directory with the files, such as .")
                })?;
            match meta.is_dir() {
                true => ContextSource::Directory(PathBuf::from(path)),
                false => {
                    let file = std::fs::File::open(path).doing(|| format!("open {path}"))?;
                    ContextSource::Stream(Box::new(file))
                }
            }
        }
    };
    Ok((context, dockerfile))
}

fn secret(text: &str) -> Result<Secret> {
    let wrong = |reason: &str| OptionError::value("secret", text, reason);
    let (mut id, mut source, mut variable, mut kind) = (None, None, None, None);
    let fields = crate::options::fields(text).ok_or_else(|| wrong("misplaced quotes"))?;
    for field in &fields {
        match field.split_once('=') {
            Some(("id", value)) => id = Some(value),
            Some(("src" | "source", value)) => source = Some(value),
            Some(("env", value)) => variable = Some(value),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value),
            _ => return Err(wrong("expected id=NAME[,src=FILE|,env=VARIABLE]").into()),
        }
    }
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(wrong("id is missing").into());
    };
    let from_env = kind == Some("env") || (source.is_none() && kind.is_none());
    let variable = variable.or_else(|| source.filter(|_| kind == Some("env")));
    if let Some(name) =
        variable.or_else(|| Some(id).filter(|id| from_env && std::env::var_os(id).is_some()))
    {
        let value = std::env::var_os(name).ok_or_else(|| {
            Failure::new(format!("secret {id}: the variable {name} is not set"))
                .hint(format!("export it, or give a file: --secret id={id},src=FILE"))
        })?;
        use std::os::unix::ffi::OsStringExt as _;
        return Ok(Secret { id: id.to_owned(), source: SecretSource::Value(value.into_vec()) });
    }
    let path = PathBuf::from(source.unwrap_or(id));
    if let Err(error) = path.metadata() {
        let failure = Failure::new(format!("secret {id}: {}: {error}", path.display()));
        return Err(failure.hint(format!(
            "--secret id={id},src=FILE, or id={id},env=NAME for a variable of the environment"
        )));
    }
    Ok(Secret { id: id.to_owned(), source: SecretSource::File(path) })
}

fn named_context(text: &str) -> Result<(String, NamedContext)> {
    let wrong = |reason: &str| OptionError::value("build-context", text, reason);
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("expected name=value"))?;
    let context = match value.strip_prefix("docker-image://") {
        Some(image) => NamedContext::Image(image.to_owned()),
        None if value.contains("://") => {
            return Err(wrong("only directories and docker-image:// are supported").into());
        }
        None if !Path::new(value).is_dir() => {
            return Err(wrong("no such directory; name=DIR or name=docker-image://IMAGE").into());
        }
        None => NamedContext::Directory(PathBuf::from(value)),
    };
    Ok((name.to_owned(), context))
}

fn add_hosts(matches: &Matches) -> Result<Vec<(String, String)>> {
    let mut hosts = Vec::new();
    for text in matches.list("add-host") {
        let host = environment::host(text)?;
        if let Some((name, address)) = host.split_once(':') {
            hosts.push((name.to_owned(), address.to_owned()));
        }
    }
    Ok(hosts)
}

fn entitlement(text: &str) -> Result<Entitlement> {
    match text {
        "network.host" => Ok(Entitlement::NetworkHost),
        "security.insecure" => Ok(Entitlement::SecurityInsecure),
        _ => {
            Err(OptionError::value("allow", text, "expected network.host or security.insecure")
                .into())
        }
    }
}

fn source_date_epoch(matches: &Matches) -> Result<Option<i64>> {
    let variable = std::env::var("SOURCE_DATE_EPOCH").ok();
    let text = matches.nonempty("source-date-epoch").or(variable.as_deref());
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => Err(Failure::new(format!("invalid SOURCE_DATE_EPOCH: {text:?}"))
                .hint("seconds since 1970, such as $(git log -1 --format=%ct)")),
        },
    }
}
