//! What has to be done beside the writes: the next segment of the log, checkpoints, snapshots.
//!
//! Other threads do it, so that no write waits for it; in a simulation it is done on the spot.

use super::Shared;
use super::disk::Disk;
use super::{base, log, open};
use crate::error::Error;
use crate::reply::Answer;
use crate::store::io_error;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

/// Bytes after which a checkpoint waits for the disk, so that it does not flood it.
const SYNC_EVERY_BYTES: usize = 1 << 20;

/// Something to do.
pub enum Job {
    /// The next segment.
    Prepare(u64, Sender<io::Result<()>>),
    /// A checkpoint; whoever waits for it.
    Checkpoint(Option<Answer<()>>),
    /// A snapshot.
    Snapshot(Box<dyn io::Write + Send>, Answer<u64>),
    /// The end.
    End,
}

/// The next segment of the log, prepared while nobody waits for it.
pub struct Spares {
    jobs: Option<Sender<Job>>,
    disk: Arc<dyn Disk>,
    /// Its number, which no segment has that is in use.
    number: u64,
    /// Tells when the keeper has made it; none if it has not been asked, or has told.
    waiting: Option<Receiver<io::Result<()>>>,
}

impl Spares {
    /// Made by the keeper's thread, or on the spot.
    pub fn new(disk: &Arc<dyn Disk>, jobs: Option<Sender<Job>>) -> Self {
        Self { jobs, disk: Arc::clone(disk), number: 1, waiting: None }
    }

    /// Asks for one with this number; the one before it is in use.
    pub fn ask(&mut self, number: u64) {
        self.number = number;
        self.waiting = self.jobs.as_ref().and_then(|jobs| {
            let (sender, receiver) = channel();
            jobs.send(Job::Prepare(number, sender)).is_ok().then_some(receiver)
        });
    }

    /// The one that was asked for. Whoever cannot begin it takes it again later: it has nothing yet, so
    /// that it may be made a second time.
    pub fn take(&mut self) -> io::Result<u64> {
        match self.waiting.take() {
            Some(receiver) => {
                receiver.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
            }
            None => log::prepare(&*self.disk, self.number, log::SEGMENT_BYTES)?,
        }
        Ok(self.number)
    }
}

/// A file that is made durable piece by piece.
struct Paced {
    file: Box<dyn super::disk::Sequential>,
    unsynced: usize,
}

impl io::Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.unsynced = 0;
            self.file.sync()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a checkpoint; answers its batch and its size.
pub fn checkpoint(shared: &Shared) -> io::Result<(u64, u64)> {
    let disk = &*shared.disk;
    let mut file = Paced { file: disk.create(open::UNFINISHED)?, unsynced: 0 };
    let (batch, _, bytes) = base::write(&shared.state, shared.clock.now(), &mut file)?;
    file.file.sync()?;
    drop(file);
    disk.rename(open::UNFINISHED, &base::name(batch))?;
    disk.sync_names()?;
    for name in disk.names()? {
        if base::number(&name).is_some_and(|other| other < batch) {
            disk.remove(&name)?;
        }
    }
    Ok((batch, bytes))
}

/// Writes a snapshot.
pub fn snapshot(shared: &Shared, sink: &mut dyn io::Write) -> Result<u64, Error> {
    let written = base::write(&shared.state, shared.clock.now(), sink);
    let flushed = written.and_then(|written| sink.flush().map(|()| written.2));
    flushed.map_err(|error| io_error("writing the snapshot", &error))
}

/// The thread. A segment of the log is waited for by every write, so what takes long is done by others: one
/// makes the checkpoints, one after the other, and each snapshot has its own, as long as its sink may take.
pub fn run(shared: &Weak<Shared>, disk: &Arc<dyn Disk>, jobs: &Receiver<Job>) {
    std::thread::scope(|threads| {
        let (checkpoints, waiting) = channel::<Option<Answer<()>>>();
        let name = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let maker = name("store-base").spawn_scoped(threads, move || {
            while let Ok(answer) = waiting.recv() {
                let Some(shared) = shared.upgrade() else { break };
                shared.queue.push_checkpoint(checkpoint(&shared), answer);
            }
        });
        while let Ok(job) = jobs.recv() {
            match job {
                Job::End => break,
                Job::Prepare(number, answer) => {
                    let made = log::prepare(&**disk, number, log::SEGMENT_BYTES);
                    let _ = answer.send(made);
                }
                Job::Checkpoint(answer) => {
                    let Some(shared) = shared.upgrade() else { break };
                    match &maker {
                        Ok(_) => drop(checkpoints.send(answer)),
                        Err(error) => {
                            shared.queue.push_checkpoint(Err(error.kind().into()), answer);
                        }
                    }
                }
                Job::Snapshot(mut sink, answer) => {
                    let Some(shared) = shared.upgrade() else { break };
                    // Without a thread the answer's sender is dropped with this, which answers, too.
                    let _ = name("store-snapshot").spawn_scoped(threads, move || {
                        let _ = answer.send(snapshot(&shared, &mut *sink));
                    });
                }
            }
        }
    });
}
