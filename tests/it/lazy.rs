//! Images that are used before they are here. Issue 3, part 1: a container starts before its layers are
//! complete, the rest comes behind it, and nothing is left in the end.

use crate::registry::{Registry, skopeo};
use crate::world::World;
use proxy::Proxy;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod measure;
mod proxy;

const DEADLINE: Duration = Duration::from_secs(60);
/// Slow enough that no image below is here before its container runs, however busy the machine is.
const SLOW_BYTES_S: u64 = 400 << 10;
/// Bytes that no container of these tests reads.
const BALLAST_BYTES: usize = 40 << 20;

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Busybox with a second layer of noise, in a registry, as eStargz.
fn image(registry: &Registry) -> String {
    let world = World::busybox();
    world.file("app/Dockerfile", "FROM busybox\nCOPY noise /noise\nCOPY note /note\n");
    world.file("app/note", "read me");
    // Text of eight bits a byte would not be text: this packs to three quarters.
    let mut state = 1u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + u8::try_from(state >> 58).expect("six bits"))
    })
    .take(BALLAST_BYTES)
    .collect();
    world.file("app/noise", &noise);
    let name = format!("{}/app:1", registry.host());
    let folder = world.root().join("files/app");
    let folder = folder.to_str().expect("a plain path");
    world.teu(["build", "-q", "-t", &name, folder]).ok();
    world.teu(["push", "-q", "--compression", "estargz", &name]).ok();
    name
}

