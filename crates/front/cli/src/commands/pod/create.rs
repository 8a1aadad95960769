//! `teu pod create`.

use super::{POD_WIDE, made};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::options::environment;

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

/// The command.
pub const CREATE: Command = Command {
    usage: "[OPTIONS] [NAME]",
    arity: Arity::AtMost(1),
    flags: &[
        POD_WIDE,
        &[
            Flag::text("share", "string", "Namespaces to share besides net, ipc and uts: pid"),
            Flag::switch("infra", "Containers that hold namespaces are not needed here").hidden(),
        ],
    ],
    examples: &[("teu pod create --name shop -p 8080:80", "then: teu run -d --pod shop nginx")],
    ..Command::new("create", "Create a new empty pod", create)
};

fn create(ctx: &Context, matches: &Matches) -> Result<u8> {
    let own = ["share", "infra", "root", "debug"];
    let foreign = matches
        .values
        .iter()
        .find(|(flag, _)| !ABOUT_PODS.contains(&flag.long) && !own.contains(&flag.long));
    if let Some((flag, _)) = foreign {
        return Err(Failure::new(format!(
            "--{} is about one container, not about a pod",
            flag.long
        ))
        .hint("give it to teu run --pod")
        .code(125));
    }
    let mut pod = crate::request::pod(ctx, matches)?;
    let named = matches.operands.first().map(String::as_str);
    pod.name = named.or_else(|| matches.nonempty("name")).map(str::to_owned);
    pod.labels = environment::labels(matches.list("label"))?;
    for part in matches.nonempty("share").unwrap_or_default().split(',') {
        match part.trim() {
            "pid" => pod.share_pid = true,
            "" | "net" | "ipc" | "uts" => {}
            other => {
                return Err(Failure::new(format!("cannot share namespace {other:?}"))
                    .hint("net, ipc and uts are always shared; pid can be")
                    .code(125));
            }
        }
    }
    let created = ctx.containers()?.create_pod(pod)?;
    made(ctx, &created.pod, &created.warnings)
}
