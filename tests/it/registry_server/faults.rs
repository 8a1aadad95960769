//! Bad clients, kills and full disks: the specification's codes, and nothing corrupted or leaked.

use crate::distribution::http::{Request, read_answer};
use crate::distribution::server::{Registry, wait_for};
use crate::distribution::{MANIFEST, code, digest, manifest, push_blob, push_image, put_manifest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn tricks_in_names_and_paths_name_nothing() {
    let registry = Registry::start();
    for name in
        ["../../etc", "a/../b", "a//b", "A", "a%2f..%2f..%2fetc", ".a", "a%00b", "a+b", "%ff"]
    {
        for path in ["manifests/passwd", "tags/list", "blobs/uploads/"] {
            for method in ["GET", "PUT", "POST", "DELETE"] {
                let answer = registry.ask(Request::new(method, &format!("/v2/{name}/{path}")));
                assert!((400..500).contains(&answer.status), "{method} {name}/{path}: {answer:?}");
            }
        }
    }
    let long = registry.ask(Request::get(&format!("/v2/{}/tags/list", "a".repeat(5000))));
    assert_eq!((long.status, &*code(&long)), (400, "NAME_INVALID"));
    let upload = registry.ask(Request::put("/v2/a/blobs/uploads/..%2f..%2fx?digest=sha256:x"));
    assert!((400..500).contains(&upload.status));
    registry.ask(Request::get("/v2/")).expect(200);
}

#[test]
fn broken_and_huge_manifests_are_refused() {
    let registry = Registry::start();
    push_blob(&registry, "a", b"{}");
    push_blob(&registry, "a", b"layer");
    let good = String::from_utf8(manifest(b"{}", b"layer", "")).expect("text");
    let check = |bytes: &[u8], status: u16| {
        let answer = put_manifest(&registry, "a", "v1", (MANIFEST, bytes));
        assert_eq!((answer.status, &*code(&answer)), (status, "MANIFEST_INVALID"));
    };
    check(b"", 400);
    check(b"{", 400);
    check(&good.as_bytes()[..good.len() - 1], 400);
    check(good.replace("\"size\":5", "\"size\":6").as_bytes(), 400);
    check(good.replace("\"size\":5", "\"size\":-5").as_bytes(), 400);
    check(good.replace("sha256:", "sha256:../../").as_bytes(), 400);
    check(&[b'['; 1 << 20], 400);
    check(&vec![b' '; (4 << 20) + 1], 413);
    let refused = put_manifest(&registry, "a", "v1", ("application/json", good.as_bytes()));
    assert_eq!((refused.status, &*code(&refused)), (400, "MANIFEST_INVALID"));
    registry.ask(Request::get("/v2/a/manifests/v1")).expect(404);
    put_manifest(&registry, "a", "v1", (MANIFEST, good.as_bytes())).expect(201);
}

#[test]
fn half_uploads_are_bounded_survive_a_kill_and_are_swept() {
    let mut registry = Registry::with(&["--uploads", "50", "--upload-age", "3600"]);
    let begin = |registry: &Registry| registry.ask(Request::post("/v2/a/blobs/uploads/"));
    let mut locations = Vec::new();
    for _ in 0..50 {
        locations.push(begin(&registry).expect(202).must("location").to_owned());
    }
    let refused = begin(&registry);
    assert_eq!((refused.status, &*code(&refused)), (429, "TOOMANYREQUESTS"));
    registry.ask(Request::patch(&locations[0]).body(b"half ")).expect(202);
    registry.restart();
    assert_eq!(begin(&registry).status, 429, "they are counted again");
    // It goes on where it was.
    let status = registry.ask(Request::get(&locations[0])).expect(204);
    assert_eq!(status.must("range"), "0-4");
    let path = format!("{}?digest={}", locations[0], digest(b"half whole"));
    let end = Request::put(&path).header("Content-Range", "5-9").body(b"whole");
    registry.ask(end).expect(201);
    begin(&registry).expect(202);
    drop(registry);
    // What nobody comes back for goes.
    let registry = Registry::with(&["--upload-age", "1", "--sweep-pause", "1"]);
    begin(&registry).expect(202);
    let uploads = registry.root().join("images/uploads");
    wait_for(|| uploads.read_dir().expect("there").next().is_none().then_some(()));
}

#[test]
fn a_client_that_breaks_off_can_go_on() {
    let registry = Registry::start();
    let location = registry.ask(Request::post("/v2/a/blobs/uploads/")).expect(202);
    let location = location.must("location").to_owned();
    let mut stream = TcpStream::connect(&registry.address).expect("connected");
    let head =
        format!("PATCH {location} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nfirst ");
    stream.write_all(head.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    let _ = stream.read_to_end(&mut Vec::new());
    let range = wait_for(|| {
        let status = registry.ask(Request::get(&location)).expect(204);
        Some(status.must("range").to_owned()).filter(|range| range == "0-5")
    });
    assert_eq!(range, "0-5");
    let path = format!("{location}?digest={}", digest(b"first second"));
    let end = Request::put(&path).header("Content-Range", "6-11").body(b"second");
    registry.ask(end).expect(201);
}

#[test]
fn slow_clients_do_not_keep_others_waiting() {
    let registry = Registry::start();
    push_image(&registry, "a", "v1", "");
    // More than there are threads for the disk, each with a request that does not end.
    let slow: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect(&registry.address).expect("connected");
            let text = match number % 3 {
                0 => "GET /v2/a/manif".to_owned(),
                1 => "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ".to_owned(),
                _ => {
                    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(b"x"));
                    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
                }
            };
            stream.write_all(text.as_bytes()).expect("sent");
            stream
        })
        .collect();
    for _ in 0..10 {
        registry.ask(Request::get("/v2/a/manifests/v1")).expect(200);
        push_blob(&registry, "a", b"another");
    }
    drop(slow);
}

