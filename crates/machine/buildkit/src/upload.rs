//! The context of a build whose client sends it by itself, beside the build: Docker 20.10's
//! `docker build - < FILE`. Whoever takes the bytes writes them here; the build waits for them.

use crate::jobs::{Job, POSTED};
use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

/// Bytes between two writes.
const BUFFER_BYTES: usize = 256 << 10;

/// A context that comes. Dropped before its end, it takes the build along.
#[derive(Debug)]
pub struct Upload {
    job: Arc<Job>,
    outbox: Option<Outbox>,
    writer: BufWriter<File>,
}

impl Upload {
    pub(crate) fn new(job: Arc<Job>, outbox: Outbox) -> Result<Self, Status> {
        let file = File::create(outbox.join(POSTED)).map_err(failed)?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { job, outbox: Some(outbox), writer })
    }

    /// A piece has come.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Status> {
        self.writer.write_all(piece).map_err(failed)
    }

    /// All of it has come: the build goes on.
    pub fn finish(mut self) -> Result<(), Status> {
        self.writer.flush().map_err(failed)?;
        if let Some(outbox) = self.outbox.take() {
            self.job.post(outbox);
        }
        Ok(())
    }

    /// Waits until nobody wants it any more.
    pub async fn unwanted(&self) {
        self.job.ended().await;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.outbox.is_some() {
            self.job.give_up();
        }
    }
}

pub(crate) fn failed(error: io::Error) -> Status {
    Status::new(Code::Unknown, format!("cannot keep the context: {error}"))
}
