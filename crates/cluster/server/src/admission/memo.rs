//! What was read and compiled of an object, kept until the object changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Objects that are kept; beyond, everything is forgotten and read anew.
const MAX_KEPT: usize = 1000;

/// By name, with the resource version it is of.
#[derive(Debug)]
pub struct Memo<T>(Mutex<HashMap<String, (String, Arc<T>)>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Memo<T> {
    /// What is made of an object of this name and version.
    pub fn get(&self, name: &str, version: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, made)) = lock().get(name)
            && known == version
        {
            return Arc::clone(made);
        }
        let made = Arc::new(make());
        let mut kept = lock();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), (version.to_owned(), Arc::clone(&made)));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn it_is_made_anew_when_the_version_changes() {
        let memo = Memo::default();
        assert_eq!(*memo.get("a", "1", || 1), 1);
        assert_eq!(*memo.get("a", "1", || 2), 1);
        assert_eq!(*memo.get("a", "2", || 3), 3);
    }
}
