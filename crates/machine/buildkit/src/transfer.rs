//! Files between a client's session and our disk: contexts in, results out.

use crate::rpc::client::Metadata;
use crate::rpc::{Code, Status};
use crate::sessions::Session;
use crate::status::{Part, StatusLog, now};
use crate::sync::receive::{Next, Receiver};
use crate::sync::send::Sender;
use crate::wire::BytesMessage;
use crate::wire::session::{Packet, PacketType};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const FILE_SYNC: &str = "/moby.filesync.v1.FileSync/DiffCopy";
const FILE_SEND: &str = "/moby.filesync.v1.FileSend/DiffCopy";
const UPLOAD: &str = "/moby.upload.v1.Upload/Pull";
/// The header that names one of several exports.
const EXPORTER_ID: HeaderName = HeaderName::from_static("buildkit-attachable-exporter-id");
/// Packets between the network and the disk.
const QUEUE_LIMIT: usize = 64;
/// Bytes in one message of a stream.
const CHUNK_BYTES: usize = 32 << 10;
/// Between two reports of how far a transfer is.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes of an uploaded archive.
pub const UPLOAD_LIMIT_BYTES: u64 = 16 << 30;

/// Which of a client's files are wanted.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    /// The client's name of the directory.
    pub name: &'a str,
    /// Only these and what they link to, if any are given.
    pub follow: &'a [String],
    /// Not these, in `.dockerignore`'s language.
    pub exclude: &'a [String],
}

/// Reports how far a transfer is, not too often.
#[derive(Debug)]
pub struct Report<'a> {
    log: &'a StatusLog,
    vertex: &'a str,
    name: &'a str,
    began: crate::wire::Timestamp,
    bytes: u64,
    last: Instant,
}

impl<'a> Report<'a> {
    /// Of a transfer that begins now.
    pub fn new(log: &'a StatusLog, vertex: &'a str, name: &'a str) -> Self {
        let report = Self { log, vertex, name, began: now(), bytes: 0, last: Instant::now() };
        report.say(false);
        report
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.last.elapsed() >= REPORT_INTERVAL {
            self.last = Instant::now();
            self.say(false);
        }
    }

    fn say(&self, done: bool) {
        let part = Part { name: self.name, bytes: self.bytes, started: self.began, done };
        self.log.part(self.vertex, &part);
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.say(true);
    }
}

/// Where files of a client are received.
#[derive(Debug)]
pub struct Target<G> {
    /// The directory.
    pub directory: PathBuf,
    /// What keeps it for us: held until nothing is written there any more, even when the transfer
    /// has been given up.
    pub guard: G,
}

