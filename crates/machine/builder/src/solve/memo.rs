//! Small answers that cannot change, kept as files in the state directory. Losing one costs time.

use std::path::Path;

/// Keeps an answer.
pub fn write(path: &Path, answer: &str) {
    let Some(dir) = path.parent() else { return };
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&temporary, answer))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
}
