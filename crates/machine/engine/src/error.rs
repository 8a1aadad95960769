//! What goes wrong, as Docker's clients hear it: a status code and a message.

use teu_containers::create::Invalid;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refused or failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// In our own words, with the status that says it.
    #[error("{message}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// For a person.
        message: String,
    },
    /// The body.
    #[error(transparent)]
    Body(#[from] teu_docker::BodyError),
    /// Containers, pods, volumes.
    #[error(transparent)]
    Containers(#[from] teu_containers::Error),
    /// A flag's text.
    #[error(transparent)]
    Option(#[from] teu_containers::options::OptionError),
    /// Images.
    #[error(transparent)]
    Images(#[from] teu_images::Error),
    /// Networks.
    #[error(transparent)]
    Network(#[from] teu_network::Error),
    /// A build.
    #[error(transparent)]
    Build(#[from] teu_builder::Error),
    /// A name of an image.
    #[error(transparent)]
    Reference(#[from] teu_oci::reference::ParseReferenceError),
    /// A stream.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// 400
    pub fn bad(message: impl Into<String>) -> Self {
        Self::Refused { status: 400, message: message.into() }
    }

    /// 404
    pub fn missing(message: impl Into<String>) -> Self {
        Self::Refused { status: 404, message: message.into() }
    }

    /// 409
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Refused { status: 409, message: message.into() }
    }

    /// 501
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Refused { status: 501, message: message.into() }
    }

    /// Any other.
    pub fn status_of(status: u16, message: impl Into<String>) -> Self {
        Self::Refused { status, message: message.into() }
    }

    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// HTTP's status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Body(_) | Self::Option(_) | Self::Reference(_) => 400,
            Self::Containers(error) => of_containers(error),
            Self::Images(error) => of_images(error),
            Self::Network(error) => of_networks(error),
            Self::Build(_) | Self::Io { .. } => 500,
        }
    }

    /// In Docker's words, with the causes that the error's own text leaves out.
    pub fn message(&self) -> String {
        match self {
            Self::Images(error) => image_message(error),
            Self::Containers(teu_containers::Error::Images(error)) => image_message(error),
            Self::Network(error) => network_message(error),
            Self::Containers(teu_containers::Error::Network(error)) => network_message(error),
            other => with_causes(other),
        }
    }
}

/// An error and what caused it, where its text does not say so already.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

fn of_containers(error: &teu_containers::Error) -> u16 {
    use teu_containers::Error as E;
    match error {
        E::NoSuchContainer(_) | E::NoSuchPod(_) => 404,
        E::Ambiguous(_)
        | E::InvalidName(_)
        | E::InvalidPodName(_)
        | E::InvalidFilter(_)
        | E::FilterValue { .. } => 400,
        E::InvalidTime(_) => 400,
        E::Invalid(invalid) => of_invalid(invalid),
        E::NameInUse { .. }
        | E::NotRunning(_)
        | E::CannotKill { .. }
        | E::AlreadyPaused(_)
        | E::Paused(..)
        | E::Restarting(_)
        | E::StillRunning { .. }
        | E::PodRunning(_)
        | E::VolumeInUse { .. }
        | E::JoinNotRunning { .. }
        | E::Refused(_) => 409,
        E::NotPaused(_) => 500,
        E::AlreadyConnected { .. } => 403,
        E::NotConnected { .. } => 404,
        E::LogsNotKept => 501,
        E::Images(error) => of_images(error),
        E::Network(error) => of_networks(error),
        E::Volumes(error) => of_volumes(error),
        // What cannot be executed is the client's mistake.
        E::Shim { exit_code: 126 | 127, .. } => 400,
        E::Copy(error) => of_copy(error),
        _ => 500,
    }
}

fn of_copy(error: &teu_containers::copy::CopyError) -> u16 {
    use teu_containers::copy::CopyError as E;
    match error {
        E::NotFound { .. } => 404,
        E::NoSuchDirectory(_) => 404,
        _ => 400,
    }
}

fn of_invalid(_: &Invalid) -> u16 {
    400
}

fn of_images(error: &teu_images::Error) -> u16 {
    use teu_images::Error as E;
    match error {
        E::NoSuchImage { .. } | E::NoPlatform { .. } => 404,
        E::Reference(_) | E::Digest(_) | E::Ambiguous { .. } | E::TagDigest(_) => 400,
        E::Change { .. } => 400,
        E::InUse { .. } | E::SeveralNames { .. } => 409,
        _ => 500,
    }
}

fn image_message(error: &teu_images::Error) -> String {
    use teu_images::Error as E;
    match error {
        E::NoSuchImage { name, .. } => format!("No such image: {}", with_tag(name)),
        other => with_causes(other),
    }
}

/// A name as Docker shows it in errors: with the tag that it meant.
pub(crate) fn with_tag(name: &str) -> String {
    match name.parse::<teu_oci::Reference>() {
        Ok(reference) => reference.familiar(),
        Err(_) => name.to_owned(),
    }
}

fn of_networks(error: &teu_network::Error) -> u16 {
    use teu_network::Error as E;
    match error {
        E::NotFound { .. } => 404,
        E::NameTaken { .. } => 409,
        E::BadName { .. }
        | E::Option { .. }
        | E::Subnet { .. }
        | E::Address { .. }
        | E::Ambiguous { .. }
        | E::Alias { .. }
        | E::Mac { .. } => 400,
        E::Predefined { .. } | E::Overlap { .. } | E::InUse { .. } | E::AlreadyConnected { .. } => {
            403
        }
        E::Driver { .. } => 404,
        _ => 500,
    }
}

fn network_message(error: &teu_network::Error) -> String {
    use teu_network::Error as E;
    match error {
        E::NotFound { name } => format!("network {name} not found"),
        E::NameTaken { name } => format!("network with name {name} already exists"),
        E::InUse { name, endpoints } => {
            format!(
                "error while removing network: network {name} has active endpoints ({endpoints})"
            )
        }
        E::Overlap { .. } => {
            "invalid pool request: Pool overlaps with other one on this address space".to_owned()
        }
        E::Driver { driver } => format!("plugin \"{driver}\" not found"),
        other => with_causes(other),
    }
}

fn of_volumes(error: &teu_volumes::Error) -> u16 {
    use teu_volumes::Error as E;
    match error {
        E::NoSuchVolume(_) => 404,
        E::Io { .. } | E::Damaged { .. } => 500,
        _ => 400,
    }
}
