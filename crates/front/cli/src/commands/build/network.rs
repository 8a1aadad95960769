//! Connects a build's network namespace to the default network, when a step first needs it.

use crate::context::Context;
use crate::failure::Result;
use std::error::Error;
use std::os::fd::BorrowedFd;
use teu_builder::{Attached, NetworkAttach};
use teu_network::{EndpointRequest, Networks};

/// The default network, for builds.
#[derive(Debug)]
pub(super) struct BuildNetwork(Networks);

impl BuildNetwork {
    pub(super) fn new(ctx: &Context) -> Result<Self> {
        Ok(Self(ctx.networks()?.clone()))
    }
}

impl NetworkAttach for BuildNetwork {
    fn attach(
        &self,
        id: &str,
        netns: BorrowedFd<'_>,
    ) -> std::result::Result<Attached, Box<dyn Error + Send + Sync>> {
        let request = EndpointRequest {
            network: teu_network::DEFAULT_NETWORK.to_owned(),
            pod: id.to_owned(),
            name: id.chars().take(12).collect(),
            ..EndpointRequest::default()
        };
        self.0.connect(&request, netns)?;
        let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        Ok(Attached { resolv_conf: without_loopback(&host) })
    }

    fn detach(&self, id: &str) {
        let _ = self.0.disconnect_pod(id);
    }
}

/// The host's resolv.conf without servers that only the host reaches.
fn without_loopback(text: &str) -> String {
    let reachable = |line: &&str| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(address)) => {
                !address.starts_with("127.") && address != "::1" && address != "localhost"
            }
            _ => true,
        }
    };
    text.lines().filter(reachable).map(|line| format!("{line}\n")).collect()
}
