//! Somebody who asks.

use std::collections::BTreeMap;

/// The group of the cluster's owners.
pub const MASTERS: &str = "system:masters";
/// The group of whoever has shown a credential.
pub const AUTHENTICATED: &str = "system:authenticated";

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Name.
    pub name: String,
    /// What tells users of one name apart over time.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Somebody who has shown nothing.
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Self::default()
        }
    }

    /// A part of the server itself.
    pub fn internal(name: &str) -> Self {
        let groups = vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()];
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// Whether they are in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known == group)
    }
}
