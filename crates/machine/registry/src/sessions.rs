//! Uploads under way, by id: one request at a time works on one, and a restart loses none.
//!
//! An upload is a file of the image store whose name says its id and repository. What is in memory
//! is its hash so far; after a restart that is computed again when the client comes back.

use crate::name::Name;
use crate::problem::Problem;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;
use teu_images::{Store, Upload};
use tokio::sync::OwnedMutexGuard;

/// All uploads.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    live: Mutex<HashMap<String, Arc<Session>>>,
    limit: usize,
}

/// One upload.
#[derive(Debug)]
pub struct Session {
    id: String,
    repository: Name,
    slot: Arc<tokio::sync::Mutex<Slot>>,
    /// Seconds since 1970.
    touched: AtomicU64,
}

/// What an upload is at the moment.
#[derive(Debug)]
pub enum Slot {
    /// On disk only.
    Asleep,
    /// In memory, too.
    Awake(Upload),
    /// Ended.
    Ended,
}

/// An upload that is worked on; clones go to the threads that write, and it is free again when the
/// last of them is done, also if its client has gone.
pub type Held = Arc<Mutex<OwnedMutexGuard<Slot>>>;

/// Bytes of an id: 16 random ones in hex.
const ID_BYTES: usize = 32;

impl Sessions {
    /// Finds those that a registry before this one has left.
    pub fn open(store: &Store, limit: usize) -> teu_images::Result<Self> {
        let mut live = HashMap::new();
        for info in store.uploads()? {
            let Some((id, repository)) = info.name.split_once('@') else { continue };
            let Some(repository) = Name::from_file(repository) else { continue };
            let age = info.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            let session = Session::new(id, repository, Slot::Asleep, age.as_secs());
            live.insert(id.to_owned(), Arc::new(session));
        }
        Ok(Self { store: store.clone(), live: Mutex::new(live), limit })
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.live().len()
    }

    /// Begins one; refused if there are too many. Blocks.
    pub fn begin(&self, repository: &Name, now: u64) -> Result<Arc<Session>, Problem> {
        let id = random_id();
        let session = Session::new(&id, repository.clone(), Slot::Ended, now);
        let session = Arc::new(session);
        {
            let mut live = self.live();
            if live.len() >= self.limit {
                let message = format!("{} uploads are under way already; try later", self.limit);
                let status = StatusCode::TOO_MANY_REQUESTS;
                return Err(Problem::new(status, "TOOMANYREQUESTS", message)
                    .header(http::header::RETRY_AFTER, "60"));
            }
            live.insert(id.clone(), session.clone());
        }
        match self.store.begin_upload(&session.upload_name()) {
            Ok(upload) => {
                // Nobody else knows the id yet.
                if let Ok(mut slot) = session.slot.try_lock() {
                    *slot = Slot::Awake(upload);
                }
                Ok(session)
            }
            Err(error) => {
                self.live().remove(&id);
                Err(error.into())
            }
        }
    }

    /// One of this repository.
    pub fn get(&self, id: &str, repository: &Name) -> Option<Arc<Session>> {
        let is_id = id.len() == ID_BYTES && id.bytes().all(|b| b.is_ascii_hexdigit());
        let found = is_id.then(|| self.live().get(id).cloned()).flatten();
        found.filter(|session| session.repository == *repository)
    }

    /// Forgets one that has ended.
    pub fn end(&self, session: &Session) {
        self.live().remove(&session.id);
    }

    /// Ends those that nobody touched since a time; says how many. Blocks.
    pub fn sweep(&self, untouched_since: u64) -> teu_images::Result<usize> {
        let is_old =
            |session: &Arc<Session>| session.touched.load(Ordering::Relaxed) <= untouched_since;
        let old: Vec<Arc<Session>> = self.live().values().filter(|s| is_old(s)).cloned().collect();
        let mut ended = 0;
        for session in old {
            // One that is being worked on is not old.
            let Ok(mut slot) = session.slot.try_lock() else { continue };
            self.store.remove_upload(&session.upload_name())?;
            *slot = Slot::Ended;
            self.end(&session);
            ended += 1;
        }
        Ok(ended)
    }

    /// When the one that was touched longest ago was.
    pub fn oldest(&self) -> Option<u64> {
        self.live().values().map(|session| session.touched.load(Ordering::Relaxed)).min()
    }
}

impl Session {
    fn new(id: &str, repository: Name, slot: Slot, touched: u64) -> Self {
        let (id, slot) = (id.to_owned(), Arc::new(tokio::sync::Mutex::new(slot)));
        Self { id, repository, slot, touched: AtomicU64::new(touched) }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn upload_name(&self) -> String {
        format!("{}@{}", self.id, self.repository.file())
    }

    /// Waits until nobody else works on it.
    pub async fn hold(&self, now: u64) -> Held {
        let held = self.slot.clone().lock_owned().await;
        self.touched.store(now, Ordering::Relaxed);
        Arc::new(Mutex::new(held))
    }

    /// Says that bytes have come.
    pub fn touch(&self, now: u64) {
        self.touched.store(now, Ordering::Relaxed);
    }

    /// Does something with the upload, reading it from disk first if it must. Blocks.
    pub fn with<T>(
        &self,
        held: &Held,
        store: &Store,
        work: impl FnOnce(&mut Upload) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut slot = held.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(**slot, Slot::Asleep) {
            let found = store.resume_upload(&self.upload_name())?;
            **slot = found.map_or(Slot::Ended, Slot::Awake);
        }
        match &mut **slot {
            Slot::Awake(upload) => work(upload),
            Slot::Asleep | Slot::Ended => Err(Problem::upload_unknown()),
        }
    }

    /// Takes the upload out, to end it. Blocks.
    pub fn take(&self, held: &Held, store: &Store) -> Result<Upload, Problem> {
        self.with(held, store, |_| Ok(()))?;
        let mut slot = held.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut **slot, Slot::Ended) {
            Slot::Awake(upload) => Ok(upload),
            Slot::Asleep | Slot::Ended => Err(Problem::upload_unknown()),
        }
    }
}

/// Not to be guessed: who knows an id may end the upload.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; ID_BYTES / 2];
    // The kernel gives so few bytes whole, once it has booted.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().fold(String::with_capacity(ID_BYTES), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}
