//! `teu kube …`: Kubernetes' objects on this machine.

use crate::flags::{Arity, Command, Completes, Flag};

mod down;
mod generate;
mod play;

/// The group.
pub const KUBE: Command = Command::group(
    "kube",
    "Run pods from Kubernetes YAML, and write it",
    &[&DOWN, &GENERATE, &PLAY],
);

const PLAY: Command = Command {
    usage: "[OPTIONS] FILE|-",
    arity: Arity::Exactly(1),
    operands: Completes::Files,
    flags: &[&[
        Flag::list("configmap", "File of ConfigMaps and Secrets beside the pods'"),
        Flag::switch("down", "Stop and remove what the file describes, instead"),
        Flag::switch("force", "With --down: remove volumes of claims, too").short('f'),
        Flag::list(
            "network",
            "Connect the pods to a network (default teu-kube, where they find each other by name), host or none",
        ),
        Flag::list("publish", "Publish a pod's port to the host").short('p'),
        Flag::switch("quiet", "Suppress the progress of pulls").short('q'),
        Flag::switch("replace", "Stop and remove pods of the same names first"),
        Flag::text("start", "bool", "Start the pods (default true)"),
    ]],
    examples: &[("teu kube play shop.yaml", "then: teu kube down shop.yaml")],
    ..Command::new("play", "Create and start the pods that a file describes", play::run)
};

const DOWN: Command = Command {
    usage: "[OPTIONS] FILE|-",
    arity: Arity::Exactly(1),
    operands: Completes::Files,
    flags: &[&[Flag::switch("force", "Remove volumes of claims, too").short('f')]],
    examples: &[("teu kube down shop.yaml", "what teu kube play shop.yaml made")],
    ..Command::new("down", "Stop and remove the pods that a file describes", down::run)
};

const GENERATE: Command = Command {
    usage: "[OPTIONS] POD|CONTAINER...",
    arity: Arity::AtLeast(1),
    operands: Completes::Containers,
    flags: &[&[Flag::text("filename", "file", "Write to a file that is not there yet").short('f')]],
    examples: &[("teu kube generate shop >shop.yaml", "a pod that plays to the same")],
    ..Command::new("generate", "Write a pod or containers as Kubernetes YAML", generate::run)
};
