//! The cache where upstreams are slow, wrong, or change their mind; what it costs them, what stays.

use super::cache::{cache, hub};
use crate::distribution::http::{Answer, Request};
use crate::distribution::server::{Registry, wait_for};
use crate::distribution::{MANIFEST, code, digest, manifest, push_blob, push_image, put_manifest};
use crate::faulty::{Answer as Given, Faulty, Request as Heard};
use std::sync::{Arc, Barrier, Mutex};

fn large() -> Vec<u8> {
    (0..8u32 << 20)
        .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap_or(0))
        .collect()
}

/// An upstream with one blob of which requests can be held up or cut.
fn one_blob(
    blob: Vec<u8>,
    answer: impl Fn(&Heard, Given) -> Given + Send + Sync + 'static,
) -> Faulty {
    let path = format!("/v2/library/x/blobs/{}", digest(&blob));
    Faulty::start(
        |_| usize::MAX,
        move |request| {
            if request.path == "/v2/" {
                return Given::new(200, "{}");
            }
            if request.path != path {
                return Given::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"none"}]}"#);
            }
            let start = request.start();
            let mut given = Given::new(if start > 0 { 206 } else { 200 }, &blob[start..]);
            if start > 0 {
                let range = format!("bytes {start}-{}/{}", blob.len() - 1, blob.len());
                given = given.header("Content-Range", range);
            }
            if request.method == "HEAD" {
                given = Given { body: Vec::new(), length: Some(blob.len()), ..given };
            }
            answer(request, given)
        },
    )
}

fn heard(upstream: &Faulty, method: &str, part: &str) -> Vec<Heard> {
    let all = upstream.heard.lock().expect("no thread panics");
    all.iter().filter(|r| r.method == method && r.path.contains(part)).cloned().collect()
}

#[test]
fn many_who_want_a_blob_share_one_fetch() {
    const CLIENTS: usize = 16;
    let blob = large();
    let upstream = one_blob(blob.clone(), |_, given| given);
    let (_dir, cache) = cache(&[&hub(&upstream.host(), "")], &[]);
    let path = format!("/v2/hub/library/x/blobs/{}", digest(&blob));
    let begin = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (address, path, begin) = (cache.address.clone(), path.clone(), begin.clone());
            std::thread::spawn(move || {
                begin.wait();
                let request = Request::get(&path);
                // Some want the end only.
                let request =
                    if n % 4 == 3 { request.header("Range", "bytes=5000000-") } else { request };
                request.send(&address)
            })
        })
        .collect();
    for (n, client) in clients.into_iter().enumerate() {
        let Answer { status, body, .. } = client.join().expect("it does not panic");
        match n % 4 {
            3 => assert_eq!((status, &*body), (206, &blob[5_000_000..])),
            _ => assert_eq!((status, digest(&body)), (200, digest(&blob))),
        }
    }
    assert_eq!(heard(&upstream, "GET", "/blobs/").len(), 1);
    let head = cache.ask(Request::head(&path)).expect(200);
    assert_eq!(head.must("content-length"), blob.len().to_string());
    drop(upstream);
    assert_eq!(digest(&cache.ask(Request::get(&path)).expect(200).body), digest(&blob));
}

