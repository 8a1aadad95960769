//! Connects a build's network namespace to the default network, when a step first needs it.

use crate::context::Context;
use crate::failure::Result;
use std::collections::HashMap;
use std::error::Error;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use teu_builder::{Attached, NetworkAttach};
use teu_network::{Claim, EndpointRequest, Networks};

/// The default network, for builds.
#[derive(Debug)]
pub(super) struct BuildNetwork {
    networks: Networks,
    /// Of the steps that are connected: `system prune` knows by them that this build lives.
    claims: Mutex<HashMap<String, Claim>>,
}

impl BuildNetwork {
    pub(super) fn new(ctx: &Context) -> Result<Self> {
        Ok(Self { networks: ctx.networks()?.clone(), claims: Mutex::default() })
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
        let claim = self.networks.claim(id)?;
        self.networks.connect(&request, netns)?;
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), claim);
        let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        Ok(Attached { resolv_conf: without_loopback(&host) })
    }

    fn detach(&self, id: &str) {
        let _ = self.networks.disconnect_pod(id);
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
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
