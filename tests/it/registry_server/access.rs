//! Users, rights, tokens and TLS, with other people's clients; what is written down and told.

use crate::distribution::http::Request;
use crate::distribution::server::{Registry, wait_for};
use crate::distribution::{code, digest, push_image};
use crate::peers::{Daemon, succeed};
use crate::world::image_archive;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `secret` and `readonly`, hashed as cheaply as bcrypt can.
const USERS: &str = "ann:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW
bob:$2y$04$abcdefghijklmnopqrstuuX5gBCwr3q0v.Tp65S1NiSQAos5psBsK
";

/// A folder with the users and a configuration, which names the folder as `DIR`.
fn configured(config: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::Builder::new().prefix("teu-it-access-").tempdir().expect("a folder");
    std::fs::write(dir.path().join("users"), USERS).expect("writes");
    let path = dir.path().join("registry.toml");
    let config = config.replace("DIR", &dir.path().display().to_string());
    std::fs::write(&path, config).expect("writes");
    (dir, path.display().to_string())
}

const RULES: &str = r#"
[[access]]
repositories = ["**"]
users = ["ann"]
rights = ["pull", "push", "delete"]

[[access]]
repositories = ["team/*"]
users = ["bob"]
rights = ["pull"]
"#;

fn skopeo(arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new("skopeo");
    command.args(arguments).env("REGISTRY_AUTH_FILE", home.join("auth.json"));
    command
}

fn copies(home: &Path, flags: &[&str], from: &str, to: &str) -> bool {
    let plain = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let output = skopeo(&plain, home).args(flags).args([from, to]).output().expect("it starts");
    output.status.success()
}

fn check_rights(registry: &Registry, home: &Path) {
    let at = |name: &str| format!("docker://{}/{name}", registry.address);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    let out = format!("dir:{}/out", home.display());
    let (team, other) = (at("team/app:1"), at("other:1"));
    let ann = "--dest-creds=ann:secret";
    assert!(copies(home, &[ann], &busybox, &team), "ann pushes");
    assert!(copies(home, &[ann], &busybox, &other), "ann pushes elsewhere");
    assert!(!copies(home, &[], &busybox, &team), "nobody may not push");
    assert!(!copies(home, &["--dest-creds=ann:wrong"], &busybox, &team), "a wrong password");
    assert!(!copies(home, &["--dest-creds=bob:readonly"], &busybox, &team), "bob may not push");
    assert!(copies(home, &["--src-creds=bob:readonly"], &team, &out), "bob pulls");
    assert!(!copies(home, &["--src-creds=bob:readonly"], &other, &out), "bob may not pull there");
}

#[test]
fn users_log_in_with_each_request_and_have_their_rights() {
    let config = format!("[auth]\nhtpasswd = \"DIR/users\"\n{RULES}");
    let (dir, path) = configured(&config);
    let registry = Registry::with(&["--config", &path]);
    let refused = registry.ask(Request::get("/v2/"));
    assert_eq!((refused.status, &*code(&refused)), (401, "UNAUTHORIZED"));
    assert_eq!(refused.must("www-authenticate"), "Basic realm=\"teu registry\"");
    // `bob:readonly`
    let bob =
        |request: Request| registry.ask(request.header("Authorization", "Basic Ym9iOnJlYWRvbmx5"));
    bob(Request::get("/v2/")).expect(200);
    let denied = bob(Request::post("/v2/team/app/blobs/uploads/"));
    assert_eq!((denied.status, &*code(&denied)), (403, "DENIED"));
    check_rights(&registry, dir.path());
    let listed = bob(Request::get("/v2/_catalog")).expect(200);
    assert_eq!(listed.json()["repositories"], serde_json::json!(["team/app"]));
    registry.ask(Request::delete("/v2/team/app/manifests/1")).expect(401);
    bob(Request::delete("/v2/team/app/manifests/1")).expect(403);
    // A blob cannot be had by mounting it from where one may not read.
    let bytes = registry.ask(Request::get("/v2/other/manifests/1"));
    assert_eq!(bytes.status, 401);
}

