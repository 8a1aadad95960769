//! Registries that hang up, lie, and ask for patience; commands that are killed. Issue 3, must show 4.

use crate::faulty::{Answer, Faulty, Request};
use crate::world::World;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Patience on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Bytes of the layer that nothing compresses.
const LARGE_BYTES: usize = 6 << 20;
/// Bytes that may be on their way when a connection is cut.
const IN_FLIGHT_BYTES: usize = 512 << 10;

/// An image as a registry has it: its manifest, and blobs by digest.
struct Image {
    manifest: Vec<u8>,
    digest: String,
    blobs: HashMap<String, Vec<u8>>,
}

impl Image {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.manifest).expect("JSON")
    }

    /// The largest layer.
    fn large(&self) -> (&String, &Vec<u8>) {
        self.blobs.iter().max_by_key(|(_, bytes)| bytes.len()).expect("it has blobs")
    }
}

/// Numbers that look like chance and are the same every time.
fn chance(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// busybox and a layer of noise, made once.
fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let world = World::busybox();
        let file = world.file("Dockerfile", "FROM busybox\nCOPY noise /noise\n");
        let folder = file.parent().expect("it lies in one");
        let mut seed = 7;
        let noise: Vec<u8> = (0..LARGE_BYTES / 4)
            .flat_map(|_| {
                u32::try_from(chance(&mut seed) & 0xffff_ffff).expect("32 bits").to_le_bytes()
            })
            .collect();
        std::fs::write(folder.join("noise"), noise).expect("writes");
        world.teu(["build", "-q", "-t", "noise", &folder.display().to_string()]).ok();
        let dir = world.root().join("dir");
        let place = format!("dir:{}", dir.display());
        let digest = world.teu(["copy", "-q", "--compression", "gzip", "noise", &place]).ok();
        let mut blobs = HashMap::new();
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.len() == 64 {
                blobs.insert(format!("sha256:{name}"), std::fs::read(&path).expect("reads"));
            }
        }
        let manifest = std::fs::read(dir.join("manifest.json")).expect("reads");
        Image { manifest, digest, blobs }
    })
}

/// What an honest registry answers.
fn honest(request: &Request) -> Answer {
    let image = image();
    if request.path == "/v2/" {
        return Answer::new(200, "{}");
    }
    if request.path.contains("/manifests/") {
        let kind = image.json()["mediaType"].as_str().unwrap_or_default().to_owned();
        return Answer::new(200, image.manifest.clone()).header("Content-Type", kind);
    }
    let digest = request.path.rsplit('/').next().unwrap_or_default();
    let Some(blob) = image.blobs.get(digest) else {
        let text = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"no such blob"}]}"#;
        return Answer::new(404, text);
    };
    match request.start() {
        0 => Answer::new(200, blob.clone()),
        start => Answer::new(206, blob[start..].to_vec())
            .header("Content-Range", format!("bytes {start}-{}/{}", blob.len() - 1, blob.len())),
    }
}

fn all(_: &Request) -> usize {
    usize::MAX
}

fn is_large(request: &Request) -> bool {
    request.path.ends_with(image().large().0.as_str())
}

#[track_caller]
fn runs(world: &World, name: &str) {
    let run = ["run", "--rm", "--network=none", "--pull=never", name, "sha256sum", "/noise"];
    let sum = world.teu(run).ok();
    let mut seed = 7;
    let first = u32::try_from(chance(&mut seed) & 0xffff_ffff).expect("32 bits").to_le_bytes();
    assert_eq!(sum.len(), 64 + "  /noise".len(), "{sum}");
    let head =
        ["run", "--rm", "--network=none", name, "sh", "-c", "head -c 4 /noise | od -An -tx1"];
    let wanted: Vec<String> = first.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(world.teu(head).ok().split_whitespace().collect::<Vec<_>>(), wanted);
}

/// The connection is cut at twenty points; every byte comes once.
#[test]
fn cut_connections() {
    let (cuts, sent, seed) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), Mutex::new(42));
    let counted = sent.clone();
    let server = Faulty::start(all, move |request| {
        let mut answer = honest(request);
        if is_large(request) && request.method == "GET" {
            let cut = cuts.fetch_add(1, Ordering::SeqCst);
            if cut < 20 {
                let mut seed = seed.lock().expect("no thread panics");
                let most = answer.body.len() / 8;
                answer.cut = Some(usize::try_from(chance(&mut seed)).expect("31 bits") % most);
            }
            counted.fetch_add(answer.cut.unwrap_or(answer.body.len()), Ordering::SeqCst);
        }
        answer
    });
    let world = World::empty();
    let name = format!("{}/x:1", server.host());
    world.teu(["pull", "-q", &name]).ok();
    runs(&world, &name);
    let (sent, size) = (sent.load(Ordering::SeqCst), image().large().1.len());
    assert!(sent <= size + 20 * IN_FLIGHT_BYTES / 8, "{sent} of {size}");
    let ranges =
        server.heard.lock().expect("no thread panics").iter().filter(|r| r.start() > 0).count();
    assert!(ranges >= 18, "{ranges} ranges");
}