/// Processes that serve images of a home.
fn servers(world: &World) -> Vec<i32> {
    let root = world.root().to_str().expect("a plain path").to_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
        if words.contains(&&b"lazy"[..]) && words.contains(&root.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn kill(pid: i32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("it starts").success());
}

/// Whether somebody hands out a mount.
fn is_coming(world: &World) -> bool {
    let entries = std::fs::read_dir(world.root().join("images/lazy"));
    let mut names = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    names.any(|path| path.extension().is_none())
}

fn no_mounts() {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("it reads");
    assert!(!mounts.contains(" - fuse teu"), "{mounts}");
}

/// The same image by the name of a slow way to its registry.
fn through(proxy: &Proxy, name: &str) -> String {
    let (_, rest) = name.split_once('/').expect("it has a host");
    format!("{}/{rest}", proxy.host())
}

#[test]
fn a_container_runs_before_its_image_is_here() {
    let registry = Registry::start();
    let name = image(&registry);
    let proxy = Proxy::start(&registry.host(), SLOW_BYTES_S);
    let world = World::empty();
    let slow = through(&proxy, &name);
    let run = ["run", "--rm", "--network=none", "--pull", "lazy", &slow];
    let said = world.teu([&run[..], &["cat", "/note"]].concat());
    assert!(said.err.contains("can be used, the rest of it comes"), "{}", said.err);
    assert_eq!(said.ok(), "read me");
    assert!(is_coming(&world), "all of it came before the container ran");
    no_mounts();
    // A second container, one that stays, and what looks into it.
    assert_eq!(world.teu([&run[..], &["ls", "/bin/cat"]].concat()).ok(), "/bin/cat");
    world.teu(["run", "-d", "--name", "stays", "--network=none", &slow, "sleep", "1000"]).ok();
    assert_eq!(world.teu(["exec", "stays", "cat", "/note"]).ok(), "read me");
    let to = world.file("copied", "");
    world.teu(["cp", "stays:/note", to.to_str().expect("a plain path")]).ok();
    assert_eq!(std::fs::read_to_string(&to).expect("it reads"), "read me");
    world.teu(["exec", "stays", "rm", "/note"]).ok();
    assert!(world.teu(["diff", "stays"]).ok().contains("D /note"));
    assert!(is_coming(&world), "all of it came before it was looked at");
    proxy.hurry();
    wait_until("the image is whole", || !is_coming(&world));
    assert_eq!(servers(&world).len(), 1, "a container still uses the mount");
    // Later containers use plain directories; the whole content is what was pushed.
    let lower = world.teu(["image", "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", &slow]).ok();
    assert!(!lower.contains("/proc/"), "{lower}");
    let sum = |said: String| said.split(' ').next().unwrap_or_default().to_owned();
    let from_mount = sum(world.teu(["exec", "stays", "sha256sum", "/noise"]).ok());
    let plain = ["run", "--rm", "--network=none", &slow, "sha256sum", "/noise"];
    assert_eq!(sum(world.teu(plain).ok()), from_mount);
    world.teu(["rm", "-f", "stays"]).ok();
    wait_until("the process has gone", || servers(&world).is_empty());
    no_mounts();
    // Others read the same layers as gzip.
    let layout = format!("oci:{}:x", world.root().join("files/layout").display());
    skopeo(&["copy", "-q", "--src-tls-verify=false", &format!("docker://{name}"), &layout]);
    let eager = World::empty();
    eager.teu(["pull", "-q", &name]).ok();
    assert_eq!(eager.teu(["run", "--rm", "--network=none", &name, "cat", "/note"]).ok(), "read me");
}

/// Killed at any time, it leaves an image that the next command mends, and no mount.
#[test]
fn killed_and_mended() {
    let registry = Registry::start();
    let name = image(&registry);
    let proxy = Proxy::start(&registry.host(), SLOW_BYTES_S);
    let world = World::empty();
    let slow = through(&proxy, &name);
    world.teu(["pull", "-q", "--lazy", &slow]).ok();
    world.teu(["run", "-d", "--name", "stays", "--network=none", &slow, "sleep", "1000"]).ok();
    for pid in servers(&world) {
        kill(pid);
    }
    wait_until("it is dead", || servers(&world).is_empty());
    // What was never read cannot be read any more; a program whose own pages are such may end.
    assert_ne!(world.teu(["exec", "stays", "cat", "/noise"]).code, 0);
    world.teu(["stop", "-t", "0", "stays"]).ok();
    proxy.hurry();
    let run = ["run", "--rm", "--network=none", "--pull", "lazy", &slow, "cat", "/note"];
    assert_eq!(world.teu(run).ok(), "read me");
    world.teu(["start", "stays"]).ok();
    assert_eq!(world.teu(["exec", "stays", "cat", "/note"]).ok(), "read me");
    world.teu(["rm", "-f", "stays"]).ok();
    wait_until("the process has gone", || servers(&world).is_empty());
    no_mounts();
    assert!(!is_coming(&world));
}

/// The setting of a registry asks for it, and an image without tables is pulled as usual.
#[test]
fn by_the_settings() {
    let registry = Registry::start();
    let world = World::busybox();
    let host = registry.host();
    world.registries(&format!("[[registry]]\nprefix = \"{host}\"\nlazy = true\n"));
    let name = format!("{host}/plain:1");
    world.teu(["tag", "busybox", &name]).ok();
    world.teu(["push", "-q", &name]).ok();
    let there = World::empty();
    there.registries(&format!("[[registry]]\nprefix = \"{host}\"\nlazy = true\n"));
    let said = there.teu(["run", "--rm", "--network=none", &name, "echo", "whole"]);
    assert!(said.err.contains("Not lazily: layer"), "{}", said.err);
    assert_eq!(said.ok(), "whole");
    let name = image(&registry);
    let said = there.teu(["run", "--rm", "--network=none", &name, "cat", "/note"]);
    assert!(said.err.contains("the rest of it comes"), "{}", said.err);
    assert_eq!(said.ok(), "read me");
    wait_until("the image is whole", || !is_coming(&there) && servers(&there).is_empty());
}

/// The largest blob of a manifest in a registry.
fn layer_file(registry: &Registry, name: &str, number: usize) -> PathBuf {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let manifest: serde_json::Value = serde_json::from_str(&raw).expect("it is JSON");
    let digest = manifest["layers"][number]["digest"].as_str().expect("a digest").to_owned();
    registry.blob(&digest)
}

/// A byte that differs is an error, never a file; the image is refused in the end.
#[test]
fn a_piece_that_differs() {
    let registry = Registry::start();
    let name = image(&registry);
    let path = layer_file(&registry, &name, 0);
    let mut bytes = std::fs::read(&path).expect("it reads");
    // Busybox itself: by far the largest file of its layer.
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0x55;
    }
    std::fs::write(&path, bytes).expect("it writes");
    let world = World::empty();
    let run = ["run", "--rm", "--network=none", "--pull", "lazy", &name, "cat", "/note"];
    let said = world.teu(run);
    assert_ne!(said.code, 0, "{}", said.out);
    wait_until("it gave up", || servers(&world).is_empty());
    let err = world.teu(run);
    assert_ne!(err.code, 0);
    assert!(err.err.contains("the lazy pull of"), "{}", err.err);
    no_mounts();
}

