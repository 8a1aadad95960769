//! Where networks are made when the caller's own network namespace is not its to change: an ordinary
//! user's bridges, links and rules live in a namespace that belongs to that user.
//!
//! Every verb that touches the kernel does so in a thread that enters the site and ends there; only
//! ports of the host are found and kept outside, by the caller's own thread, which waits meanwhile.

use crate::endpoint::PortRequest;
use crate::error::{Error, Result};
use crate::networks::Networks;
use crate::ports::{self, Reserved, Scope};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;

/// What a site is entered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Something is made: it has to be there, and to stay.
    Build,
    /// Something is taken away: where the site is gone, so is what was in it.
    Undo,
}

/// A network namespace to build in.
pub trait Site: Debug + Send + Sync {
    /// The namespace; made when it is not there and something is to be built.
    ///
    /// # Errors
    /// The kernel's.
    fn namespace(&self, need: Need) -> io::Result<OwnedFd>;
}

/// Finds ports of the host and keeps them.
pub(crate) type Reserve<'a> = dyn Fn(&[PortRequest], Scope) -> Result<Reserved> + 'a;

impl Networks {
    /// Does something to the kernel's network, at the site.
    pub(crate) fn on_site<T: Send>(
        &self,
        need: Need,
        work: impl FnOnce(&Reserve<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let Some(site) = &self.config.site else { return work(&ports::reserve) };
        let failed = |source: io::Error| Error::Kernel {
            name: "of this user".to_owned(),
            action: "enter the network namespace".to_owned(),
            source,
        };
        let namespace = site.namespace(need).map_err(failed)?;
        let (ask, asked) = mpsc::channel::<(Vec<PortRequest>, Scope)>();
        let (answer, answers) = mpsc::channel();
        std::thread::scope(|scope| {
            let visit = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(|errno| failed(errno.into()))?;
                let gone = |_| failed(io::ErrorKind::BrokenPipe.into());
                work(&|requests, scope| {
                    ask.send((requests.to_vec(), scope)).map_err(|_| gone(mpsc::RecvError))?;
                    answers.recv().map_err(gone)?
                })
            });
            // Ends when the visitor drops its end.
            while let Ok((requests, scope)) = asked.recv() {
                if answer.send(ports::reserve(&requests, scope)).is_err() {
                    break;
                }
            }
            match visit.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}
