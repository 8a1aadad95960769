//! The journal of what happened, for `events`: bounded files of JSON lines, appended by whoever did
//! it, followed through inotify.
//!
//! `data/events/journal` and the one before it, `journal.1`. A line is one write of less than a page,
//! so lines of two writers never mix. An event that cannot be written is lost: no operation fails for
//! its journal.

use crate::record::ContainerRecord;
use crate::{Containers, Error, Home, Result, time};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

mod follow;

pub use follow::Events;

/// The journal is rotated at this size.
const JOURNAL_LIMIT_BYTES: u64 = 4 << 20;
/// Longest line; labels are left out of a longer one.
const LINE_LIMIT_BYTES: usize = 4096;
/// What of an action stands in a line that would be longer.
const ACTION_LIMIT_BYTES: usize = 512;

/// Something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `container`, `pod`, `volume`, `image`, `network`.
    pub kind: String,
    /// `create`, `start`, `die`, …
    pub action: String,
    /// Id of what it happened to.
    pub id: String,
    /// Name, image, exit code, signal, labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since the epoch.
    pub time_ns: i64,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventOptions {
    /// Nanoseconds since the epoch; without it, only what happens from now on.
    pub since_ns: Option<i64>,
    /// Ends then; without it, goes on for ever.
    pub until_ns: Option<i64>,
    /// Docker's: `container`, `event`, `image`, `label`, `type`, `volume`, `network`, `pod`.
    pub filters: Vec<(String, String)>,
}

impl Event {
    /// Something that happened to a container now, with what Docker says beside it.
    pub fn of_container(record: &ContainerRecord, action: &str) -> Self {
        let mut attributes = record.labels.clone();
        attributes.insert("name".to_owned(), record.name.clone());
        attributes.insert("image".to_owned(), record.image.clone());
        attributes.insert("pod".to_owned(), record.pod.clone());
        Self::new("container", action, &record.id, attributes)
    }

    /// Something that happened now.
    pub fn new(kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) -> Self {
        let time_ns = time::now_ns();
        let (kind, action, id) = (kind.to_owned(), action.to_owned(), id.to_owned());
        Self { kind, action, id, attributes, time_ns }
    }

    /// The same in little more than a thousand bytes: without labels, and of what was executed the
    /// beginning.
    fn short(&self) -> Self {
        let short = |key: &str| self.attributes.get(key).filter(|text| text.len() < 512);
        let kept = ["name", "image", "exitCode", "signal", "pod", "execID"]
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), short(key)?.clone())));
        let action = &self.action[..self.action.floor_char_boundary(ACTION_LIMIT_BYTES)];
        Self { action: action.to_owned(), attributes: kept.collect(), ..self.clone() }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.attributes.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// Appends to a home's journal.
pub fn append(home: &Home, event: &Event) -> Result<()> {
    let dir = home.data.join("events");
    let path = dir.join("journal");
    let mut line = serde_json::to_vec(event)
        .map_err(|source| Error::Damaged { path: path.clone(), source })?;
    if line.len() >= LINE_LIMIT_BYTES {
        line = serde_json::to_vec(&event.short())
            .map_err(|source| Error::Damaged { path: path.clone(), source })?;
    }
    line.push(b'\n');
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK;
    let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(Error::sys("open", &path))?;
    rustix::io::write(&file, &line).map_err(Error::sys("write", &path))?;
    let size = rustix::fs::fstat(&file).map_or(0, |stat| stat.st_size);
    if u64::try_from(size).unwrap_or(0) > JOURNAL_LIMIT_BYTES {
        // Of two that rotate at once the later finds a short journal or none.
        let lock = crate::disk::DirLock::attempt(&dir)?;
        let long = fs::metadata(&path).is_ok_and(|meta| meta.len() > JOURNAL_LIMIT_BYTES);
        if lock.is_some() && long {
            let _ = fs::rename(&path, dir.join("journal.1"));
        }
    }
    Ok(())
}

impl Containers {
    /// Writes into the journal; of images and networks their commands do it.
    pub fn emit(&self, event: &Event) -> Result<()> {
        append(&self.home, event)
    }

    /// What happened to a container; a journal that cannot be written stops nothing.
    pub(crate) fn journal(&self, record: &ContainerRecord, action: &str, more: &[(&str, &str)]) {
        let event = more.iter().fold(Event::of_container(record, action), |event, (key, value)| {
            event.with(key, value)
        });
        let _ = self.emit(&event);
    }

    pub(crate) fn journal_volume(&self, name: &str, action: &str) {
        let attributes = BTreeMap::from([("driver".to_owned(), "local".to_owned())]);
        let _ = self.emit(&Event::new("volume", action, name, attributes));
    }

    pub(crate) fn journal_pod(&self, id: &str, name: &str, action: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        let _ = self.emit(&Event::new("pod", action, id, attributes));
    }

    /// What has happened and happens. Without `until_ns`, `next` waits for ever.
    pub fn events(&self, options: &EventOptions) -> Result<Events> {
        Events::open(&self.home.data.join("events"), options)
    }
}

#[cfg(test)]
mod tests;
