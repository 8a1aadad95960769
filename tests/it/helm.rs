//! Helm's own program (3) and library (4) against `teu server`. Issue 5, must show 2.

use crate::conformance::{Server, kubectl};
use crate::engine::clients::python;
use std::path::Path;

#[test]
fn helm() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clients = here.join("../.cache/clients/helm");
    assert!(clients.join("helm").exists(), "{} is missing: scripts/clients", clients.display());
    let server = Server::start();
    let output = server
        .command(python())
        .arg(here.join("it/helm/run.py"))
        .arg(&server.kubeconfig)
        .arg(clients.join("helm"))
        .arg(clients.join("python"))
        .env("KUBECTL", kubectl())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("KUBECONFIG")
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let warned = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("9 of 9 passed"), "{said}\n{warned}");
}
