//! `teu registry` over an object storage: Debian has no S3, so it is moto's server (`scripts/clients`).

use crate::distribution::http::Request;
use crate::distribution::server::{Registry, wait_for};
use crate::distribution::{MANIFEST, code, digest, manifest, push_blob, push_image, put_manifest};
use crate::peers::{Daemon, succeed};
use crate::registry::skopeo;
use crate::world::{World, image_archive};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An S3 that forgets everything when it ends.
struct S3 {
    child: Child,
    address: String,
}

impl S3 {
    /// Starts one with a bucket.
    fn start(dir: &Path) -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients/python/bin");
        let log = dir.join("s3.log");
        let file = std::fs::File::create(&log).expect("creates");
        let child = Command::new(python.join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("scripts/clients installs moto");
        let address = wait_for(|| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let rest = text.split("Running on http://").nth(1)?;
            rest.split_inclusive('\n').next()?.strip_suffix('\n').map(|line| line.trim().to_owned())
        });
        let s3 = Self { child, address };
        Request::put("/bucket").send(&s3.address).expect(200);
        s3
    }

    /// The keys of objects beneath a prefix.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let path = format!("/bucket?list-type=2&prefix={prefix}&max-keys=1000");
        let text = Request::get(&path).send(&self.address).expect(200).text();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(str::to_owned).collect()
    }

    fn blob(digest: &str) -> String {
        format!("teu/blobs/{}", digest.replace(':', "/"))
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration that names the storage, and more.
fn config(dir: &Path, s3: &S3, more: &str) -> String {
    let path: PathBuf = dir.join("registry.toml");
    let text = format!(
        "[storage]\nurl = \"s3://bucket/teu\"\nendpoint = \"http://{}\"\n{more}\n[storage.options]\nregion = \"us-east-1\"\naccess_key_id = \"k\"\nsecret_access_key = \"s\"\n",
        s3.address
    );
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}

fn dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("teu-it-objects-").tempdir().expect("a folder")
}

/// Ends no registry before its storage.
struct Far {
    registry: Registry,
    s3: S3,
    dir: tempfile::TempDir,
    config: String,
}

fn far(more: &str, flags: &[&str]) -> Far {
    let dir = dir();
    let s3 = S3::start(dir.path());
    let config = config(dir.path(), &s3, more);
    let registry = Registry::with(&[&["--config", &config], flags].concat());
    Far { registry, s3, dir, config }
}

/// Blobs in parts are longer than this.
fn large() -> Vec<u8> {
    (0..20u32 << 20)
        .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap_or(0))
        .collect()
}

#[test]
fn clients_push_to_it_and_another_machine_pulls_from_it() {
    let Far { registry, s3, dir: _dir, config } = far("", &[]);
    let at = |registry: &Registry, name: &str| format!("docker://{}/{name}", registry.address);
    let python = format!("docker-archive:{}", image_archive("python").display());
    let copy = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&[&copy[..], &[&python, &at(&registry, "team/python:1")]].concat());
    let raw = |name: &str| skopeo(&["inspect", "--raw", "--tls-verify=false", name]);
    let first = raw(&at(&registry, "team/python:1"));
    // No blob is left here.
    let local = registry.root().join("images/blobs/sha256");
    assert_eq!(std::fs::read_dir(local).expect("a store").count(), 0);
    assert!(s3.keys("teu/blobs/").len() >= 3);
    let daemon = Daemon::with(registry.root(), &[]);
    succeed(daemon.docker(&["load", "-q", "-i"]).arg(image_archive("busybox")));
    let name = format!("{}/team/busybox", registry.address);
    succeed(&mut daemon.docker(&["tag", "busybox", &name]));
    succeed(&mut daemon.docker(&["push", "-q", &name]));
    drop(daemon);
    drop(registry);
    // All there is is in the bucket.
    let other = Registry::with(&["--config", &config]);
    assert_eq!(raw(&at(&other, "team/python:1")), first);
    let to = format!("dir:{}/copy", other.root().display());
    skopeo(&[&copy[..], &["--preserve-digests", &at(&other, "team/python:1"), &to]].concat());
    let world = World::empty();
    world.teu(["pull", "-q", &format!("{}/team/busybox", other.address)]).ok();
    let tags = skopeo(&["list-tags", "--tls-verify=false", &at(&other, "team/python")]);
    assert!(tags.contains("\"1\""), "{tags}");
    let catalog = other.ask(Request::get("/v2/_catalog")).json();
    assert_eq!(catalog["repositories"], serde_json::json!(["team/busybox", "team/python"]));
}

#[test]
fn large_blobs_go_in_parts_and_are_read_in_part() {
    let Far { mut registry, s3, dir: _dir, .. } = far("", &[]);
    let blob = large();
    let pushed = push_blob(&registry, "a", &blob);
    registry.restart();
    let path = format!("/v2/a/blobs/{pushed}");
    assert_eq!(digest(&registry.ask(Request::get(&path)).expect(200).body), pushed);
    let range = Request::get(&path).header("Range", "bytes=9000000-9000099");
    assert_eq!(registry.ask(range).expect(206).body, &blob[9_000_000..9_000_100]);
    let empty = push_blob(&registry, "a", b"");
    assert_eq!(registry.ask(Request::get(&format!("/v2/a/blobs/{empty}"))).expect(200).body, b"");
    // What somebody has changed in the storage is never given whole.
    let other = vec![0; blob.len()];
    let object = format!("/bucket/{}", S3::blob(&pushed));
    Request::put(&object).body(&other).send(&s3.address).expect(200);
    registry.restart();
    if let Ok(answer) = Request::get(&path).try_send(&registry.address) {
        assert_ne!(answer.status, 200);
    }
    wait_for(|| (registry.ask(Request::head(&path)).status == 404).then_some(()));
}

