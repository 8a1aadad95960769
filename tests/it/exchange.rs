//! Images to and from other tools: skopeo, docker's archives. Issue 2, must show 3.

use crate::world::{World, image_archive};
use std::process::Command;

fn skopeo(args: &[&str]) -> String {
    let output = Command::new("skopeo").args(args).output().expect("skopeo is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn id(world: &World, name: &str) -> String {
    world.teu(["image", "inspect", "--format", "{{.Id}}", name]).ok()
}

#[test]
fn skopeo_reads_the_store() {
    let world = World::busybox();
    let store = world.root().join("images");
    let inspected = skopeo(&["inspect", &format!("oci:{}:busybox:latest", store.display())]);
    let parsed: serde_json::Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(parsed["Os"], "linux");
    assert_eq!(parsed["Layers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_image_survives_skopeo_both_ways() {
    let world = World::busybox();
    let before = id(&world, "busybox");
    let folder = world.root().join("files");
    std::fs::create_dir_all(&folder).expect("creates");
    let path = |name: &str| folder.join(name).display().to_string();
    for (format, transport) in
        [("docker-archive", "docker-archive"), ("oci-archive", "oci-archive")]
    {
        let saved = path(&format!("{format}.tar"));
        world.teu(["save", "--format", format, "-o", &saved, "busybox"]).ok();
        let (layout, back) = (path(&format!("{format}-oci")), path(&format!("{format}-back.tar")));
        skopeo(&["copy", "-q", &format!("{transport}:{saved}"), &format!("oci:{layout}:x")]);
        skopeo(&[
            "copy",
            "-q",
            &format!("oci:{layout}:x"),
            &format!("docker-archive:{back}:again:v1"),
        ]);
        let other = World::empty();
        other.teu(["load", "-q", "-i", &back]).ok();
        assert_eq!(id(&other, "again:v1"), before, "{format}");
        assert_eq!(other.line("run --rm --network=none again:v1 echo alive").ok(), "alive");
    }
}

#[test]
fn an_archive_of_docker_save_runs() {
    let world = World::empty();
    let archive = image_archive("busybox");
    let said = world.teu(["load", "-i", archive.to_str().expect("plain")]).ok();
    assert!(said.contains("Loaded image: busybox:latest"), "{said}");
    assert_eq!(world.line("run --rm --network=none busybox echo loaded").ok(), "loaded");
}
