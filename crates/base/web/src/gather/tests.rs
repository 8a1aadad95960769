//! What is gathered, when it leaves, and a peer that takes it slowly.

use super::{GATHERED_BYTES, Gathered};
use crate::stream::{Stream, Transport};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that remembers what each write brought, and takes so many bytes before it is full.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<(Vec<usize>, usize)>>);

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        let length = bytes.len().min(state.1);
        if length == 0 {
            return Poll::Pending;
        }
        state.1 -= length;
        state.0.push(length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Peer {
    fn with_room(room: usize) -> (Self, Gathered) {
        let peer = Self::default();
        peer.0.lock().unwrap().1 = room;
        let transport = Transport::Other(Box::new(peer.clone()));
        (peer, Gathered::new(Stream::new(transport, None)))
    }

    fn writes(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }
}

fn write(gathered: &Gathered, lengths: &[usize]) -> Poll<usize> {
    let mut context = Context::from_waker(Waker::noop());
    let zeros = vec![0; GATHERED_BYTES * 4];
    let slices: Vec<_> = lengths.iter().map(|length| IoSlice::new(&zeros[..*length])).collect();
    let mut gathered = gathered.clone();
    let written = Pin::new(&mut gathered).poll_write_vectored(&mut context, &slices);
    assert!(Pin::new(&mut gathered).poll_flush(&mut context).is_ready());
    written.map(|written| written.unwrap())
}

/// Polls a connection that writes frames of these lengths and rests.
fn drive(gathered: &Gathered, frames: &[usize]) -> bool {
    let mut frames = frames.iter();
    let connection = pin!(std::future::poll_fn(|_| {
        for frame in frames.by_ref() {
            assert_eq!(write(gathered, &[9, *frame]), Poll::Ready(9 + frame));
        }
        Poll::<()>::Pending
    }));
    let mut context = Context::from_waker(Waker::noop());
    pin!(gathered.drive(connection)).poll(&mut context).is_ready()
}

#[test]
fn frames_of_one_poll_leave_together() {
    let (peer, gathered) = Peer::with_room(usize::MAX);
    assert!(!drive(&gathered, &[600, 600, 600]));
    assert_eq!(peer.writes(), [3 * 609]);
    assert!(!drive(&gathered, &[]));
    assert!(peer.writes().is_empty());
    // No more than a record is held back, and what is larger does not wait.
    assert!(!drive(&gathered, &[10_000, 10_000]));
    assert_eq!(peer.writes(), [10_009, 10_009]);
    let large = GATHERED_BYTES * 2;
    assert_eq!(write(&gathered, &[100]), Poll::Ready(100));
    assert_eq!(write(&gathered, &[large]), Poll::Ready(large));
    assert_eq!(peer.writes(), [100, large]);
}

#[test]
fn a_peer_that_takes_nothing_is_waited_for() {
    let (peer, gathered) = Peer::with_room(5);
    assert!(!drive(&gathered, &[600]));
    assert_eq!(peer.writes(), [5]);
    assert_eq!(write(&gathered, &[GATHERED_BYTES]), Poll::Pending);
    peer.0.lock().unwrap().1 = usize::MAX;
    assert!(!drive(&gathered, &[]));
    assert_eq!(peer.writes(), [604]);
}

#[test]
fn the_last_words_are_sent() {
    let (peer, gathered) = Peer::with_room(usize::MAX);
    let connection = pin!(std::future::poll_fn(|_| write(&gathered, &[17]).map(drop)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(gathered.drive(connection)).poll(&mut context).is_ready());
    assert_eq!(peer.writes(), [17]);
}