#[test]
fn a_corrupted_blob_is_never_given_whole_and_heals() {
    let mut registry = Registry::start();
    let content = vec![1; 500_000];
    let blob = push_blob(&registry, "a", &content);
    registry.kill();
    let file = registry.root().join("images/blobs/sha256").join(&blob["sha256:".len()..]);
    let mut wrong = content.clone();
    wrong[400_000] = 2;
    std::fs::write(&file, wrong).expect("written");
    registry.restart();
    let path = format!("/v2/a/blobs/{blob}");
    let mut stream = TcpStream::connect(&registry.address).expect("connected");
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    assert!(read_answer(&mut stream, false).is_err(), "a corrupted blob was given whole");
    wait_for(|| (registry.ask(Request::head(&path)).status == 404).then_some(()));
    push_blob(&registry, "a", &content);
    assert!(registry.ask(Request::get(&path)).expect(200).body == content);
}

#[test]
fn pushes_survive_kills_at_any_moment() {
    let mut registry = Registry::start();
    let mut acknowledged: Vec<(String, Vec<u8>)> = Vec::new();
    for round in 0..8_u64 {
        let address = registry.address.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let pusher = std::thread::spawn(move || push_until_cut(&address, round, &counter));
        wait_for(|| (count.load(Ordering::SeqCst) > 0).then_some(()));
        // At another moment each round; which one does not matter.
        std::thread::sleep(std::time::Duration::from_millis(round * 3));
        registry.kill();
        acknowledged.extend(pusher.join().expect("no panic"));
        registry.restart();
        for (tag, manifest) in &acknowledged {
            let path = format!("/v2/a/manifests/{tag}");
            let found = registry.ask(Request::get(&path)).expect(200);
            assert_eq!(&found.body, manifest);
            let layer = found.json()["layers"][0]["digest"].as_str().expect("text").to_owned();
            let layer_bytes =
                registry.ask(Request::get(&format!("/v2/a/blobs/{layer}"))).expect(200);
            assert_eq!(digest(&layer_bytes.body), layer);
        }
    }
    assert!(acknowledged.len() >= 8, "each round had a push at least");
}

/// Pushes images until the registry is gone; gives the acknowledged ones.
fn push_until_cut(address: &str, round: u64, count: &AtomicUsize) -> Vec<(String, Vec<u8>)> {
    let mut done = Vec::new();
    for number in 0..10_000_u64 {
        let layer = format!("layer {round} {number}").repeat(500);
        let blob = |content: &[u8]| {
            let path = format!("/v2/a/blobs/uploads/?digest={}", digest(content));
            Request::post(&path).body(content).try_send(address).is_ok_and(|a| a.status == 201)
        };
        if !blob(b"{}") || !blob(layer.as_bytes()) {
            break;
        }
        let manifest = manifest(b"{}", layer.as_bytes(), "");
        let tag = format!("t{round}-{number}");
        let put = Request::put(&format!("/v2/a/manifests/{tag}"));
        let put = put.header("Content-Type", MANIFEST).body(&manifest);
        match put.try_send(address) {
            Ok(answer) if answer.status == 201 => {
                done.push((tag, manifest));
                count.fetch_add(1, Ordering::SeqCst);
            }
            _ => break,
        }
    }
    done
}

#[test]
fn what_nobody_needs_goes_and_what_is_needed_stays() {
    let registry = Registry::with(&["--unneeded-age", "0", "--sweep-pause", "1"]);
    let file = |content: &[u8]| {
        registry.root().join("images/blobs/sha256").join(&digest(content)["sha256:".len()..])
    };
    // Whole pushes are quick; what is pushed without a manifest is on its way out.
    let manifest = wait_for(|| {
        push_blob(&registry, "a", b"{}");
        push_blob(&registry, "a", b"layer");
        let manifest = manifest(b"{}", b"layer", "");
        let answer = put_manifest(&registry, "a", "v1", (MANIFEST, &manifest));
        (answer.status == 201).then_some(manifest)
    });
    push_blob(&registry, "b", b"unneeded");
    wait_for(|| (!file(b"unneeded").exists()).then_some(()));
    registry.teu(&["image", "prune", "-af"]);
    assert!(file(b"layer").exists() && file(&manifest).exists());
    assert!(registry.teu(&["system", "df", "-v"]).contains("registry.a"));
    registry.ask(Request::get("/v2/a/manifests/v1")).expect(200);
    registry.ask(Request::delete(&format!("/v2/a/manifests/{}", digest(&manifest)))).expect(202);
    wait_for(|| (!file(b"layer").exists() && !file(&manifest).exists()).then_some(()));
}

/// A small file system of the test's own.
struct Small(tempfile::TempDir);

impl Small {
    fn mounted(size: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("teu-it-small-").tempdir().expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(mount.expect("it starts").success());
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_pushes_and_loses_nothing() {
    let small = Small::mounted("4m");
    let mut registry = Registry::at(small.0.path(), &[]);
    let manifest = push_image(&registry, "a", "v1", "");
    let large: Vec<u8> = (0..6_000_000_u32).map(|i| (i / 3) as u8).collect();
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(&large));
    let full = registry.ask(Request::post(&path).body(&large));
    assert_eq!(full.status, 507, "{}", full.text());
    // What did not fit left nothing behind, and less fits.
    push_blob(&registry, "a", &large[..500_000]);
    registry.restart();
    let found = registry.ask(Request::get("/v2/a/manifests/v1")).expect(200);
    assert_eq!(found.body, manifest);
    registry.kill();
}