#[test]
fn users_fetch_tokens_and_others_may_read() {
    let config = "[auth]\nhtpasswd = \"DIR/users\"\nmode = \"token\"\n".to_owned() + RULES;
    let (dir, path) = configured(&config);
    let registry = Registry::with(&["--config", &path]);
    let refused = registry.ask(Request::get("/v2/team/app/manifests/1"));
    let challenge = refused.must("www-authenticate");
    let expected = format!(
        "Bearer realm=\"http://{0}/token\",service=\"{0}\",scope=\"repository:team/app:pull\"",
        registry.address
    );
    assert_eq!(challenge, expected);
    check_rights(&registry, dir.path());
    let token = registry.ask(Request::get("/token?scope=repository:team/app:pull,push"));
    assert_eq!(token.status, 401, "there is nothing for those without a name");
    // A token is for what it was issued for.
    let ask = Request::get("/token?scope=repository:team/app:pull,push");
    let token = registry.ask(ask.header("Authorization", "Basic Ym9iOnJlYWRvbmx5")).expect(200);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    let with = |request: Request| {
        registry.ask(request.header("Authorization", &format!("Bearer {token}")))
    };
    with(Request::get("/v2/team/app/manifests/1")).expect(200);
    with(Request::post("/v2/team/app/blobs/uploads/")).expect(401);
    with(Request::get("/v2/other/manifests/1")).expect(401);
    drop(registry);

    let users = dir.path().join("users").display().to_string();
    let open = Registry::with(&["--htpasswd", &users, "--anonymous-read"]);
    let at = format!("docker://{}/app:1", open.address);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    let out = format!("dir:{}/out", dir.path().display());
    assert!(copies(dir.path(), &["--dest-creds=ann:secret"], &busybox, &at));
    assert!(copies(dir.path(), &[], &at, &out), "everybody may pull");
    assert!(!copies(dir.path(), &[], &busybox, &at), "but not push");
}

#[test]
fn dockerd_logs_in_both_ways() {
    for mode in ["basic", "token"] {
        let (dir, path) =
            configured(&format!("[auth]\nhtpasswd = \"DIR/users\"\nmode = \"{mode}\""));
        let registry = Registry::with(&["--config", &path]);
        let daemon = Daemon::with(dir.path(), &[]);
        let docker = |arguments: &[&str]| {
            let mut command = daemon.docker(arguments);
            command.env("DOCKER_CONFIG", dir.path().join("docker-config"));
            command
        };
        succeed(docker(&["load", "-q", "-i"]).arg(image_archive("busybox")));
        let name = format!("{}/team/busybox:v1", registry.address);
        succeed(&mut docker(&["tag", "busybox", &name]));
        let refused = docker(&["push", "-q", &name]).output().expect("it starts");
        assert!(!refused.status.success(), "{mode}: a push without a login");
        let login = ["login", "-u", "ann", "-p", "secret", &registry.address];
        succeed(&mut docker(&login));
        succeed(&mut docker(&["push", "-q", &name]));
        succeed(&mut docker(&["rmi", "-f", &name, "busybox"]));
        succeed(&mut docker(&["pull", "-q", &name]));
        let wrong = ["login", "-u", "ann", "-p", "wrong", &registry.address];
        assert!(!docker(&wrong).output().expect("it starts").status.success());
    }
}

#[test]
fn tls_is_spoken_and_verified() {
    let dir = tempfile::Builder::new().prefix("teu-it-tls-").tempdir().expect("a folder");
    let file = |name: &str| dir.path().join(name);
    let authority = teu_pki::Authority::create("a test").expect("an authority");
    let identity = authority.issue(&teu_pki::Request::server(["127.0.0.1", "localhost"]));
    identity.expect("issued").save(&file("cert.pem"), &file("key.pem")).expect("saved");
    std::fs::create_dir(file("trusted")).expect("creates");
    std::fs::write(file("trusted/ca.crt"), authority.certificate_pem()).expect("writes");
    let text = |path: PathBuf| path.display().to_string();
    let (cert, key) = (text(file("cert.pem")), text(file("key.pem")));
    let registry = Registry::with(&["--tls-cert", &cert, "--tls-key", &key]);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    let at = format!("docker://{}/app:1", registry.address);
    let trusted = format!("--dest-cert-dir={}", text(file("trusted")));
    succeed(&mut skopeo(&["copy", "-q", &trusted, &busybox, &at], dir.path()));
    let untrusted = skopeo(&["copy", "-q", &busybox, &at], dir.path()).output().expect("starts");
    assert!(!untrusted.status.success(), "nobody vouches for it");
}

