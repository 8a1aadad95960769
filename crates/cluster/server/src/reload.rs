//! Files of the configuration that count anew when they change: who is believed, what is encrypted, what is
//! written down. The folders they are in are listened to (inotify), so nothing is asked while nothing
//! happens; a file that cannot be used is told of, and what was before stays.
//!
//! What is listened for is that a file was closed after writing, or came there by a rename (editors, the link
//! that is swapped under a mounted secret), or got another mode. Whether it is another is seen by its content.

use crate::api::Api;
use ring::digest::{SHA256, digest};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

/// Bytes of a file that are looked at: as much as any of them may have, and one more.
const MAX_FILE_BYTES: u64 = (4 << 20) + 1;
/// Bytes of events that are read at a time.
const EVENT_BYTES: usize = 4096;

/// A file, and what is done when it has changed; why it cannot be used, if it cannot.
pub struct Watched {
    /// What it says, in the word of metrics.
    pub what: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Takes it over. It may read it, and block for that.
    pub take: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watched").field(&self.path).finish()
    }
}

/// A file that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Which.
    pub path: PathBuf,
    /// Why it does not count; none if it does.
    pub trouble: Option<String>,
}

/// How often files were taken over, and how often not.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Reloads {
    fn count(&self, what: &'static str, status: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((what, status)).or_default() += 1;
    }

    /// As Prometheus reads it: what a counter is, is said once.
    pub fn print(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut text, mut said) = (String::new(), "");
        for ((what, status), count) in &*counts {
            let name = format!("apiserver_{what}_config_controller_automatic_reloads_total");
            if said != *what {
                text += &format!("# TYPE {name} counter\n");
                said = what;
            }
            text += &format!("{name}{{status=\"{status}\"}} {count}\n");
        }
        text
    }
}

/// What a file is: its mode and its content, or that it is not there.
type Print = Option<(u32, Vec<u8>)>;

/// Follows files until the server stops.
pub async fn run(files: Vec<Watched>, told: mpsc::Sender<Reloaded>, api: Arc<Api>) {
    if files.is_empty() {
        return;
    }
    let ears = Ears::at(&files);
    let mut known: Vec<Print> = files.iter().map(|file| print(&file.path)).collect();
    loop {
        let heard = match &ears {
            Ok(ears) => tokio::select! {
                heard = ears.hear() => heard,
                () = api.shutdown.begun() => return,
            },
            Err(error) => Err(io::Error::from(error.kind())),
        };
        if let Err(error) = heard {
            for file in files {
                let trouble =
                    format!("its folder cannot be listened to, restart after changes: {error}");
                let _ = told.try_send(Reloaded { path: file.path, trouble: Some(trouble) });
            }
            return;
        }
        for (file, known) in files.iter().zip(&mut known) {
            let (path, take, before) = (file.path.clone(), Arc::clone(&file.take), known.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let now = print(&path);
                (now != before).then(|| (take(), now))
            });
            let Ok(Some((done, now))) = looked.await else { continue };
            *known = now;
            api.reloads.count(file.what, if done.is_ok() { "success" } else { "failure" });
            // Whoever does not listen has the metrics.
            let _ = told.try_send(Reloaded { path: file.path.clone(), trouble: done.err() });
        }
    }
}

fn print(path: &Path) -> Print {
    let file = std::fs::File::open(path).ok()?;
    let mode = file.metadata().ok()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some((mode, digest(&SHA256, &bytes).as_ref().to_vec()))
}

/// What listens to folders. To tokio it is a pipe that bytes come out of, which is all that is wanted of it:
/// what exactly has happened is not looked at.
struct Ears(pipe::Receiver);

impl Ears {
    /// To those of some files, and of what they are links to.
    fn at(files: &[Watched]) -> io::Result<Self> {
        let listening = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let paths =
            files.iter().flat_map(|file| [Some(file.path.clone()), file.path.canonicalize().ok()]);
        let folder = |path: PathBuf| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let folders: BTreeSet<PathBuf> = paths.flatten().map(folder).collect();
        let wanted = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB;
        for folder in folders {
            inotify::add_watch(&listening, &folder, wanted)?;
        }
        pipe::Receiver::from_owned_fd_unchecked(listening).map(Self)
    }

    /// Until something has happened.
    async fn hear(&self) -> io::Result<()> {
        let mut has_heard = false;
        while !has_heard {
            self.0.readable().await?;
            let mut events = [0; EVENT_BYTES];
            // All that has happened by now is one.
            loop {
                match self.0.try_read(&mut events) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => has_heard = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_described_once() {
        let reloads = Reloads::default();
        for (what, status) in
            [("a", "success"), ("b", "success"), ("a", "failure"), ("a", "success")]
        {
            reloads.count(what, status);
        }
        let said = reloads.print();
        assert_eq!(said.matches("# TYPE apiserver_a_").count(), 1, "{said}");
        assert!(
            said.contains("_a_config_controller_automatic_reloads_total{status=\"success\"} 2\n")
        );
        assert!(
            said.contains("_b_config_controller_automatic_reloads_total{status=\"success\"} 1\n")
        );
    }
}
