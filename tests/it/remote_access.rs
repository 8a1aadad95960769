//! Logins, credential helpers, certificates; and what is done in a registry without a pull.

use crate::registry::{Registry, skopeo};
use crate::world::{World, image_archive};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// `user` with the password `secret`.
pub const HTPASSWD: &str = "user:$2a$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

fn guarded(world: &World) -> Registry {
    let file = world.file("htpasswd", HTPASSWD);
    let auth = format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", file.display());
    Registry::with(&auth, "")
}

fn fill(registry: &Registry, names: &[&str], more: &[&str]) {
    let archive = format!("docker-archive:{}", image_archive("busybox").display());
    for name in names {
        let place = format!("docker://{}/{name}", registry.host());
        let args = ["copy", "-q", "--dest-tls-verify=false"];
        skopeo(&[&args[..], more, &[&archive, &place]].concat());
    }
}

/// Runs `teu` with a line on standard input.
fn with_input(
    world: &World,
    args: &[&str],
    input: &str,
    change: impl Fn(&mut Command),
) -> (bool, String) {
    let mut command = world.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    change(&mut command);
    let mut child = command.spawn().expect("the binary starts");
    use std::io::Write;
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn login_and_logout() {
    let world = World::empty();
    let registry = guarded(&world);
    let host = registry.host();
    fill(&registry, &["app:1"], &["--dest-creds=user:secret"]);
    let name = format!("{host}/app:1");
    let err = world.teu(["pull", "-q", &name]).fails(1);
    assert!(err.contains("denied") && err.contains(&format!("teu login {host}")), "{err}");
    let login = ["login", "-u", "user", "--password-stdin", &host];
    let (ok, text) = with_input(&world, &login, "wrong\n", |_| {});
    assert!(!ok && text.contains(&format!("login to {host} failed")), "{text}");
    let (ok, text) = with_input(&world, &login, "secret\n", |_| {});
    assert!(
        ok && text.contains("Login Succeeded") && text.contains("stored unencrypted"),
        "{text}"
    );
    let config = world.root().join("docker-config/config.json");
    let mode = config.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    world.teu(["pull", "-q", &name]).ok();
    // Docker's own client and skopeo read the same file.
    let place = format!("docker://{name}");
    let auth = format!("--authfile={}", config.display());
    skopeo(&["inspect", "--tls-verify=false", &auth, &place]);
    assert!(world.teu(["login", &host]).ok().contains("existing credentials"));
    world.teu(["push", "-q", &name]).ok();
    assert_eq!(world.teu(["logout", &host]).ok(), format!("Removing login credentials for {host}"));
    assert_eq!(world.teu(["logout", &host]).ok(), format!("Not logged in to {host}"));
    world.teu(["pull", "-q", &name]).fails(1);
    world.teu(["pull", "-q", "--creds", "user:secret", &name]).ok();
}

/// A program that keeps one password in a file.
fn helper(folder: &Path) {
    let program = folder.join("docker-credential-test");
    let file = folder.join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > {0};;\nerase) rm -f {0};;\nget) cat > /dev/null; if [ -f {0} ]; then cat {0}; else echo 'credentials not found in native keychain'; exit 1; fi;;\nesac\n",
        file.display()
    );
    std::fs::write(&program, script).expect("writes");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn credential_helpers() {
    let world = World::empty();
    let registry = guarded(&world);
    let host = registry.host();
    fill(&registry, &["app:1"], &["--dest-creds=user:secret"]);
    let folder = world.root().join("helpers");
    std::fs::create_dir_all(&folder).expect("creates");
    helper(&folder);
    let config = world.root().join("docker-config/config.json");
    std::fs::create_dir_all(config.parent().expect("joined above")).expect("creates");
    std::fs::write(&config, r#"{"credsStore":"test"}"#).expect("writes");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let change = |command: &mut Command| {
        command.env("PATH", &path);
    };
    let login = ["login", "-u", "user", "--password-stdin", &host];
    let (ok, text) = with_input(&world, &login, "secret", change);
    assert!(ok && !text.contains("unencrypted"), "{text}");
    let kept = std::fs::read_to_string(folder.join("kept")).expect("the helper has it");
    assert!(kept.contains(&host) && kept.contains("secret"), "{kept}");
    assert!(!std::fs::read_to_string(&config).expect("it is there").contains("secret"));
    let name = format!("{host}/app:1");
    let (ok, text) = with_input(&world, &["pull", "-q", &name], "", change);
    assert!(ok, "{text}");
    let (ok, text) = with_input(&world, &["logout", &host], "", change);
    assert!(ok && text.contains("Removing"), "{text}");
    assert!(!folder.join("kept").exists());
    // Without the program the error names it.
    let (ok, text) = with_input(&world, &["pull", "-q", &name], "", |_| {});
    assert!(!ok && text.contains("docker-credential-test: cannot be started"), "{text}");
}

fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(args).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two authorities, and a server's certificate of the first one.
fn authorities(folder: &Path) {
    std::fs::create_dir_all(folder).expect("creates");
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\n").expect("writes");
    let line = |line: &str| openssl(folder, &line.split(' ').collect::<Vec<_>>());
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        line(&format!(
            "req -x509 {key} -days 2 -keyout {name}.key -out {name}.crt -subj /CN={name} -addext basicConstraints=critical,CA:TRUE"
        ));
    }
    line(&format!("req -new {key} -keyout server.key -out server.csr -subj /CN=x"));
    line(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt",
    );
}

#[test]
fn certificates() {
    let world = World::busybox();
    let folder = world.root().join("tls");
    authorities(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let tls =
        format!("  tls: {{certificate: {}, key: {}}}\n", file("server.crt"), file("server.key"));
    let registry = Registry::with("", &tls);
    let host = registry.host();
    let name = format!("{host}/bb:1");
    world.teu(["tag", "busybox", &name]).ok();
    // This machine need not prove who it is, unless that is asked for.
    world.teu(["push", "-q", &name]).ok();
    let strict = ["pull", "-q", "--tls-verify=true", &name];
    let err = world.teu(strict).fails(1);
    assert!(err.contains("UnknownIssuer") && err.contains("certs.d"), "{err}");
    let certs = folder.join("certs.d").join(&host);
    std::fs::create_dir_all(&certs).expect("creates");
    let dir = format!("--cert-dir={}", folder.join("certs.d").display());
    let trusting = ["pull", "-q", "--tls-verify=true", &dir, &name];
    std::fs::copy(folder.join("other.crt"), certs.join("ca.crt")).expect("copies");
    assert!(world.teu(trusting).fails(1).contains("UnknownIssuer"));
    std::fs::copy(folder.join("ca.crt"), certs.join("ca.crt")).expect("copies");
    world.teu(trusting).ok();
    std::fs::write(certs.join("ca.crt"), "nonsense").expect("writes");
    assert!(world.teu(trusting).fails(1).contains("holds no certificate"));
    // The settings may ask for proof, too.
    world.registries(&format!("[[registry]]\nprefix = \"{host}\"\ninsecure = false\n"));
    assert!(world.teu(["pull", "-q", &name]).fails(1).contains("UnknownIssuer"));
    world.teu(["pull", "-q", "--tls-verify=false", &name]).ok();
}

#[test]
fn without_a_pull() {
    let world = World::empty();
    let registry = Registry::start();
    let host = registry.host();
    let names: Vec<String> = (0..12).map(|n| format!("team/app:{n}")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.extend(["other:1", "team/web:1"]);
    fill(&registry, &all[..1], &[]);
    let first = format!("docker://{host}/team/app:0");
    for name in &all[1..] {
        world.teu(["copy", "-q", &first, &format!("docker://{host}/{name}")]).ok();
    }
    let value = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
    let repository = format!("docker://{host}/team/app");
    let tags = value(&world.teu(["list-tags", &repository]).ok());
    assert_eq!(tags["Tags"].as_array().map(Vec::len), Some(12), "{tags}");
    assert_eq!(tags, value(&skopeo(&["list-tags", "--tls-verify=false", &repository])));
    // As skopeo tells it, as far as both tell.
    let ours = value(&world.teu(["inspect", &first]).ok());
    let theirs = value(&skopeo(&["inspect", "--tls-verify=false", &first]));
    for key in ["Name", "Digest", "RepoTags", "Architecture", "Os", "Layers", "Env", "Labels"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    let raw = world.teu(["inspect", "--raw", &first]).out;
    assert_eq!(raw.trim_end(), skopeo(&["inspect", "--raw", "--tls-verify=false", &first]));
    let config = value(&world.teu(["inspect", "--config", &first]).ok());
    assert_eq!(config["rootfs"]["type"], "layers");
    let manifest = value(&world.teu(["manifest", "inspect", &format!("{host}/team/app:0")]).ok());
    assert_eq!(manifest, value(&raw));
    let found = world.teu(["search", "--format", "{{.Name}}", &format!("{host}/team")]).ok();
    assert_eq!(found, format!("{host}/team/app\n{host}/team/web"));
    // A repository to a disk, and from there to another registry.
    let disk = world.root().join("disk").display().to_string();
    let away = format!("{host}/team/app");
    let said = world.teu(["sync", "-q", "--src", "docker", "--dest", "dir", &away, &disk]);
    said.ok();
    assert!(Path::new(&disk).join("app:3/manifest.json").exists());
    let second = Registry::start();
    let to = format!("{}/mirror", second.host());
    let said = world.teu(["sync", "--src", "dir", "--dest", "docker", &disk, &to]).ok();
    assert!(said.ends_with("Synced 12 images"), "{said}");
    let digest =
        |place: &str| skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", place]);
    assert_eq!(digest(&format!("docker://{to}/app:7")), digest(&first));
    // Deleting by tag deletes what it leads to.
    let other = format!("docker://{host}/other:1");
    world.teu(["delete", &other]).ok();
    let err = world.teu(["inspect", &other]).fails(1);
    assert!(err.contains("manifest unknown"), "{err}");
    assert!(world.teu(["delete", &other]).fails(1).contains("not found"));
}
