//! The machine's own images, served.

use crate::distribution::http::Request;
use crate::distribution::server::Registry;
use crate::distribution::{MANIFEST, push_blob, put_manifest};
use crate::peers::succeed;
use crate::world::image_archive;
use std::process::Command;

#[test]
fn local_images_are_served_when_asked_and_shared_with_what_is_pushed() {
    let closed = Registry::start();
    let archive = image_archive("busybox").display().to_string();
    closed.teu(&["load", "-q", "-i", &archive]);
    closed.ask(Request::get("/v2/busybox/manifests/latest")).expect(404);
    let registry = Registry::with(&["--serve-local"]);
    registry.teu(&["load", "-q", "-i", &archive]);
    let found = registry.ask(Request::get("/v2/library/busybox/manifests/latest")).expect(200);
    let tags = registry.ask(Request::get("/v2/busybox/tags/list")).expect(200);
    assert_eq!(tags.json()["tags"], serde_json::json!(["latest"]));
    let catalog = registry.ask(Request::get("/v2/_catalog")).expect(200).json();
    assert_eq!(catalog["repositories"], serde_json::json!(["busybox", "library/busybox"]));
    let from = format!("docker://{}/busybox", registry.address);
    let to = format!("dir:{}/copy", registry.root().display());
    succeed(Command::new("skopeo").args(["copy", "-q", "--src-tls-verify=false", &from, &to]));
    // A push of what is here moves no byte: every blob is mounted.
    let manifest = found.json();
    let layers = manifest["layers"].as_array().expect("layers").iter();
    for needed in layers.chain([&manifest["config"]]) {
        let digest = needed["digest"].as_str().expect("text");
        let mount = format!("/v2/pushed/blobs/uploads/?mount={digest}");
        registry.ask(Request::post(&mount)).expect(201);
    }
    let kind = found.must("content-type");
    put_manifest(&registry, "pushed", "v1", (kind, &found.body)).expect(201);
    // The local name goes; what was pushed stays.
    registry.teu(&["rmi", "busybox"]);
    registry.ask(Request::get("/v2/busybox/manifests/latest")).expect(404);
    let layer = manifest["layers"][0]["digest"].as_str().expect("text");
    registry.ask(Request::get(&format!("/v2/pushed/blobs/{layer}"))).expect(200);
    // Nothing is written under a local name but by a push of one's own.
    push_blob(&registry, "busybox", b"mine");
    let missing = put_manifest(&registry, "busybox", "v1", (MANIFEST, &found.body));
    assert!((400..500).contains(&missing.status));
}