/// The command is killed at twenty points; the last one fetches what is missing.
#[test]
fn killed_commands() {
    let size = image().large().1.len();
    let (pieces, sent) = (Arc::new(Mutex::new(0_usize)), Arc::new(AtomicUsize::new(0)));
    let (piece, counted) = (pieces.clone(), sent.clone());
    let server = Faulty::start(all, move |request| {
        let mut answer = honest(request);
        if is_large(request) && request.method == "GET" {
            // So much, and then nothing until the client is dead.
            let piece = *piece.lock().expect("no thread panics");
            if piece > 0 {
                answer.cut = Some(piece.min(answer.body.len() - 1));
                answer.hold = true;
            }
            counted.fetch_add(answer.cut.unwrap_or(answer.body.len()), Ordering::SeqCst);
        }
        answer
    });
    let world = World::empty();
    let name = format!("{}/x:1", server.host());
    let mut seed = 99;
    for _ in 0..20 {
        let step = usize::try_from(chance(&mut seed)).expect("31 bits") % (size / 24) + 1;
        *pieces.lock().expect("no thread panics") = step;
        let mut child = world.command(["pull", "-q", &name]).spawn().expect("it starts");
        let wanted = sent_after(&sent, step);
        let begun = Instant::now();
        while partial_bytes(world.root()) < wanted {
            assert!(begun.elapsed() < DEADLINE, "{} of {wanted}", partial_bytes(world.root()));
            assert!(child.try_wait().expect("it is ours").is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }
    *pieces.lock().expect("no thread panics") = 0;
    world.teu(["pull", "-q", &name]).ok();
    runs(&world, &name);
    assert_eq!(sent.load(Ordering::SeqCst), size, "every byte was fetched once");
    // Small blobs came at most twice, and nothing is left.
    assert_eq!(partial_bytes(world.root()), 0);
}

/// What the server will have sent when this piece is out; waits until the request is there.
fn sent_after(sent: &AtomicUsize, step: usize) -> usize {
    static BEFORE: AtomicUsize = AtomicUsize::new(0);
    let wanted = BEFORE.load(Ordering::SeqCst) + step;
    let begun = Instant::now();
    while sent.load(Ordering::SeqCst) < wanted {
        assert!(begun.elapsed() < DEADLINE, "the command asks for nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    BEFORE.store(wanted, Ordering::SeqCst);
    wanted
}

/// Bytes of the large blob that lie in the store.
fn partial_bytes(root: &Path) -> usize {
    let name = image().large().0.replace(':', "-");
    let path: PathBuf = root.join("images/partial").join(name);
    path.metadata().map_or(0, |found| usize::try_from(found.len()).unwrap_or(0))
}

/// A server that knows no ranges is read from the start, and what is known is passed over.
#[test]
fn no_ranges() {
    let cuts = AtomicUsize::new(0);
    let server = Faulty::start(all, move |request| {
        let request = &Request { headers: HashMap::new(), ..request.clone() };
        let mut answer = honest(request);
        if is_large(request) && cuts.fetch_add(1, Ordering::SeqCst) < 3 {
            answer.cut = Some(answer.body.len() / 2);
        }
        answer
    });
    let world = World::empty();
    let name = format!("{}/x:1", server.host());
    world.teu(["pull", "-q", &name]).ok();
    runs(&world, &name);
}

type Lie = fn(&Request, Answer) -> Answer;

/// What is said of a lie, and the lie.
fn all_lies() -> Vec<(&'static str, Lie)> {
    vec![
        ("bytes where its descriptor says", |request, mut answer| {
            if is_large(request) {
                answer.body.push(0);
            }
            answer
        }),
        ("does not match", |request, mut answer| {
            if is_large(request) {
                let middle = answer.body.len() / 2;
                answer.body[middle] ^= 1;
            }
            answer
        }),
        ("does not match its digest", |request, answer| {
            let wrong = format!("sha256:{}", "0".repeat(64));
            match request.path.contains("/manifests/") {
                true => answer.header("Docker-Content-Digest", wrong),
                false => answer,
            }
        }),
        ("a manifest (it has `config` or `layers`)", |request, answer| {
            match request.path.contains("/manifests/") {
                true => Answer::new(200, answer.body)
                    .header("Content-Type", "application/vnd.oci.image.index.v1+json"),
                false => answer,
            }
        }),
        ("an index (it has `manifests`)", |request, answer| {
            match request.path.contains("/manifests/") {
                true => {
                    let mut value = image().json();
                    value["manifests"] = serde_json::json!([]);
                    Answer { body: value.to_string().into_bytes(), ..answer }
                }
                false => answer,
            }
        }),
        ("exceeds the limit of 4194304 bytes", |request, answer| {
            match request.path.contains("/manifests/") {
                true => Answer { body: vec![b' '; (4 << 20) + 1], ..answer },
                false => answer,
            }
        }),
        ("redirects to", |request, answer| match is_large(request) {
            true => Answer::new(307, "").header("Location", request.path.clone()),
            false => answer,
        }),
        ("it is no http URL", |request, answer| match is_large(request) {
            true => Answer::new(307, "").header("Location", "file:///etc/passwd"),
            false => answer,
        }),
        ("not valid", |request, answer| match request.path.contains("/manifests/") {
            true => Answer { body: b"{".to_vec(), ..answer },
            false => answer,
        }),
    ]
}

/// Lies of all kinds: refused in words, and nothing of it stays.
#[test]
fn lies() {
    let world = World::empty();
    for (expected, lie) in all_lies() {
        let server = Faulty::start(all, move |request| lie(request, honest(request)));
        let name = format!("{}/x:1", server.host());
        let err = world.teu(["pull", "-q", &name]).fails(1);
        assert!(err.contains(expected), "{expected}: {err}");
        assert_eq!(world.line("images -q").ok(), "", "{expected}");
    }
    // The next honest one is believed.
    let server = Faulty::start(all, honest);
    let name = format!("{}/x:1", server.host());
    world.teu(["pull", "-q", &name]).ok();
    runs(&world, &name);
}

/// Blobs from elsewhere: without the secret that opened the registry.
#[test]
fn redirects_and_secrets() {
    let elsewhere =
        Arc::new(Faulty::start(all, |request| match request.headers.get("authorization") {
            Some(_) => Answer::new(400, "a secret"),
            None => honest(request),
        }));
    let there = elsewhere.clone();
    let server = Faulty::start(all, move |request| {
        if request.headers.get("authorization").map(String::as_str)
            != Some("Basic dXNlcjpzZWNyZXQ=")
        {
            return Answer::new(401, "{}").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        match request.path.contains("/blobs/") {
            true => Answer::new(307, "")
                .header("Location", format!("http://{}{}", there.host(), request.path)),
            false => honest(request),
        }
    });
    let world = World::empty();
    let name = format!("{}/x:1", server.host());
    let err = world.teu(["pull", "-q", &name]).fails(1);
    assert!(err.contains("denied") && err.contains("teu login"), "{err}");
    let err = world.teu(["pull", "-q", "--creds", "user:wrong", &name]).fails(1);
    assert!(err.contains("denied"), "{err}");
    world.teu(["pull", "-q", "--creds", "user:secret", &name]).ok();
    runs(&world, &name);
}

/// 429 and 503 are waited for as long as is asked, within reason.
#[test]
fn patience() {
    let asked = AtomicUsize::new(0);
    let server = Faulty::start(all, move |request| {
        match request.path.contains("/manifests/") && asked.fetch_add(1, Ordering::SeqCst) < 3 {
            true => Answer::new(if asked.load(Ordering::SeqCst) == 2 { 503 } else { 429 }, "")
                .header("Retry-After", "0"),
            false => honest(request),
        }
    });
    let world = World::empty();
    let name = format!("{}/x:1", server.host());
    world.teu(["pull", "-q", &name]).ok();
    let server = Faulty::start(all, |request| match request.path.contains("/manifests/") {
        true => Answer::new(429, "").header("Retry-After", "3600"),
        false => honest(request),
    });
    let begun = Instant::now();
    let err = world.teu(["pull", "-q", &format!("{}/x:1", server.host())]).fails(1);
    assert!(err.contains("allows no more requests now (429); try again in 3600 s"), "{err}");
    assert!(begun.elapsed() < DEADLINE * 10, "{:?}", begun.elapsed());
}

/// Docker's token flow: a challenge, a token for the scope, a new one when it is refused.
#[test]
fn tokens() {
    let server = Arc::new(OnceLock::<String>::new());
    let (host, given) = (server.clone(), AtomicUsize::new(0));
    let faulty = Faulty::start(all, move |request| {
        if let Some(query) = request.path.strip_prefix("/token?") {
            let basic = request.headers.get("authorization").map(String::as_str);
            if basic != Some("Basic dXNlcjpzZWNyZXQ=") || !query.contains("service=s") {
                return Answer::new(401, r#"{"details":"wrong password"}"#);
            }
            assert!(query.contains("scope=repository%3Ax%3Apull"), "{query}");
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return Answer::new(200, format!(r#"{{"token":"t{number}","expires_in":60}}"#));
        }
        let bearer = request.headers.get("authorization").cloned().unwrap_or_default();
        // The first token is for the manifest only: it has expired when the blobs are asked for.
        let fits = match request.path.contains("/blobs/") {
            true => bearer.starts_with("Bearer t") && bearer != "Bearer t1",
            false => bearer.starts_with("Bearer t"),
        };
        if fits || request.path == "/v2/" {
            return honest(request);
        }
        let realm = format!(
            "Bearer realm=\"http://{}/token\",service=\"s\",scope=\"repository:x:pull\"",
            host.get().expect("it is set before it is asked")
        );
        Answer::new(401, "{}").header("WWW-Authenticate", realm)
    });
    server.set(faulty.host()).expect("once");
    let world = World::empty();
    let name = format!("{}/x:1", faulty.host());
    let err = world.teu(["pull", "-q", "--creds", "user:wrong", &name]).fails(1);
    assert!(err.contains("login to") && err.contains("wrong password"), "{err}");
    world.teu(["pull", "-q", "--creds", "user:secret", &name]).ok();
    runs(&world, &name);
}

/// An upload that is cut goes on where the registry says, with the bytes that it lacks.
#[test]
fn cut_uploads() {
    #[derive(Default)]
    struct State {
        uploads: HashMap<String, Vec<u8>>,
        blobs: HashMap<String, Vec<u8>>,
        received: usize,
        cuts: usize,
    }
    let state = Arc::new(Mutex::new(State::default()));
    let (reading, answering) = (state.clone(), state.clone());
    let take = move |request: &Request| {
        let mut state = reading.lock().expect("no thread panics");
        let length =
            request.headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let is_large = length > 2 << 20 && request.path.contains("/uploads/");
        if !is_large || state.cuts >= 5 {
            return usize::MAX;
        }
        state.cuts += 1;
        length / 7
    };
    let server = Faulty::start(take, move |request| {
        let mut state = answering.lock().expect("no thread panics");
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        let last = path.rsplit('/').next().unwrap_or_default();
        match request.method.as_str() {
            "HEAD" if path.contains("/blobs/") => {
                Answer::new(if state.blobs.contains_key(last) { 200 } else { 404 }, "")
            }
            "POST" => {
                Answer::new(202, "").header("Location", format!("/v2/x/blobs/uploads/{}", unique()))
            }
            "GET" if path.contains("/uploads/") => {
                let have = state.uploads.get(&path).map_or(0, Vec::len);
                let range = format!("0-{}", have.saturating_sub(1));
                Answer::new(204, "").header("Location", path).header("Range", range)
            }
            "PUT" | "PATCH" if path.contains("/uploads/") => {
                state.received += request.body.len();
                let upload = state.uploads.entry(path.clone()).or_default();
                upload.extend(&request.body);
                let is_whole = request.headers["content-length"] == request.body.len().to_string();
                if request.method == "PATCH" || !is_whole {
                    return Answer::new(202, "").header("Location", path);
                }
                let digest = request.path.split("digest=").nth(1).unwrap_or_default().to_owned();
                let upload = state.uploads.remove(&path).unwrap_or_default();
                state.blobs.insert(digest, upload);
                Answer::new(201, "")
            }
            "PUT" => Answer::new(201, ""),
            _ => Answer::new(200, "{}"),
        }
    });
    let world = World::empty();
    let honest = Faulty::start(all, honest);
    let from = format!("docker://{}/x:1", honest.host());
    let to = format!("docker://{}/x:1", server.host());
    assert_eq!(world.teu(["copy", "-q", &from, &to]).ok(), image().digest);
    let state = state.lock().expect("no thread panics");
    assert_eq!(state.cuts, 5);
    assert!(state.blobs == image().blobs, "the bytes are the same");
    let wanted: usize = image().blobs.values().map(Vec::len).sum();
    assert_eq!(state.received, wanted, "no byte was taken twice");
}

fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}
