//! Swarm and plugins, answered as a Docker answers in which they are off.

use crate::call::Answer;
use crate::error::{Error, Result};
use crate::route::Off;

/// Answers.
pub fn answer(what: &Off) -> Result<Answer> {
    let none: [&str; 0] = [];
    match what {
        Off::Plugins => Answer::ok(&none),
        Off::Plugin(name) => {
            let name = name.split('/').next().unwrap_or_default();
            Err(Error::missing(format!("plugin {name:?} not found")))
        }
        Off::PluginChange => Err(Error::unsupported(
            "Teu has no plugins: drivers other than its own cannot be installed",
        )),
        Off::SwarmJoin => Err(Error::status_of(
            503,
            "swarm mode is not available: Teu's clusters are made with Kubernetes' API",
        )),
        Off::SwarmLeave => Err(Error::status_of(503, "This node is not part of a swarm")),
        Off::Swarm => Err(no_manager()),
    }
}

/// A volume of a cluster.
pub fn cluster_volume() -> Result<Answer> {
    Err(no_manager())
}

fn no_manager() -> Error {
    Error::status_of(
        503,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
    )
}
