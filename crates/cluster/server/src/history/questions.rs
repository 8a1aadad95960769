//! What is asked of the history: what an object was, how that differs from what it is, and to have it
//! back.

use super::past::{Moment, Past, Stood};
use super::record::Ended;
use super::{History, change, lines};
use crate::api::Api;
use crate::auth::User;
use crate::encode::yaml;
use crate::local::Local;
use crate::stored::Stored;
use crate::table::Entry;
use crate::time::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Client, Kind};
use teu_store::{Consistency, KeyValue};

/// Who owns fields that an undo writes.
const MANAGER: &str = "teu-undo";

/// A question.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Question {
    /// `KIND/NAME`; the kind by any of its names, with its group if need be (`deployments.apps/web`).
    pub object: String,
    /// Where it is, if it is in a namespace.
    pub namespace: String,
    /// A time (RFC 3339) or a revision; empty for before the last change.
    pub at: String,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The revision that made it.
    pub revision: u64,
    /// When.
    pub time: String,
    /// Who, as far as owners of fields tell.
    pub by: String,
    /// What: paths, or that it was deleted.
    pub change: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// From when on nothing is missing.
    pub since: String,
    /// Changes, the newest first.
    pub rows: Vec<Row>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The object is not named so that it can be found.
    #[error("{text:?} is no object: say KIND/NAME, such as deployment/web")]
    Name {
        /// What was said.
        text: String,
    },
    /// There are no such resources.
    #[error("the server has no resource {kind:?}")]
    Kind {
        /// What was said.
        kind: String,
    },
    /// Of these no history is kept.
    #[error("of {plural} no history is kept")]
    Unkept {
        /// Which.
        plural: String,
    },
    /// None is kept at all.
    #[error("this server keeps no history (history-span is 0 in its configuration)")]
    Off,
    /// What happened a moment ago is not known yet.
    #[error("the history has not come as far as the store yet: try again in a moment")]
    Behind,
    /// No moment is meant.
    #[error("{text:?} is neither a time such as 2026-01-31T12:00:00Z nor a revision")]
    Moment {
        /// What was said.
        text: String,
    },
    /// It is gone, or was never there.
    #[error("what {object} was {at} is not known: history is whole from {since} on")]
    Gone {
        /// Of what.
        object: String,
        /// When.
        at: String,
        /// See there.
        since: String,
    },
    /// It was not there.
    #[error("{object} was not there {at}; to be rid of it, delete it")]
    NotThere {
        /// What.
        object: String,
        /// When.
        at: String,
    },
    /// Nothing was changed.
    #[error("{object} was not changed since {since}: there is nothing to undo")]
    Unchanged {
        /// What.
        object: String,
        /// From when on nothing is missing.
        since: String,
    },
    /// What was kept cannot be read.
    #[error("the version of {object} that was kept cannot be read: it was stored encrypted")]
    Sealed {
        /// Of what.
        object: String,
    },
    /// The files.
    #[error("the history cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The store.
    #[error("the store cannot be read: {0}")]
    Store(#[from] teu_store::Error),
    /// The API refuses what was.
    #[error("the server refuses what {object} was: {status}")]
    Refused {
        /// What.
        object: String,
        /// Why.
        status: Box<Status>,
    },
}

/// The object that is meant.
struct Subject {
    entry: Arc<Entry>,
    namespace: String,
    name: String,
    past: Past,
    now: Option<Arc<KeyValue>>,
}

impl History {
    /// The changes of an object.
    pub async fn versions(
        self: &Arc<Self>,
        api: &Arc<Api>,
        question: &Question,
    ) -> Result<Told, QuestionError> {
        let subject = self.subject(api, question).await?;
        let now = subject.now.as_ref().and_then(|kv| parse(&kv.value));
        let versions: Vec<&Ended> = subject.past.versions().collect();
        let row = |at: usize, version: &&Ended| {
            let next = versions.get(at + 1).map_or_else(|| now.clone(), |next| parse(&next.value));
            let (by, change) = match (version.is_deleted, parse(&version.value), next) {
                (true, ..) => (String::new(), "deleted".to_owned()),
                (false, Some(before), Some(after)) => {
                    (manager(&after), change::paths(&before, &after).join(", "))
                }
                _ => (String::new(), "changed".to_owned()),
            };
            Row { revision: version.revision, time: time(version.ms), by, change }
        };
        let mut rows: Vec<Row> =
            versions.iter().enumerate().map(|(at, version)| row(at, version)).collect();
        rows.reverse();
        Ok(Told { since: subject.since(), rows })
    }