#[test]
fn a_blob_is_sent_while_it_comes_and_what_a_crash_left_is_not_fetched_again() {
    let blob = large();
    let half = blob.len() / 2;
    let is_held = Arc::new(Mutex::new(true));
    let held = is_held.clone();
    let upstream = one_blob(blob.clone(), move |request, given| {
        let holds = *held.lock().expect("no thread panics");
        match request.method == "GET" && holds {
            true => Given { cut: Some(half), hold: true, ..given },
            false => given,
        }
    });
    let (_dir, mut cache) = cache(&[&hub(&upstream.host(), "")], &[]);
    let path = format!("/v2/hub/library/x/blobs/{}", digest(&blob));
    // The first half is here while the upstream still has the rest.
    let mut stream = std::net::TcpStream::connect(&cache.address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sends");
    let mut came = vec![0; half];
    std::io::Read::read_exact(&mut stream, &mut came).expect("it comes");
    cache.kill();
    *is_held.lock().expect("no thread panics") = false;
    cache.restart();
    assert_eq!(digest(&cache.ask(Request::get(&path)).expect(200).body), digest(&blob));
    let gets = heard(&upstream, "GET", "/blobs/");
    let starts: Vec<usize> = gets.iter().map(Heard::start).collect();
    assert!(starts.len() == 2 && starts[0] == 0 && starts[1] > 0, "{starts:?}");
}

#[test]
fn what_is_not_what_its_digest_says_is_never_kept_nor_sent_whole() {
    let blob = large();
    let is_wrong = Arc::new(Mutex::new(true));
    let wrong = is_wrong.clone();
    let upstream = one_blob(blob.clone(), move |request, mut given| {
        if request.method == "GET" && *wrong.lock().expect("no thread panics") {
            given.body[1000] ^= 1;
        }
        given
    });
    let (_dir, cache) = cache(&[&hub(&upstream.host(), "absent-seconds = 0")], &[]);
    let path = format!("/v2/hub/library/x/blobs/{}", digest(&blob));
    if let Ok(answer) = Request::get(&path).try_send(&cache.address) {
        assert_ne!(answer.status, 200);
    }
    *is_wrong.lock().expect("no thread panics") = false;
    assert_eq!(digest(&cache.ask(Request::get(&path)).expect(200).body), digest(&blob));
    let unknown = format!("/v2/hub/library/x/blobs/{}", digest(b"elsewhere"));
    let answer = cache.ask(Request::get(&unknown)).expect(404);
    assert_eq!(code(&answer), "BLOB_UNKNOWN");
}

#[test]
fn a_tag_that_moves_or_goes_is_followed_and_asked_for_no_more_often_than_set() {
    let upstream = Registry::start();
    let (_dir, eager) =
        cache(&[&hub(&upstream.address, "tag-seconds = 0\nabsent-seconds = 0")], &[]);
    let (_other, lazy) =
        cache(&[&hub(&upstream.address, "tag-seconds = 3600\nabsent-seconds = 3600")], &[]);
    let tag = "/v2/hub/library/a/manifests/v1";
    let at = |cache: &Registry, status| cache.ask(Request::get(tag)).expect(status).body;
    at(&eager, 404);
    at(&lazy, 404);
    let first = push_image(&upstream, "library/a", "v1", "");
    assert_eq!(at(&eager, 200), first);
    // It was told that there is none, and believes it for an hour.
    at(&lazy, 404);
    let (_third, lazy) = cache(&[&hub(&upstream.address, "tag-seconds = 3600")], &[]);
    assert_eq!(at(&lazy, 200), first);
    let second = push_image(&upstream, "library/a", "v1", r#","annotations":{"n":"2"}"#);
    assert_eq!((at(&eager, 200), at(&lazy, 200)), (second.clone(), first.clone()));
    // Referrers are the upstream's, too.
    let subject = format!(
        r#","subject":{{"mediaType":"{MANIFEST}","digest":"{}","size":{}}}"#,
        digest(&second),
        second.len()
    );
    let about = push_image(&upstream, "library/a", "digest", &subject);
    let path = format!("/v2/hub/library/a/referrers/{}", digest(&second));
    let found = eager.ask(Request::get(&path)).expect(200).json();
    assert_eq!(found["manifests"][0]["digest"], *digest(&about));
    upstream.ask(Request::delete("/v2/library/a/manifests/v1")).expect(202);
    at(&eager, 404);
    assert_eq!(at(&lazy, 200), first);
    // Whoever may delete can make the cache forget.
    lazy.ask(Request::delete(tag)).expect(202);
    at(&lazy, 404);
}

#[test]
fn the_oldest_goes_when_a_quota_is_reached() {
    let upstream = Registry::start();
    let image = |name: &str, layer: &[u8]| {
        let config = format!(r#"{{"for":"{name}"}}"#);
        push_blob(&upstream, name, config.as_bytes());
        push_blob(&upstream, name, layer);
        let manifest = manifest(config.as_bytes(), layer, "");
        put_manifest(&upstream, name, "v1", (MANIFEST, &manifest)).expect(201);
        digest(layer)
    };
    let old = image("library/old", &[1; 600_000]);
    let new = image("library/new", &[2; 600_000]);
    let quota = hub(&upstream.address, "quota-bytes = 1000000");
    let (_dir, cache) = cache(&[&quota], &["--sweep-pause", "0"]);
    let blob = |name: &str, digest: &str| format!("/v2/hub/library/{name}/blobs/{digest}");
    cache.ask(Request::get(&blob("old", &old))).expect(200);
    // Times are of whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    cache.ask(Request::get(&blob("new", &new))).expect(200);
    let on_disk = |digest: &str| {
        let hex = digest.trim_start_matches("sha256:");
        cache.root().join("images/blobs/sha256").join(hex).exists()
    };
    wait_for(|| (!on_disk(&old)).then_some(()));
    assert!(on_disk(&new));
    // It comes again for who asks.
    cache.ask(Request::get(&blob("old", &old))).expect(200);
}

#[test]
fn an_upstream_that_wants_a_name_gets_the_caches_own() {
    let upstream = Faulty::start(
        |_| usize::MAX,
        |request| {
            let shown = request.headers.get("authorization").map(String::as_str);
            match shown {
                Some("Basic Y2FjaGU6c2VjcmV0") => {
                    Given::new(200, r#"{"name":"library/a","tags":["v1"]}"#)
                }
                _ => Given::new(401, "{}").header("WWW-Authenticate", "Basic realm=\"x\""),
            }
        },
    );
    let dir = tempfile::tempdir().expect("a folder");
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").expect("writes");
    let login = format!("username = \"cache\"\npassword-file = \"{}\"", password.display());
    let (_dir, good) = cache(&[&hub(&upstream.host(), &login)], &[]);
    let list = "/v2/hub/library/a/tags/list";
    assert_eq!(good.ask(Request::get(list)).expect(200).json()["tags"][0], "v1");
    // A stranger's refusal is no question about who asks here.
    let (_other, stranger) = cache(&[&hub(&upstream.host(), "")], &[]);
    let refused = stranger.ask(Request::get(list)).expect(403);
    assert_eq!(code(&refused), "DENIED");
}
