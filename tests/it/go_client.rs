//! Debian's client-go, compiled by Debian's Go, against `teu server`. Issue 5, must show 2.

use crate::conformance::{ENCRYPTION, Server};
use crate::world;
use std::path::Path;
use std::process::Command;

#[test]
fn client_go() {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/go_client/build");
    let built = Command::new(build).output().expect("sh starts");
    let (path, why) =
        (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
    assert!(built.status.success(), "{path}\n{why}");
    // With keys, so that `teu server encrypt` has something to do: it forgets the past.
    let server = Server::start_with(ENCRYPTION);
    let forget = format!(
        "{} server encrypt --data-dir {}",
        world::binary().display(),
        server.data().display()
    );
    let output = server
        .command(path.trim())
        .arg(&server.kubeconfig)
        .env("FORGET", forget)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let warned = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("22 of 22 passed"), "{said}\n{warned}");
}
