//! The two netlink sockets that a verb needs, and refusals turned into errors of this crate.

use crate::error::{Error, Result};
use std::io;
use teu_sys::netlink::nft::Transaction;
use teu_sys::netlink::{Batch, Refusal, Socket};

/// Refusals that mean there is nothing left to do.
const GONE: [i32; 3] = [NO_SUCH_DEVICE, NO_SUCH_ENTRY, NO_SUCH_ROUTE];
const NO_SUCH_DEVICE: i32 = 19;
const NO_SUCH_ENTRY: i32 = 2;
const NO_SUCH_ROUTE: i32 = 3;

/// The kernel, as a network's verbs see it.
#[derive(Debug)]
pub struct Kernel {
    /// Links, addresses, routes.
    pub route: Socket,
    /// Tables and connections.
    pub nft: Socket,
    /// Name of the network, for errors.
    name: String,
}

impl Kernel {
    /// For a network.
    pub fn open(name: &str) -> Result<Self> {
        let open = || Ok::<_, io::Error>((Socket::route()?, Socket::netfilter()?));
        match open() {
            Ok((route, nft)) => Ok(Self { route, nft, name: name.to_owned() }),
            Err(source) => Err(failure(name, "speak to the kernel", source)),
        }
    }

    /// Does something to links.
    pub fn apply(&mut self, action: &str, batch: Batch) -> Result<()> {
        self.route.apply(batch).map_err(|refusal| failure(&self.name, action, refusal.into()))
    }

    /// Does something to the table.
    pub fn commit(&mut self, action: &str, transaction: Transaction) -> Result<()> {
        self.nft.commit(transaction).map_err(|refusal| failure(&self.name, action, refusal.into()))
    }

    /// Undoes something; what is gone already is no error.
    pub fn undo(&mut self, action: &str, batch: Batch) -> Result<()> {
        ignore_gone(self.route.apply(batch))
            .map_err(|refusal| failure(&self.name, action, refusal.into()))
    }

    /// Likewise, in the table.
    pub fn retract(&mut self, action: &str, transaction: Transaction) -> Result<()> {
        ignore_gone(self.nft.commit(transaction))
            .map_err(|refusal| failure(&self.name, action, refusal.into()))
    }

    /// Turns what went wrong into an error of this network.
    pub fn failed<E: Into<io::Error>>(&self, action: &str) -> impl Fn(E) -> Error + use<E> {
        let (name, action) = (self.name.clone(), action.to_owned());
        move |source| failure(&name, &action, source.into())
    }

    /// Number of a link that was just made.
    pub fn index_of(&mut self, link: &str) -> Result<u32> {
        let found = self.route.link(link).map_err(self.failed("look for a link"))?;
        found.map(|link| link.index).ok_or_else(|| {
            failure(&self.name, &format!("find link {link}"), io::ErrorKind::NotFound.into())
        })
    }
}

fn failure(name: &str, action: &str, source: io::Error) -> Error {
    Error::Kernel { name: name.to_owned(), action: action.to_owned(), source }
}

/// What is gone already needs no undoing.
pub fn ignore_gone(outcome: Result<(), Refusal>) -> Result<(), Refusal> {
    match outcome {
        Err(refusal) if GONE.contains(&refusal.errno.raw_os_error()) => Ok(()),
        outcome => outcome,
    }
}