#[test]
fn only_clients_with_a_certificate_come_in() {
    let world = crate::world::World::busybox();
    let file = |name: &str| world.root().join(name);
    let text = |name: &str| file(name).display().to_string();
    let authority = teu_pki::Authority::create("a test").expect("an authority");
    let server = authority.issue(&teu_pki::Request::server(["127.0.0.1", "localhost"]));
    server.expect("issued").save(&file("cert.pem"), &file("key.pem")).expect("saved");
    std::fs::write(file("ca.pem"), authority.certificate_pem()).expect("writes");
    let (cert, key, ca) = (text("cert.pem"), text("key.pem"), text("ca.pem"));
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-clients", &ca];
    let registry = Registry::with(&tls);
    // As the clients' folder of certificates wants them, and one whose certificate nobody vouches for.
    let stranger = teu_pki::Authority::create("another").expect("an authority");
    for (folder, by) in [("certs", Some(&authority)), ("wrong", Some(&stranger)), ("none", None)] {
        let dir = file(folder).join(&registry.address);
        std::fs::create_dir_all(&dir).expect("creates");
        std::fs::write(dir.join("ca.crt"), authority.certificate_pem()).expect("writes");
        if let Some(by) = by {
            let shown = by.issue(&teu_pki::Request::client("somebody")).expect("issued");
            shown.save(&dir.join("client.cert"), &dir.join("client.key")).expect("saved");
            // curl takes what follows a colon for a password.
            let (cert, key) = (format!("{folder}.cert"), format!("{folder}.key"));
            shown.save(&file(&cert), &file(&key)).expect("saved");
        }
    }
    let folder = |folder: &str| text(&format!("{folder}/{}", registry.address));
    let curl = |from: &str| {
        let (cert, key) = (text(&format!("{from}.cert")), text(&format!("{from}.key")));
        let url = format!("https://{}/v2/", registry.address);
        let mut command = Command::new("curl");
        command.args(["-sSf", "--noproxy", "*", "--cacert", &ca, &url]);
        if from != "none" {
            command.args(["--cert", &cert, "--key", &key]);
        }
        command.output().expect("curl is installed").status.success()
    };
    assert_eq!([curl("certs"), curl("wrong"), curl("none")], [true, false, false]);
    let busybox = format!("docker-archive:{}", image_archive("busybox").display());
    let at = format!("docker://{}/app:1", registry.address);
    let copies = |from: &str| {
        let trusted = format!("--dest-cert-dir={}", folder(from));
        let copy = ["copy", "-q", &trusted, &busybox, &at];
        skopeo(&copy, world.root()).output().expect("starts").status.success()
    };
    assert_eq!([copies("certs"), copies("wrong"), copies("none")], [true, false, false]);
    // The client of pulls and pushes shows what it has, too.
    let name = format!("{}/app:2", registry.address);
    world.line(&format!("tag busybox {name}")).ok();
    let pushes = |from: &str| {
        let mut command = world.command(["push", "-q", "--tls-verify=true", &name]);
        command.env("TEU_CERTS_DIR", file(from)).output().expect("starts").status.success()
    };
    assert_eq!([pushes("certs"), pushes("wrong"), pushes("none")], [true, false, false]);
}

#[test]
fn what_is_wrong_in_the_configuration_is_told_and_nothing_starts() {
    let check = |config: &str, expected: &str| {
        let (dir, path) = configured(config);
        let output = Command::new(crate::world::binary())
            .arg("--root")
            .arg(dir.path().join("home"))
            .args(["registry", "--listen", "127.0.0.1:0", "--config", &path])
            .output()
            .expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{error}");
    };
    check("listn = []\n", "registry.toml:1: unknown field `listn`");
    check("[auth]\nhtpasswd = \"DIR/none\"\n", "none: No such file");
    check("[[access]]\nrepositories = []\nusers = []\nrights = []\n", "auth.htpasswd");
    let basic = "[auth]\nhtpasswd = \"DIR/users\"\nmode = \"basic\"\nanonymous-read = true\n";
    check(basic, "auth.mode = \"token\"");
    check("[[webhooks]]\nurl = \"ftp://x\"\n", "webhook ftp://x");
}

