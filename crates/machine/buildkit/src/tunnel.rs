//! A byte stream within a call: `Control.Session` (for clients that have only one connection) and
//! the agent's connections carry one.

use crate::rpc::client::{Requests, Responses};
use crate::rpc::server::Call;
use crate::rpc::{Frames, Status};
use crate::wire::BytesMessage;
use bytes::Bytes;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes on their way within the process.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes in one message.
const CHUNK_BYTES: usize = 32 << 10;

/// The stream that a call carries, and the future that moves its bytes until either side ends.
pub fn of_call(call: Call) -> (DuplexStream, impl Future<Output = Result<(), Status>> + Send) {
    let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
    let moved = async move {
        let Call { mut requests, responses, .. } = call;
        let (mut reader, mut writer) = tokio::io::split(ours);
        let outward = async {
            while let Some(data) = chunk(&mut reader).await? {
                responses.send(&BytesMessage { data }).await?;
            }
            Ok(())
        };
        tokio::select! {
            ended = inward(&mut requests, &mut writer) => ended,
            ended = outward => ended,
        }
    };
    (theirs, moved)
}

/// Joins a local connection with a call that we made.
pub async fn join(
    mut requests: Requests,
    mut responses: Responses,
    connection: tokio::net::UnixStream,
) -> Result<(), Status> {
    let (mut reader, mut writer) = connection.into_split();
    let outward = async {
        while let Some(data) = chunk(&mut reader).await? {
            requests.send(&BytesMessage { data }).await?;
        }
        requests.finish()
    };
    let inward = async {
        while let Some(message) = responses.next::<BytesMessage>().await? {
            writer.write_all(&message.data).await.map_err(lost)?;
        }
        let _ = writer.shutdown().await;
        Ok(())
    };
    tokio::try_join!(outward, inward).map(drop)
}

async fn inward(
    requests: &mut Frames,
    writer: &mut (impl AsyncWriteExt + Unpin),
) -> Result<(), Status> {
    while let Some(message) = requests.next::<BytesMessage>().await? {
        writer.write_all(&message.data).await.map_err(lost)?;
    }
    Ok(())
}

async fn chunk(reader: &mut (impl AsyncReadExt + Unpin)) -> Result<Option<Bytes>, Status> {
    let mut buffer = bytes::BytesMut::with_capacity(CHUNK_BYTES);
    let read = reader.read_buf(&mut buffer).await.map_err(lost)?;
    Ok((read > 0).then(|| buffer.freeze()))
}

fn lost(error: std::io::Error) -> Status {
    Status::new(crate::rpc::Code::Unavailable, format!("the tunnel's end is gone: {error}"))
}
