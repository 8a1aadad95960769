//! The build's side of a step's process: orders, output, the end.

use crate::error::Cause;
use crate::progress::{Event, Stream};
use crate::solve::{At, Solver};
use crate::step::{Answer, Order, receive, send};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Lines of output that an error repeats.
const TAIL_LINES: usize = 25;
/// Bytes of one of them.
const TAIL_LINE_BYTES: usize = 2000;
const CHUNK_BYTES: usize = 64 << 10;

impl Solver<'_> {
    /// Runs a step to its end.
    pub(super) fn launch(&self, order: &Order, shown: &str, at: &At<'_>) -> Result<(), Cause> {
        let failed =
            |reason: String| Cause::Start { command: shown.to_owned(), reason: reason.into() };
        let (mut socket, child) = self.spawn(order).map_err(|error| failed(error.to_string()))?;
        let mut child = Reaped(child);
        let mut tail = Tail::default();
        let watched = self.watch(&mut child.0, &socket, &mut tail, at);
        if self.cancel.is_raised() {
            drop(socket);
            let _ = child.0.wait();
            return Err(Cause::Canceled);
        }
        watched.map_err(|errno| failed(errno.to_string()))?;
        let answer = receive::<Answer>(&mut socket);
        let _ = child.0.wait();
        match answer {
            Ok(Answer::Exited { code: 0, .. }) => Ok(()),
            Ok(Answer::Exited { code, oom }) => {
                Err(Cause::Exit { command: shown.to_owned(), code, oom, tail: tail.lines() })
            }
            Ok(Answer::Failed(reason)) => Err(failed(reason)),
            Err(_) => Err(failed(format!(
                "the step's own process ended without an answer; {}",
                tail.lines().join("; ")
            ))),
        }
    }

    fn spawn(&self, order: &Order) -> std::io::Result<(File, Child)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let command = &self.environment.step_command;
        let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::NotFound)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            // Out of the terminal's reach: it ends when its socket says that the build has ended.
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut socket = File::from(ours);
        send(&mut socket, order)?;
        Ok((socket, child))
    }

    /// Passes output on until there is no more, or the build is given up.
    fn watch(
        &self,
        child: &mut Child,
        socket: &File,
        tail: &mut Tail,
        at: &At<'_>,
    ) -> rustix::io::Result<()> {
        let mut out = child.stdout.take().map(|pipe| File::from(std::os::fd::OwnedFd::from(pipe)));
        let mut error =
            child.stderr.take().map(|pipe| File::from(std::os::fd::OwnedFd::from(pipe)));
        let mut buffer = vec![0; CHUNK_BYTES];
        while out.is_some() || error.is_some() {
            let idle = socket.as_fd();
            let ends = [&out, &error].map(|pipe| pipe.as_ref().map_or(idle, AsFd::as_fd));
            let mut waiting = [
                PollFd::from_borrowed_fd(ends[0], wanted(&out)),
                PollFd::from_borrowed_fd(ends[1], wanted(&error)),
                PollFd::from_borrowed_fd(self.cancel.descriptor(), PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let ready = [0, 1, 2].map(|index| !waiting[index].revents().is_empty());
            if ready[2] {
                return Ok(());
            }
            for (pipe, stream, ready) in
                [(&mut out, Stream::Stdout, ready[0]), (&mut error, Stream::Stderr, ready[1])]
            {
                let Some(open) = pipe.as_mut().filter(|_| ready) else { continue };
                match open.read(&mut buffer) {
                    Ok(0) => *pipe = None,
                    Ok(count) => {
                        tail.push(&buffer[..count]);
                        let bytes = buffer[..count].to_vec();
                        self.tell(Event::Log { step: at.id, stream, bytes });
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => *pipe = None,
                }
            }
        }
        Ok(())
    }
}

fn wanted(pipe: &Option<File>) -> PollFlags {
    if pipe.is_some() { PollFlags::IN } else { PollFlags::empty() }
}

/// No zombie is left, whatever goes wrong.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The last lines of output.
#[derive(Default)]
struct Tail {
    whole: VecDeque<String>,
    partial: Vec<u8>,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = TAIL_LINE_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        self.whole.push_back(line);
        if self.whole.len() > TAIL_LINES {
            self.whole.pop_front();
        }
    }

    fn lines(mut self) -> Vec<String> {
        if !self.partial.is_empty() {
            self.end_line();
        }
        self.whole.into()
    }
}