/// Takes one request and answers with a status; gives what came.
fn receive(listener: &TcpListener, status: &str) -> (String, serde_json::Value) {
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("read");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("read");
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).expect("sent");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn pushes_are_told_written_down_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let hook = listener.local_addr().expect("an address");
    let config = format!(
        "audit = \"DIR/audit.jsonl\"\nmetrics = \"127.0.0.1:0\"\n[[webhooks]]\nurl = \
         \"http://{hook}/hook\"\nactions = [\"push\", \"delete\"]\nheaders = {{ X-Key = \"k\" }}\n"
    );
    let (dir, path) = configured(&config);
    let registry = Registry::with(&["--config", &path]);
    let manifest = push_image(&registry, "a/b", "v1", "");
    // The first receipt fails, and it comes again.
    let (_, first) = receive(&listener, "503 Busy");
    let (head, again) = receive(&listener, "200 OK");
    assert_eq!(first, again);
    assert!(head.contains("POST /hook") && head.to_lowercase().contains("x-key: k"), "{head}");
    let event = &again["events"][0];
    assert_eq!(event["action"], "push");
    assert_eq!(event["target"]["digest"], *digest(&manifest));
    assert_eq!(
        (&event["target"]["repository"], &event["target"]["tag"]),
        (&"a/b".into(), &"v1".into())
    );
    assert_eq!(event["target"]["length"], manifest.len());
    registry.ask(Request::get("/v2/a/b/manifests/v1")).expect(200);
    registry.ask(Request::delete("/v2/a/b/manifests/v1")).expect(202);
    let (_, deleted) = receive(&listener, "200 OK");
    assert_eq!(deleted["events"][0]["action"], "delete");
    let lines = std::fs::read_to_string(dir.path().join("audit.jsonl")).expect("written");
    let found = lines.lines().any(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["method"] == "PUT" && line["repository"] == "a/b" && line["status"] == 201
    });
    assert!(found, "{lines}");
    let page = wait_for(|| {
        let address = registry.metrics_address()?;
        Some(Request::get("/metrics").send(&address).expect(200).text())
    });
    let line = "teu_registry_requests_total{method=\"PUT\",route=\"manifest\",status=\"201\"} 1";
    assert!(page.lines().any(|found| found == line), "{page}");
}

#[test]
fn people_see_a_page_of_what_they_may_see() {
    let registry = Registry::start();
    let empty = registry.ask(Request::get("/")).expect(200);
    assert!(empty.text().contains("There is nothing yet"));
    let manifest = push_image(&registry, "team/app", "v1", "");
    let page = registry.ask(Request::get("/")).expect(200);
    assert_eq!(page.must("content-type"), "text/html; charset=utf-8");
    assert!(page.must("content-security-policy").starts_with("default-src 'none'"));
    assert!(page.text().contains("<b>team/app</b>"), "{}", page.text());
    let page = registry.ask(Request::get("/?repository=team/app")).expect(200);
    for part in ["<b>v1</b>", &digest(&manifest), &digest(b"layer"), "5 B"] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    registry.ask(Request::post("/")).expect(405);
    drop(registry);
    let (_dir, path) = configured("[auth]\nhtpasswd = \"DIR/users\"\nmode = \"token\"\n");
    let guarded = Registry::with(&["--config", &path]);
    let refused = guarded.ask(Request::get("/")).expect(401);
    assert_eq!(refused.must("www-authenticate"), "Basic realm=\"teu registry\"");
    let bob = Request::get("/").header("Authorization", "Basic Ym9iOnJlYWRvbmx5");
    guarded.ask(bob).expect(200);
}

#[test]
fn a_repository_keeps_to_its_quota() {
    let registry = Registry::with(&["--quota", "1000"]);
    push_image(&registry, "a", "v1", "");
    let large = vec![0; 2000];
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(&large));
    let refused = registry.ask(Request::post(&path).body(&large));
    assert_eq!((refused.status, &*code(&refused)), (403, "DENIED"));
    // Another one has its own.
    push_image(&registry, "b", "v1", "");
}
