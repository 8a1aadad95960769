//! `GET /version`

use crate::call::Answer;
use crate::engine::Engine;
use crate::error::Result;
use crate::version::{NEWEST, OLDEST};
use serde_json::json;

/// Go's word for this machine's processor.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Answers.
pub fn version(engine: &Engine) -> Result<Answer> {
    let uname = rustix::system::uname();
    let kernel = uname.release().to_string_lossy().into_owned();
    let version = engine.config.version;
    Answer::ok(&json!({
        "Platform": { "Name": format!("Teu {version}") },
        "Version": version,
        "ApiVersion": NEWEST.to_string(),
        "MinAPIVersion": OLDEST.to_string(),
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": kernel,
        "GitCommit": "",
        "GoVersion": "",
        "BuildTime": "",
        "Components": [{
            "Name": "Engine",
            "Version": version,
            "Details": {
                "ApiVersion": NEWEST.to_string(),
                "MinAPIVersion": OLDEST.to_string(),
                "Arch": architecture(),
                "Os": "linux",
                "KernelVersion": kernel,
                "GitCommit": "",
                "GoVersion": "",
                "BuildTime": "",
                "Experimental": "false",
            },
        }],
    }))
}
