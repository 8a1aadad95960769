//! What a server asks for answers.

use std::net::IpAddr;

/// Names that a server knows. Names come in lower case, without a dot at the end.
pub trait Zone {
    /// Addresses that bear the name, of both families: the server picks those asked for, and says
    /// NODATA when there are only others. `None` for a name it does not know.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;

    /// Name of an address, fully qualified, for reverse look-ups.
    fn name_of(&self, address: IpAddr) -> Option<String>;

    /// What becomes of a name that it does not know.
    fn otherwise(&self, name: &str) -> Answer {
        let _ = name;
        Answer::Forward
    }
}

/// What becomes of a name that the zone does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The upstreams are asked.
    Forward,
    /// It does not exist (NXDOMAIN).
    NotFound,
}
