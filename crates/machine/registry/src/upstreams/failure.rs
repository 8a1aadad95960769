//! What an upstream's refusal means for who asks here: a pure translation.

use crate::problem::Problem;
use http::StatusCode;
use http::header::RETRY_AFTER;
use teu_images::remote::RemoteError;

/// Why the upstream did not give it.
#[derive(Debug, Clone)]
pub enum Failure {
    /// It says that it has it not.
    Absent(Problem),
    /// It says that we may not have it: neither may who asks here, whatever is still kept.
    Refused(Problem),
    /// It cannot be reached, or gives no sense: what is here will do.
    Gone(Problem),
    /// The fault is ours.
    Own(Problem),
}

impl Failure {
    /// Of a client's error.
    pub fn of(registry: &str, error: RemoteError) -> Self {
        let said = error.to_string();
        let (status, code) = match &error {
            RemoteError::NotFound { .. } => {
                let message = format!("{registry}: {said}");
                let problem = Problem::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message);
                return Self::Absent(problem);
            }
            RemoteError::RateLimited { wait, .. } => {
                let wait = wait.as_secs().clamp(1, 3600).to_string();
                let status = StatusCode::TOO_MANY_REQUESTS;
                let problem = Problem::new(status, "TOOMANYREQUESTS", said);
                return Self::Gone(problem.header(RETRY_AFTER, &wait));
            }
            RemoteError::Denied { .. } | RemoteError::Login { .. } => {
                // Not 401: the name that would help is ours at the upstream, not the asker's here.
                let message = format!("{registry} does not let this registry have it: {said}");
                let problem = Problem::new(StatusCode::FORBIDDEN, "DENIED", message);
                return Self::Refused(problem);
            }
            RemoteError::Transport { .. }
            | RemoteError::Body { .. }
            | RemoteError::Status { .. }
            | RemoteError::Protocol { .. }
            | RemoteError::TooLarge { .. }
            | RemoteError::Redirect { .. } => (StatusCode::BAD_GATEWAY, "UNAVAILABLE"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        let problem = Problem::new(status, code, said);
        match status {
            StatusCode::BAD_GATEWAY => Self::Gone(problem),
            _ => Self::Own(problem),
        }
    }

    /// As it is told to who asks.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Absent(problem)
            | Self::Refused(problem)
            | Self::Gone(problem)
            | Self::Own(problem) => problem,
        }
    }
}

impl From<teu_images::Error> for Failure {
    fn from(error: teu_images::Error) -> Self {
        Self::Own(error.into())
    }
}