    /// How an object differs from what it was.
    pub async fn diff(
        self: &Arc<Self>,
        api: &Arc<Api>,
        question: &Question,
    ) -> Result<String, QuestionError> {
        let subject = self.subject(api, question).await?;
        let (was, when) = subject.wanted(question)?;
        let now =
            subject.now.as_ref().map(|kv| subject.open(&kv.value, kv.modified)).transpose()?;
        let text = |object: Option<&Value>| {
            let text = object.map(|object| yaml::print(&change::intent(object)));
            text.map_or_else(String::new, |text| String::from_utf8_lossy(&text).into_owned())
        };
        Ok(lines::diff(
            (&format!("{} {when}", question.object), &text(was.as_ref())),
            (&format!("{} now", question.object), &text(now.as_ref())),
        ))
    }

    /// Makes an object what it was; says what was done.
    pub async fn undo(
        self: &Arc<Self>,
        api: &Arc<Api>,
        question: &Question,
    ) -> Result<String, QuestionError> {
        let subject = self.subject(api, question).await?;
        let (was, when) = subject.wanted(question)?;
        let object = question.object.clone();
        let mut was = was
            .ok_or_else(|| QuestionError::NotThere { object: object.clone(), at: when.clone() })?;
        let client = Local::new(api, User::internal("system:admin"), MANAGER);
        let resource = &subject.entry.row.resource;
        let kind =
            Kind { group: &resource.group, version: &resource.version, plural: &resource.plural };
        let refused =
            |status| QuestionError::Refused { object: object.clone(), status: Box::new(status) };
        let now = match &subject.now {
            Some(kv) => Some(subject.open(&kv.value, kv.modified)?),
            None => None,
        };
        forget(&mut was, now.as_ref());
        let Some(now) = now else {
            let made = client.create(kind, &subject.namespace, was).await.map_err(refused)?;
            return Ok(format!(
                "{object} is there again as it was {when}, at revision {}",
                version(&made)
            ));
        };
        if change::intent(&now) == change::intent(&was) {
            return Ok(format!("{object} is as it was {when}"));
        }
        let changed = client.update(kind, "", was).await.map_err(refused)?;
        Ok(format!("{object} is again as it was {when}, at revision {}", version(&changed)))
    }

    async fn subject(
        self: &Arc<Self>,
        api: &Arc<Api>,
        question: &Question,
    ) -> Result<Subject, QuestionError> {
        if !self.is_kept() {
            return Err(QuestionError::Off);
        }
        let text = &question.object;
        let (kind, name) = text
            .split_once('/')
            .filter(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'))
            .ok_or_else(|| QuestionError::Name { text: text.clone() })?;
        let entry = find(api, kind).ok_or_else(|| QuestionError::Kind { kind: kind.to_owned() })?;
        let namespace = match entry.row.resource.is_namespaced() {
            true => question.namespace.clone(),
            false => String::new(),
        };
        let key = entry.shelf.key(&namespace, name);
        if !change::is_kept(&key) {
            return Err(QuestionError::Unkept { plural: entry.plural().to_owned() });
        }
        let found = api.store.get(&key, Consistency::Linearizable).await?;
        let now = found.kv;
        let own = now.as_ref().map_or(0, |kv| kv.modified);
        // Or an undo would take back the change before the one that is meant.
        if !self.caught_up(found.revision, own).await {
            return Err(QuestionError::Behind);
        }
        let span_ms = u64::try_from(self.bounds.span.as_millis()).unwrap_or(u64::MAX);
        let now_ms = u64::try_from(api.wall.since_epoch().as_millis()).unwrap_or(u64::MAX);
        let (this, own) = (Arc::clone(self), key.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut past = Past::of(own, now_ms.saturating_sub(span_ms));
            this.scan(|record| past.push(record)).map(|()| past)
        });
        let past = read.await.map_err(std::io::Error::other)??;
        Ok(Subject { entry, namespace, name: name.to_owned(), past, now })
    }
}

impl Subject {
    fn since(&self) -> String {
        self.past.since().map_or_else(|| "now".to_owned(), |(ms, _)| time(ms))
    }

    fn label(&self) -> String {
        format!("{}/{}", self.entry.plural(), self.name)
    }