#[test]
fn what_was_acknowledged_survives_kills_and_many_changes_are_written_as_one() {
    let Far { mut registry, s3, dir: _dir, .. } = far("", &[]);
    push_image(&registry, "a", "v0", "");
    for round in 0..4 {
        let address = registry.address.clone();
        let pusher = std::thread::spawn(move || {
            let mut last = None;
            for n in 0..1000 {
                let tag = format!("v{round}.{n}");
                // The same image under ever new tags: a change each.
                let found = Request::get("/v2/a/manifests/v0").try_send(&address).ok();
                let Some(found) = found.filter(|found| found.status == 200) else { break };
                let put = Request::put(&format!("/v2/a/manifests/{tag}"))
                    .header("Content-Type", MANIFEST)
                    .body(&found.body)
                    .try_send(&address);
                match put {
                    Ok(answer) if answer.status == 201 => last = Some(tag),
                    _ => break,
                }
            }
            last
        });
        wait_for(|| {
            let tags = registry.ask(Request::get("/v2/a/tags/list")).text();
            tags.contains(&format!("\"v{round}.25\"")).then_some(())
        });
        registry.restart();
        let last = pusher.join().expect("it does not panic").expect("some were acknowledged");
        registry.ask(Request::get(&format!("/v2/a/manifests/{last}"))).expect(200);
    }
    // More than a hundred changes, and most of them are one object now.
    let changes = s3.keys("teu/ledgers/a/").len();
    assert!(changes < 90 && s3.keys("teu/wholes/a/").len() == 1, "{changes}");
    // A push that is killed amid its blob goes on after the restart.
    let blob = large();
    let begun = registry.ask(Request::post("/v2/a/blobs/uploads/")).expect(202);
    let place = begun.must("location").to_owned();
    registry.ask(Request::patch(&place).body(&blob[..5 << 20])).expect(202);
    registry.restart();
    let end = format!("{place}?digest={}", digest(&blob));
    registry.ask(Request::put(&end).body(&blob[5 << 20..])).expect(201);
}

#[test]
fn collection_takes_what_went_and_loses_no_push() {
    let Far { mut registry, s3, dir: _dir, .. } =
        far("", &["--sweep-pause", "0", "--unneeded-age", "0"]);
    let (config, layer) = (b"{}".as_slice(), b"layer".as_slice());
    let manifest = manifest(config, layer, "");
    let path = format!("/v2/a/manifests/{}", digest(&manifest));
    // An age of nothing lets a blob go before its manifest comes, which is refused then.
    let push = || {
        wait_for(|| {
            push_blob(&registry, "a", config);
            push_blob(&registry, "a", layer);
            let pushed = put_manifest(&registry, "a", "v1", (MANIFEST, &manifest));
            (pushed.status == 201).then_some(())
        });
    };
    push();
    // Pushed, deleted and pushed again, while collection runs all the time.
    for _ in 0..10 {
        registry.ask(Request::delete(&path)).expect(202);
        push();
        let layer = format!("/v2/a/blobs/{}", digest(layer));
        assert_eq!(registry.ask(Request::get(&layer)).expect(200).body, b"layer");
    }
    registry.ask(Request::delete(&path)).expect(202);
    wait_for(|| s3.keys("teu/blobs/").is_empty().then_some(()));
    // What a killed push has left goes with the next start.
    let orphan = S3::blob(&digest(b"orphan"));
    Request::put(&format!("/bucket/{orphan}")).body(b"orphan").send(&s3.address).expect(200);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    registry.restart();
    wait_for(|| s3.keys("teu/blobs/").is_empty().then_some(()));
}

#[test]
fn a_second_registry_over_the_same_storage_stops_the_first() {
    let Far { registry, s3: _s3, dir, config } = far("", &[]);
    push_image(&registry, "a", "v1", "");
    let root = dir.path().join("second");
    std::fs::create_dir_all(&root).expect("creates");
    let second = Registry::at(&root, &["--config", &config]);
    push_image(&second, "a", "v2", "");
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(b"late"));
    let late = registry.ask(Request::post(&path).body(b"late"));
    assert_eq!(late.status, 500, "{}", late.text());
    second.ask(Request::get("/v2/a/manifests/v1")).expect(200);
}

#[test]
fn clients_are_sent_to_the_storage_if_that_is_wanted() {
    let Far { registry, s3, dir: _dir, .. } = far("redirect = true", &[]);
    let blob = push_blob(&registry, "a", b"content");
    let answer = registry.ask(Request::get(&format!("/v2/a/blobs/{blob}"))).expect(307);
    let place =
        answer.must("location").strip_prefix(&format!("http://{}", s3.address)).map(str::to_owned);
    let place = place.expect("it leads to the storage");
    assert_eq!(Request::get(&place).send(&s3.address).expect(200).body, b"content");
    push_image(&registry, "b", "v1", "");
    let to = format!("dir:{}/copy", registry.root().display());
    let from = format!("docker://{}/b:v1", registry.address);
    skopeo(&["copy", "-q", "--src-tls-verify=false", &from, &to]);
}

#[test]
fn a_storage_that_is_gone_is_told_and_nothing_is_acknowledged() {
    let Far { registry, s3, dir: _dir, .. } = far("", &[]);
    push_image(&registry, "a", "v1", "");
    drop(s3);
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(b"late"));
    let late = registry.ask(Request::post(&path).body(b"late")).expect(503);
    assert_eq!(code(&late), "UNAVAILABLE");
    registry.ask(Request::get("/v2/a/tags/list")).expect(200);
}
