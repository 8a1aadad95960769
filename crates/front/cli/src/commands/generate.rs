//! `teu generate …`: units with which systemd runs what is described, or what is here already.

use crate::flags::{Arity, Command, Completes, Flag};

mod quadlet;
mod systemd;
mod unit;

/// The group.
pub const GENERATE: Command = Command::group(
    "generate",
    "Write units for systemd, from containers or from quadlet files",
    &[&QUADLET, &SYSTEMD],
);

const SYSTEMD: Command = Command {
    usage: "[OPTIONS] CONTAINER|POD",
    arity: Arity::Exactly(1),
    operands: Completes::Containers,
    flags: &[&[
        Flag::switch(
            "files",
            "Write the unit to a file in the current directory, and print its path",
        )
        .short('f'),
        Flag::switch(
            "new",
            "The unit makes the container anew at every start, and removes it when it stops",
        ),
        Flag::text("restart-policy", "string", "Restart= of the unit (default \"on-failure\")"),
        Flag::text("restart-sec", "seconds", "RestartSec= of the unit"),
        Flag::integer("stop-timeout", "Seconds until a container is killed (default 10)")
            .short('t'),
    ]],
    examples: &[
        ("teu generate systemd --new web >/etc/systemd/system/container-web.service", "made anew"),
        ("teu generate systemd --files shop", "a unit for a pod, in a file of its name"),
    ],
    ..Command::new(
        "systemd",
        "Write a unit that starts and stops a container or a pod",
        systemd::run,
    )
};

const QUADLET: Command = Command {
    usage: "[OPTIONS] DIR",
    arity: Arity::Exactly(1),
    operands: Completes::Files,
    flags: &[&[
        Flag::text("output", "dir", "Write the units there instead of printing them").short('o')
    ]],
    examples: &[("teu generate quadlet -o /run/systemd/system /etc/containers/systemd", "")],
    ..Command::new(
        "quadlet",
        "Turn .container, .pod, .volume, .network, .kube, .image and .build files into units",
        quadlet::run,
    )
};
