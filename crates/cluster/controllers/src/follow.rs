//! Watches several kinds at once, for ever: from the beginning whenever one is cut off.

use crate::Context;
use teu_client::{Choice, Event, Kind};
use tokio::sync::mpsc;

/// Events that wait before the watches do.
const WAITING: usize = 1000;
/// Before a watch that ended begins anew.
const PAUSE_MILLISECONDS: u64 = 1000;

/// A kind to watch, and which of its objects.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The kind.
    pub kind: Kind<'static>,
    /// Which.
    pub choice: Choice,
}

/// The events of all of them, with the place of their kind in the list. They end when the receiver is
/// dropped.
pub fn follow(context: &Context, all: &[Wanted]) -> mpsc::Receiver<(usize, Event)> {
    let (sender, receiver) = mpsc::channel(WAITING);
    for (at, wanted) in all.iter().enumerate() {
        let (context, wanted, sender) = (context.clone(), wanted.clone(), sender.clone());
        tokio::spawn(async move {
            loop {
                let watch = context.client.watch(wanted.kind, &wanted.choice, "").await;
                if let Ok(mut watch) = watch {
                    loop {
                        tokio::select! {
                            event = watch.next() => {
                                let Ok(event) = event else { break };
                                if sender.send((at, event)).await.is_err() {
                                    return;
                                }
                            }
                            () = sender.closed() => return,
                        }
                    }
                }
                tokio::select! {
                    () = context.timer.sleep(PAUSE_MILLISECONDS) => {}
                    () = sender.closed() => return,
                }
            }
        });
    }
    receiver
}