/// Makes a directory what the client has; gives the bytes of its files, and the guard back.
pub async fn receive<G: Send + 'static>(
    session: &Session,
    selection: &Selection<'_>,
    target: Target<G>,
    mut report: Report<'_>,
) -> Result<(u64, G), Status> {
    let (mut requests, mut responses) = session.open(FILE_SYNC, metadata(selection)?).await?;
    let (packets, incoming) = mpsc::channel(QUEUE_LIMIT);
    let (orders, mut outgoing) = mpsc::channel(QUEUE_LIMIT);
    let worker = tokio::task::spawn_blocking(move || {
        let Target { directory, guard } = target;
        write(&directory, incoming, &orders).map(|size_bytes| (size_bytes, guard))
    });
    // Both ways at once: a client that waits for us to read reads nothing itself.
    let talk = async {
        while let Some(next) = outgoing.recv().await {
            match next {
                Next::Request(numbers) => {
                    for number in numbers {
                        requests.send(&Packet::plain(PacketType::Req, number)).await?;
                    }
                }
                Next::Finish => requests.send(&Packet::plain(PacketType::Fin, 0)).await?,
                Next::Wait | Next::End => {}
            }
        }
        // The client ends the call once it has seen the end of ours.
        let _ = requests.finish();
        Ok::<(), Status>(())
    };
    let hear = async {
        while let Some(packet) = responses.next::<Packet>().await? {
            report.add(prost::Message::encoded_len(&packet));
            if packets.send(packet).await.is_err() {
                break;
            }
        }
        drop(packets);
        Ok::<(), Status>(())
    };
    let talked = tokio::try_join!(talk, hear);
    let written = worker.await.map_err(|error| internal(&error))?;
    // What the disk says explains more than that the connection was then given up.
    match (written, talked) {
        (Err(Broken::Cut), Err(status)) => Err(status),
        (Err(error), _) => Err(Status::new(Code::Unknown, error.to_string())),
        (Ok(_), Err(status)) => Err(status),
        (Ok(done), Ok(_)) => Ok(done),
    }
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Receive(#[from] crate::sync::receive::Error),
    #[error("the client ended the transfer too early")]
    Cut,
}

/// The disk's side, on a thread that may block.
fn write(
    directory: &Path,
    mut packets: mpsc::Receiver<Packet>,
    orders: &mpsc::Sender<Next>,
) -> Result<u64, Broken> {
    let mut receiver = Receiver::new(directory)?;
    while let Some(packet) = packets.blocking_recv() {
        match receiver.packet(packet)? {
            Next::Wait => {}
            Next::End => return Ok(receiver.size_bytes()),
            next => {
                if orders.blocking_send(next).is_err() {
                    break;
                }
            }
        }
    }
    Err(Broken::Cut)
}

/// Sends a directory to the client's `--output type=local`.
pub async fn send_directory(
    session: &Session,
    exporter: usize,
    directory: &Path,
    mut report: Report<'_>,
) -> Result<(), Status> {
    let failed = |error: crate::sync::send::Error| Status::new(Code::Unknown, error.to_string());
    let path = directory.to_owned();
    let walked = tokio::task::spawn_blocking(move || Sender::new(&path)).await;
    let (sender, listing) = walked.map_err(|error| internal(&error))?.map_err(failed)?;
    let (mut requests, mut responses) =
        session.open(FILE_SEND, vec![(EXPORTER_ID, number(exporter))]).await?;
    // The client asks while we still list: what it asks for waits its turn. Each file once.
    let (wanted, mut turns) = mpsc::unbounded_channel();
    let mut asked = 0;
    let hear = async {
        while let Some(packet) = responses.next::<Packet>().await? {
            match PacketType::try_from(packet.kind) {
                Ok(PacketType::Req) if asked < listing.len() => {
                    asked += 1;
                    let _ = wanted.send(Some(packet.id));
                }
                Ok(PacketType::Fin) => drop(wanted.send(None)),
                Ok(PacketType::Err) => {
                    let text = String::from_utf8_lossy(&packet.data).into_owned();
                    return Err(Status::new(Code::Unknown, text));
                }
                _ => return Err(Status::new(Code::Internal, "an unexpected packet")),
            }
        }
        drop(wanted);
        Ok(())
    };
    let talk = async {
        for packet in &listing {
            requests.send(packet).await?;
        }
        while let Some(Some(wanted)) = turns.recv().await {
            let mut content = sender.open(wanted).map_err(failed)?;
            while let Some(packet) = content.packet().map_err(failed)? {
                report.add(packet.data.len());
                requests.send(&packet).await?;
            }
        }
        requests.send(&Packet::plain(PacketType::Fin, 0)).await?;
        requests.finish()
    };
    tokio::try_join!(hear, talk).map(drop)
}

/// Sends a file to the client's `--output type=tar` and the like.
pub async fn send_file(
    session: &Session,
    exporter: usize,
    path: &Path,
    mut report: Report<'_>,
) -> Result<(), Status> {
    let failed = |error: std::io::Error| {
        Status::new(Code::Unknown, format!("cannot read {}: {error}", path.display()))
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut requests, mut responses) =
        session.open(FILE_SEND, vec![(EXPORTER_ID, number(exporter))]).await?;
    let talk = async {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(failed)?;
            if chunk.is_empty() {
                return requests.finish();
            }
            report.add(chunk.len());
            requests.send(&BytesMessage { data: Bytes::from(chunk) }).await?;
        }
    };
    let hear = async {
        while responses.next::<BytesMessage>().await?.is_some() {}
        Ok(())
    };
    // A client that refuses says so, and reads no more: its word, not our broken stream, counts.
    let (talked, heard) = tokio::join!(talk, hear);
    heard.and(talked)
}

/// Fetches an archive that the client has on its standard input, into a file.
pub async fn upload(
    session: &Session,
    url_path: &str,
    path: &Path,
    mut report: Report<'_>,
) -> Result<(), Status> {
    use std::io::Write;
    let failed = |error: std::io::Error| {
        Status::new(Code::Unknown, format!("cannot write {}: {error}", path.display()))
    };
    let value = HeaderValue::from_str(url_path).map_err(|error| internal(&error))?;
    let header = HeaderName::from_static("urlpath");
    let (mut requests, mut responses) = session.open(UPLOAD, vec![(header, value)]).await?;
    let mut file = std::fs::File::create(path).map_err(failed)?;
    let mut bytes = 0u64;
    while let Some(message) = responses.next::<BytesMessage>().await? {
        bytes += message.data.len() as u64;
        if bytes > UPLOAD_LIMIT_BYTES {
            let text = "the context from standard input has more than 16 GiB";
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        report.add(message.data.len());
        file.write_all(&message.data).map_err(failed)?;
    }
    let _ = requests.finish();
    Ok(())
}

/// Headers of a request for files: what is no ASCII is percent-encoded, and that is said.
fn metadata(selection: &Selection<'_>) -> Result<Metadata, Status> {
    let name = [selection.name.to_owned()];
    let fields: [(&'static str, &'static str, &[String]); 3] = [
        ("dir-name", "dir-name-encoded", &name),
        ("followpaths", "followpaths-encoded", selection.follow),
        ("exclude-patterns", "exclude-patterns-encoded", selection.exclude),
    ];
    let mut metadata = Metadata::new();
    for (key, flag, values) in fields {
        let encode =
            values.iter().any(|value| !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        for value in values {
            let text = if encode { query_escaped(value) } else { value.clone() };
            let value = HeaderValue::from_str(&text).map_err(|error| internal(&error))?;
            metadata.push((HeaderName::from_static(key), value));
        }
        if encode {
            metadata.push((HeaderName::from_static(flag), HeaderValue::from_static("1")));
        }
    }
    Ok(metadata)
}

/// As Go's `url.QueryEscape`, of which the reverse is asked for.
fn query_escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn number(exporter: usize) -> HeaderValue {
    HeaderValue::from(exporter)
}

fn internal(error: &dyn std::error::Error) -> Status {
    Status::new(Code::Internal, error.to_string())
}
