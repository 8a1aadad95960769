//! A build in a process of its own, from the server's side: starts it, passes on what it says,
//! answers what it asks, and gives it up when nobody wants it any more.
//!
//! The process is never waited for on the runtime's threads. Dropping [`run`]'s future closes the
//! socket, upon which the worker gives the build up and cleans up; one that does not within
//! [`PATIENCE`] is killed (what it leaves, the next build sweeps).

use std::ffi::OsString;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use teu_builder::BuildRequest;
use teu_builder::worker::{Answer, Ended, Failure, Found, MESSAGE_LIMIT_BYTES, Question, Word};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;

/// How long a worker may take to give a build up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers on their way.
const ANSWER_LIMIT: usize = 64;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start the build's process {}: {source}", program.to_string_lossy())]
    Start {
        /// Which program.
        program: OsString,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// It ended without a last word.
    #[error("the build's process ended without an answer: {0}")]
    Lost(#[source] std::io::Error),
    /// The build failed.
    #[error("{}", .0.message)]
    Build(Box<Failure>),
}

/// Who hears and answers a worker.
pub trait Listener: Sync {
    /// Something happened.
    fn event(&self, event: teu_builder::Event);

    /// A step needs something.
    fn answer(&self, question: Question) -> impl Future<Output = Found> + Send;
}

/// Runs one build to its end.
pub async fn run(
    command: &[OsString],
    request: &BuildRequest,
    listener: &impl Listener,
) -> Result<Ended, Error> {
    let (socket, _child) = start(command)?;
    let (mut reader, mut writer) = socket.into_split();
    write(&mut writer, request).await.map_err(Error::Lost)?;
    let (answers, mut answered) = mpsc::channel::<Answer>(ANSWER_LIMIT);
    let speak = async {
        while let Some(answer) = answered.recv().await {
            write(&mut writer, &answer).await.map_err(Error::Lost)?;
        }
        std::future::pending().await
    };
    let hear = hear(&mut reader, listener, answers);
    tokio::select! {
        ended = hear => ended,
        failed = speak => failed,
    }
}

/// Listens to the last word. Questions are answered beside one another, on this task.
async fn hear(
    reader: &mut OwnedReadHalf,
    listener: &impl Listener,
    answers: mpsc::Sender<Answer>,
) -> Result<Ended, Error> {
    let (questions, mut asked) = mpsc::channel::<(u64, Question)>(ANSWER_LIMIT);
    let respond = async {
        while let Some((number, question)) = asked.recv().await {
            let found = listener.answer(question).await;
            let _ = answers.send(Answer { number, found }).await;
        }
        std::future::pending::<Result<Ended, Error>>().await
    };
    let listen = async {
        loop {
            match read::<Word>(reader).await.map_err(Error::Lost)? {
                Word::Event(event) => listener.event(event),
                Word::Ask { number, question } => {
                    let _ = questions.send((number, question)).await;
                }
                Word::Done(ended) => return Ok(ended),
                Word::Failed(failure) => return Err(Error::Build(Box::new(failure))),
            }
        }
    };
    tokio::select! {
        ended = listen => ended,
        never = respond => never,
    }
}

fn start(command: &[OsString]) -> Result<(UnixStream, Reaped), Error> {
    let (program, arguments) =
        command.split_first().map_or((OsString::new(), &[][..]), |(p, a)| (p.clone(), a));
    let failed = |source| Error::Start { program: program.clone(), source };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .current_dir("/")
        .spawn()
        .map_err(failed)?;
    let reaped = Reaped(Some(child));
    let socket = UnixStream::from_std(ours).map_err(failed)?;
    Ok((socket, reaped))
}

/// Waits for the process somewhere else, so that none is left behind.
#[derive(Debug)]
struct Reaped(Option<Child>);

impl Drop for Reaped {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        std::thread::spawn(move || {
            if !ends_within(&child, PATIENCE) {
                let _ = child.kill();
            }
            let _ = child.wait();
        });
    }
}

/// Waits for a process without reaping it.
fn ends_within(child: &Child, limit: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    let flags = rustix::process::PidfdFlags::empty();
    let Ok(pidfd) = rustix::process::pidfd_open(pid, flags) else { return false };
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: 0 };
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).is_ok_and(|ready| ready > 0)
}

async fn write(
    writer: &mut (impl AsyncWriteExt + Unpin),
    message: &impl serde::Serialize,
) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(std::io::Error::other)?;
    writer.write_all(&(bytes.len() as u64).to_le_bytes()).await?;
    writer.write_all(&bytes).await
}

async fn read<T: serde::de::DeserializeOwned>(
    reader: &mut (impl AsyncReadExt + Unpin),
) -> std::io::Result<T> {
    let length = reader.read_u64_le().await?;
    if length > MESSAGE_LIMIT_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes).await?;
    serde_json::from_slice(&bytes).map_err(std::io::Error::other)
}
