//! `teu pod create`.

use super::podmans;
use crate::container_flags::CONTAINER;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_containers::Error;

/// Flags of `run` that are about what a pod's containers share.
const ABOUT_PODS: &[&str] = &[
    "add-host",
    "cgroup-parent",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "cpu-shares",
    "cpu-period",
    "cpu-quota",
    "dns",
    "dns-option",
    "dns-search",
    "domainname",
    "gidmap",
    "hostname",
    "ip",
    "ip6",
    "ipc",
    "label",
    "label-file",
    "mac-address",
    "memory",
    "memory-swap",
    "memory-reservation",
    "name",
    "network",
    "network-alias",
    "pids-limit",
    "publish",
    "publish-all",
    "shm-size",
    "sysctl",
    "uidmap",
    "userns",
    "uts",
];

/// Podman holds a pod's namespaces by a container of its own. Here its shim does, and these say nothing.
const INFRA: &[Flag] = &[
    Flag::switch("infra", "Containers that hold namespaces are not needed here").hidden(),
    Flag::text("infra-command", "string", "Likewise").hidden(),
    Flag::text("infra-conmon-pidfile", "string", "Likewise").hidden(),
    Flag::text("infra-image", "string", "Likewise").hidden(),
    Flag::text("infra-name", "string", "Likewise").hidden(),
    Flag::switch("share-parent", "Containers are always in the pod's control group").hidden(),
];

/// The command.
pub const CREATE: Command = Command {
    usage: "[OPTIONS] [NAME]",
    arity: Arity::AtMost(1),
    flags: &[
        CONTAINER,
        &[
            Flag::text("exit-policy", "string", "What happens when the last container ends")
                .completes(Completes::Words(&["continue", "stop"])),
            Flag::text("pod-id-file", "string", "Write the pod ID to the file")
                .completes(Completes::Files),
            Flag::switch("replace", "Remove a pod of the same name first"),
            Flag::text("share", "string", "Namespaces to share besides net, ipc and uts: pid"),
        ],
        INFRA,
    ],
    examples: &[("teu pod create --name shop -p 8080:80", "then: teu run -d --pod shop nginx")],
    ..Command::new("create", "Create a new empty pod", |ctx, matches| podmans(create(ctx, matches)))
};

fn create(ctx: &Context, matches: &Matches) -> Result<u8> {
    refuse_foreign(matches)?;
    let mut pod = crate::request::pod(ctx, matches)?;
    let named = matches.operands.first().map(String::as_str);
    pod.name = named.or_else(|| matches.nonempty("name")).map(str::to_owned);
    pod.share_pid = shares_pid(matches)?;
    let containers = ctx.containers()?;
    if let (true, Some(name)) = (matches.switch("replace"), &pod.name) {
        match containers.remove_pod(name, true) {
            Ok(()) | Err(Error::NoSuchPod(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let file = matches.nonempty("pod-id-file");
    if let Some(path) = file.filter(|path| std::path::Path::new(path).exists()) {
        return Err(Failure::new(format!("the pod ID file {path} exists"))
            .hint("remove it, or choose another")
            .code(125));
    }
    let created = containers.create_pod(pod)?;
    if let Some(path) = file {
        std::fs::write(path, &created.pod).map_err(|error| {
            Failure::new(format!("the pod was made, but its ID not written to {path}: {error}"))
                .code(125)
        })?;
    }
    for warning in &created.warnings {
        warn(warning);
    }
    ctx.line(&created.pod)?;
    Ok(0)
}

fn refuse_foreign(matches: &Matches) -> Result<()> {
    const OWN: [&str; 6] = ["exit-policy", "pod-id-file", "replace", "share", "root", "debug"];
    let foreign = matches.values.iter().find(|(flag, _)| {
        let infra = INFRA.iter().any(|own| own.long == flag.long);
        !infra && !ABOUT_PODS.contains(&flag.long) && !OWN.contains(&flag.long)
    });
    if let Some((flag, _)) = foreign {
        return Err(Failure::new(format!(
            "--{} is about one container, not about a pod",
            flag.long
        ))
        .hint("give it to teu run --pod")
        .code(125));
    }
    // A pod has no process of its own: with its last container it has ended, whatever the policy.
    match matches.nonempty("exit-policy") {
        None | Some("continue" | "stop") => Ok(()),
        Some(other) => {
            Err(Failure::new(format!("{other:?} is not a valid value for --exit-policy"))
                .hint("continue or stop")
                .code(125))
        }
    }
}

fn shares_pid(matches: &Matches) -> Result<bool> {
    let mut pid = false;
    for part in matches.nonempty("share").unwrap_or_default().split(',') {
        match part.trim() {
            "pid" => pid = true,
            "" | "net" | "ipc" | "uts" => {}
            other => {
                return Err(Failure::new(format!("cannot share namespace {other:?}"))
                    .hint("net, ipc and uts are always shared; pid can be")
                    .code(125));
            }
        }
    }
    Ok(pid)
}