    /// The version that a question means, if there was one, and when that was, in words.
    fn wanted(&self, question: &Question) -> Result<(Option<Value>, String), QuestionError> {
        if question.at.is_empty() {
            let last = self.past.versions().next_back().ok_or_else(|| {
                QuestionError::Unchanged { object: self.label(), since: self.since() }
            })?;
            let when = format!("before {}", time(last.ms));
            return Ok((Some(self.open(&last.value, last.revision)?), when));
        }
        let moment = moment(&question.at)?;
        let when = match moment {
            Moment::Time(ms) => format!("at {}", time(ms)),
            Moment::Revision(revision) => format!("at revision {revision}"),
        };
        let gone = |since: u64| QuestionError::Gone {
            object: self.label(),
            at: when.clone(),
            since: time(since),
        };
        let (value, created, revision) = match self.past.at(moment) {
            Stood::Unknown((since, _)) => return Err(gone(since)),
            Stood::Version(version) => (&version.value, version.created, version.revision),
            Stood::AsNow => match &self.now {
                None => return Ok((None, when)),
                Some(kv) => (&kv.value, kv.created, kv.modified),
            },
        };
        let object = self.open(value, revision)?;
        let was_made_later = match moment {
            Moment::Revision(at) => created > at,
            Moment::Time(at) => {
                let made = object::text(&object, &["metadata", "creationTimestamp"]);
                let made = made.and_then(teu_api::time::parse).and_then(|s| u64::try_from(s).ok());
                made.is_some_and(|seconds| seconds * 1000 > at)
            }
        };
        Ok(((!was_made_later).then_some(object), when))
    }

    fn open(&self, value: &bytes::Bytes, revision: u64) -> Result<Value, QuestionError> {
        let sealed = || QuestionError::Sealed { object: self.label() };
        parse(value).ok_or_else(sealed)?;
        self.entry.open(&Stored::new(value.clone()), revision).map_err(|_| sealed())
    }
}

fn parse(value: &[u8]) -> Option<Value> {
    serde_json::from_slice(value).ok()
}

fn time(ms: u64) -> String {
    rfc3339(i64::try_from(ms / 1000).unwrap_or(i64::MAX))
}

fn moment(text: &str) -> Result<Moment, QuestionError> {
    if let Ok(revision) = text.parse() {
        return Ok(Moment::Revision(revision));
    }
    let seconds = teu_api::time::parse(text).and_then(|seconds| u64::try_from(seconds).ok());
    // The whole second: what happened in it has happened.
    let ms = seconds.map(|seconds| seconds * 1000 + 999);
    ms.map(Moment::Time).ok_or_else(|| QuestionError::Moment { text: text.to_owned() })
}

/// Takes away what only the server says, and puts in what the object that is there has of it.
fn forget(was: &mut Value, now: Option<&Value>) {
    const OWN: [&str; 8] = [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    if let Some(fields) = was.as_object_mut() {
        fields.remove("status");
    }
    let metadata = object::metadata_mut(was);
    OWN.iter().for_each(|field| drop(metadata.remove(*field)));
    for field in ["resourceVersion", "uid", "creationTimestamp", "deletionTimestamp"] {
        if let Some(value) = now.and_then(|now| object::at(now, &["metadata", field])) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
}

fn version(object: &Value) -> &str {
    object::text(object, &["metadata", "resourceVersion"]).unwrap_or_default()
}

/// Who wrote an object last.
fn manager(object: &Value) -> String {
    let all = object::at(object, &["metadata", "managedFields"]).and_then(Value::as_array);
    let time = |entry: &&Value| entry["time"].as_str().unwrap_or_default().to_owned();
    let own = all.into_iter().flatten().filter(|entry| entry["subresource"] != "status");
    let last = own.max_by_key(time).and_then(|entry| entry["manager"].as_str());
    last.unwrap_or_default().to_owned()
}

/// A resource by any of its names: plural, singular, short, kind; with its group if need be.
fn find(api: &Api, text: &str) -> Option<Arc<Entry>> {
    let text = text.to_ascii_lowercase();
    let (name, group) = match text.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (&*text, None),
    };
    let rows = api.table.rows();
    let is_meant = |entry: &&Arc<Entry>| {
        let resource = &entry.row.resource;
        let names = [&*resource.plural, &*resource.singular];
        let is_name = names.contains(&name)
            || resource.kind.to_ascii_lowercase() == name
            || resource.short.iter().any(|short| short == name);
        is_name && entry.is_stored() && group.is_none_or(|group| resource.group == *group)
    };
    let group = rows.all().find(is_meant)?.group().to_owned();
    let versions = rows.versions(&group);
    versions.into_iter().find_map(|version| rows.resources(&group, version).find(is_meant)).cloned()
}
