//! The values of `run`'s flags as text, each read by a pure function with Docker's rules and
//! messages: for the command line, the engine (whose bodies carry the same texts) and Compose.
//!
//! Nothing here opens a file but through what it is handed; looking up containers, devices and
//! variables of the environment is done by the caller, so that all of it is tested as data.

pub mod devices;
pub mod environment;
pub mod limits;
pub mod lists;
pub mod mounts;
pub mod networks;
pub mod ports;
pub mod signals;

/// Why a value was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// `-v`
    #[error("invalid volume specification: '{value}': {reason}")]
    Volume {
        /// As typed.
        value: String,
        /// Why not.
        reason: String,
    },
    /// `--mount`
    #[error("invalid argument {value:?} for \"--mount\" flag: {reason}")]
    Mount {
        /// As typed.
        value: String,
        /// Why not.
        reason: String,
    },
    /// `-p`, `--expose`
    #[error("{0}")]
    Port(PortFault),
    /// A line of an environment or label file.
    #[error("invalid env file ({path}): {reason}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        reason: String,
    },
    /// Any other flag.
    #[error("invalid argument {value:?} for \"--{flag}\" flag: {reason}")]
    Value {
        /// Which.
        flag: &'static str,
        /// As typed.
        value: String,
        /// Why not.
        reason: String,
    },
}

/// What is wrong with a port.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PortFault {
    #[error("invalid containerPort: {0}")]
    Container(String),
    #[error("invalid hostPort: {0}")]
    Host(String),
    #[error("invalid proto: {0}")]
    Protocol(String),
    #[error("no port specified: {0}<empty>")]
    Missing(String),
    #[error("invalid IP address: {0}")]
    Address(String),
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges { container: String, host: String },
}

impl OptionError {
    /// For a flag without words of its own.
    pub fn value(flag: &'static str, value: &str, reason: impl Into<String>) -> Self {
        Self::Value { flag, value: value.to_owned(), reason: reason.into() }
    }
}

/// `key=value,key="va,lue"`: one record of CSV.
pub fn fields(text: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut field = String::new();
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match (c, quoted) {
            ('"', true) if characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            ('"', true) => quoted = false,
            ('"', false) if field.is_empty() => quoted = true,
            ('"', false) => return None,
            (',', false) => out.push(std::mem::take(&mut field)),
            (other, _) => field.push(other),
        }
    }
    out.push(field);
    (!quoted).then_some(out)
}

/// `true`, `1`, … as Go's ParseBool.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