/// A table that is good for itself and tells of other files than the layer has.
const LIE: &str = r#"
import gzip, hashlib, io, json, os, sys, tarfile
folder, config = sys.argv[1], json.load(open(sys.argv[2]))
os.makedirs(folder + "/blobs/sha256")
def put(data):
    name = hashlib.sha256(data).hexdigest()
    open(folder + "/blobs/sha256/" + name, "wb").write(data)
    return {"digest": "sha256:" + name, "size": len(data)}
sha = lambda data: "sha256:" + hashlib.sha256(data).hexdigest()
def entry(name, data):
    info = tarfile.TarInfo(name); info.size = len(data); info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT), data + b"\0" * (-len(data) % 512)
blob, plain = b"", b""
def member(data):
    global blob, plain
    at = len(blob); blob += gzip.compress(data, mtime=0); plain += data
    return at
good, bad = b"what scanners see", b"what a container would see"
head, body = entry("good", good); member(head); first = member(body)
head, body = entry("hidden", bad); member(head); second = member(body)
toc = json.dumps({"version": 1, "entries": [
    {"name": "good", "type": "reg", "size": len(bad), "mode": 0o644, "offset": second,
     "digest": sha(bad), "chunkDigest": sha(bad)}]}).encode()
head, body = entry("stargz.index.json", toc)
at = member(head + body + b"\0" * 1024)
blob += bytes([0x1f,0x8b,8,4,0,0,0,0,0,0xff,26,0]) + b"SG" + bytes([22,0]) + b"%016xSTARGZ" % at
blob += bytes([1,0,0,0xff,0xff,0,0,0,0,0,0,0,0])
layer = put(blob)
layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
layer["annotations"] = {"containerd.io/snapshot/stargz/toc.digest": sha(toc)}
base = json.load(open(sys.argv[3]))
config["rootfs"]["diff_ids"].append(sha(plain))
settings = put(json.dumps(config).encode()); settings["mediaType"] = base["config"]["mediaType"]
base["config"] = settings; base["layers"].append(layer)
manifest = put(json.dumps(base).encode()); manifest["mediaType"] = base["mediaType"]
for name in os.listdir(sys.argv[4]):
    data = open(sys.argv[4] + "/" + name, "rb").read()
    open(folder + "/blobs/sha256/" + name, "wb").write(data)
json.dump({"schemaVersion": 2, "manifests": [manifest]}, open(folder + "/index.json", "w"))
open(folder + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
"#;

fn lie(world: &World, registry: &Registry) -> String {
    let base = format!("docker://{}/base:1", registry.host());
    world.teu(["copy", "-q", "--compression", "estargz", "busybox", &base]).ok();
    let raw = world.teu(["inspect", "--raw", &base]).out;
    let config = world.teu(["inspect", "--raw", "--config", &base]).out;
    let layout = world.root().join("files/base");
    world.teu(["copy", "-q", &base, &format!("oci:{}:x", layout.display())]).ok();
    let folder = world.root().join("files/lie");
    let (raw, config) = (world.file("raw", &raw), world.file("config", &config));
    let script = world.file("lie.py", LIE);
    let blobs = layout.join("blobs/sha256");
    let made = std::process::Command::new("python3")
        .args([&script, &folder, &config, &raw, &blobs].map(|path: &PathBuf| path.as_path()))
        .output()
        .expect("python3 is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let name = format!("{}/lie:1", registry.host());
    skopeo(&["copy", "-q", "--dest-tls-verify=false", &oci(&folder), &format!("docker://{name}")]);
    name
}

fn oci(folder: &Path) -> String {
    format!("oci:{}", folder.display())
}

#[test]
fn a_table_that_lies() {
    let registry = Registry::start();
    let world = World::busybox();
    let name = lie(&world, &registry);
    let there = World::empty();
    there.teu(["pull", "-q", "--lazy", &name]).ok();
    wait_until("it gave up", || servers(&there).is_empty());
    let said =
        there.teu(["run", "--rm", "--network=none", "--pull", "lazy", &name, "cat", "/good"]);
    assert!(said.err.contains("not what its table of contents says"), "{}", said.err);
    // What counts is the layer.
    assert_eq!(said.ok(), "what scanners see");
    no_mounts();
}
