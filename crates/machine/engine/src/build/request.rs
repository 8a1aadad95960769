//! A build's query: what the flags of the classic `docker build` became.

use crate::call::Call;
use crate::error::{Error, Result};
use rustix::fs::{OFlags, ResolveFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use teu_builder::{BuildRequest, DockerfileSource, Entitlement, NetworkMode};
use teu_containers::options::{environment, lists};
use teu_docker::create::Ulimit;
use teu_oci::runtime::Resources;
use teu_oci::runtime::linux::{Cpu, Memory};

/// Largest Dockerfile.
const DOCKERFILE_LIMIT_BYTES: u64 = 16 << 20;

/// What is asked for, but for the context.
#[derive(Debug)]
pub struct Asked {
    /// As the builder takes it.
    pub request: BuildRequest,
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// Where the context would have to be fetched from.
    pub remote: Option<String>,
}

/// Reads the query.
pub fn read(call: &Call) -> Result<Asked> {
    let query = &call.query;
    let text = |name: &str| query.nonempty(name).map(str::to_owned);
    let mut tags = Vec::new();
    for name in query.all("t").filter(|name| !name.is_empty()) {
        tags.push(name.parse().map_err(|_| Error::bad("invalid reference format"))?);
    }
    let arguments: BTreeMap<String, Option<String>> = query.json("buildargs")?;
    let platforms = match query.nonempty("platform") {
        None => Vec::new(),
        Some(text) => {
            vec![text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?]
        }
    };
    let hosts = query.all("extrahosts").flat_map(|all| all.split(',')).filter(|h| !h.is_empty());
    let mut add_hosts = Vec::new();
    for host in hosts {
        let host = environment::host(host)?;
        let (name, address) = host.split_once(':').unwrap_or((&host, ""));
        add_hosts.push((name.to_owned(), address.to_owned()));
    }
    let network = network(query.text("networkmode"))?;
    let request = BuildRequest {
        tags,
        target: text("target"),
        build_args: arguments
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        labels: query.json("labels")?,
        platforms,
        no_cache: query.flag("nocache"),
        network,
        entitlements: match network {
            NetworkMode::Host => vec![Entitlement::NetworkHost],
            _ => Vec::new(),
        },
        add_hosts,
        shm_size_bytes: query.number("shmsize")?.unwrap_or(0),
        rlimits: rlimits(&query.json::<Vec<Ulimit>>("ulimits")?)?,
        resources: resources(call)?,
        cgroup_parent: text("cgroupparent"),
        squash: query.flag("squash"),
        ..BuildRequest::default()
    };
    let dockerfile = query.nonempty("dockerfile").unwrap_or("Dockerfile").to_owned();
    Ok(Asked { request, dockerfile, remote: text("remote") })
}

fn network(mode: &str) -> Result<NetworkMode> {
    match mode {
        "" | "default" | "bridge" => Ok(NetworkMode::Default),
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        other => Err(Error::bad(format!(
            "network mode {other:?} is not supported by build: use default, none or host"
        ))),
    }
}

fn rlimits(all: &[Ulimit]) -> Result<Vec<teu_oci::runtime::Rlimit>> {
    let limit =
        |one: &Ulimit| Ok(lists::ulimit(&format!("{}={}:{}", one.name, one.soft, one.hard))?);
    all.iter().map(limit).collect()
}

fn resources(call: &Call) -> Result<Resources> {
    let number = |name: &str| -> Result<Option<i64>> {
        Ok(call.query.number::<i64>(name)?.filter(|value| *value != 0))
    };
    let unsigned = |name: &str| -> Result<Option<u64>> {
        Ok(number(name)?.and_then(|value| u64::try_from(value).ok()))
    };
    let text = |name: &str| call.query.nonempty(name).map(str::to_owned);
    let memory = Memory { limit: number("memory")?, swap: number("memswap")?, ..Memory::default() };
    let cpu = Cpu {
        shares: unsigned("cpushares")?,
        period: unsigned("cpuperiod")?,
        quota: number("cpuquota")?,
        cpus: text("cpusetcpus"),
        mems: text("cpusetmems"),
        ..Cpu::default()
    };
    Ok(Resources {
        memory: Some(memory).filter(|memory| *memory != Memory::default()),
        cpu: Some(cpu).filter(|cpu| *cpu != Cpu::default()),
        ..Resources::default()
    })
}

impl Asked {
    /// Takes the Dockerfile out of the unpacked context, looked up beneath it and nowhere else.
    pub fn take_dockerfile(&mut self, context: &Path) -> Result<()> {
        let missing = |path: &str| {
            Error::status_of(500, format!("Cannot locate specified Dockerfile: {path}"))
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let root = File::open(context).map_err(Error::io("open the context"))?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = self.dockerfile.trim_start_matches('/');
        let opened = teu_sys::beneath::openat2(root.as_fd(), path, flags, resolve);
        let file = File::from(opened.map_err(|_| missing(&self.dockerfile))?);
        if !file.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(missing(&self.dockerfile));
        }
        let mut bytes = Vec::new();
        file.take(DOCKERFILE_LIMIT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read the Dockerfile"))?;
        if bytes.len() as u64 > DOCKERFILE_LIMIT_BYTES {
            return Err(Error::bad("the Dockerfile is larger than 16 MiB"));
        }
        self.request.dockerfile = DockerfileSource::Bytes(bytes);
        Ok(())
    }
}
