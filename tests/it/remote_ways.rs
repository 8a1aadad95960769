//! How the client of registries gets out and proves itself: proxies, hosts without one, tokens that
//! get tokens. Issue 3, section 1.

use crate::faulty::{Answer, Faulty, Request};
use crate::registry::{Registry, skopeo};
use crate::world::{World, image_archive};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A proxy that knows one host, whatever it is called, and writes down what it was asked for.
struct Proxy {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (server, log) = (server.to_owned(), heard.clone());
        // Ends with the tests' process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, log) = (server.clone(), log.clone());
                std::thread::spawn(move || carry(stream, &server, &log));
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no thread panics").clone()
    }
}

/// `CONNECT`: bytes both ways, which is all that the client asks a proxy for.
fn carry(client: TcpStream, server: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (method, rest) = first.split_once(' ')?;
    let target = rest.split(' ').next()?;
    let mut is_known = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let shown =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION));
        is_known |= shown.is_some_and(|(_, value)| value.trim().ends_with(" bWU6c2VjcmV0"));
        if line.trim().is_empty() {
            break;
        }
    }
    log.lock().ok()?.push(format!("{method} {target} {}", if is_known { "known" } else { "-" }));
    let mut client = client;
    if method != "CONNECT" {
        return client.write_all(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n").ok();
    }
    let mut upstream = TcpStream::connect(server).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let mut back = (upstream.try_clone().ok()?, client.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back.0, &mut back.1);
        let _ = back.1.shutdown(std::net::Shutdown::Both);
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        upstream.write_all(&buffer[..length]).ok()?;
    }
    Some(())
}

const AUTHORIZATION: &str = "proxy-authorization";

/// Debian's registry with busybox.
fn filled() -> Registry {
    let registry = Registry::start();
    let from = format!("docker-archive:{}", image_archive("busybox").display());
    let to = format!("docker://{}/app:1", registry.host());
    skopeo(&["copy", "-q", "--dest-tls-verify=false", &from, &to]);
    registry
}

#[test]
fn a_registry_is_reached_through_the_proxy_of_the_environment() {
    let registry = filled();
    let proxy = Proxy::to(&registry.host());
    let world = World::empty();
    world.registries("[[registry]]\nprefix = \"registry.test\"\ninsecure = true\n");
    let pull = |name: &str, user: &str| {
        let address = format!("http://{user}{}", proxy.address);
        let mut command = world.command(["pull", "-q", name]);
        command.env("http_proxy", &address).env("HTTPS_PROXY", &address);
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    pull("registry.test/app:1", "me:secret@");
    let heard = proxy.heard();
    // It tries TLS first, and the name that only the proxy knows is resolved by nobody else.
    assert!(heard.iter().any(|line| line == "CONNECT registry.test:443 known"), "{heard:?}");
    assert!(heard.iter().any(|line| line == "CONNECT registry.test:80 known"), "{heard:?}");
    assert!(heard.iter().all(|line| line.ends_with(" known")), "{heard:?}");
    // This machine is never asked for through a proxy.
    let before = proxy.heard().len();
    pull(&format!("{}/app:1", registry.host()), "");
    assert_eq!(proxy.heard().len(), before);
}

#[test]
fn hosts_of_no_proxy_are_reached_directly() {
    // In a network of its own, where an address that is not the loopback's leads nowhere else.
    let world = World::busybox();
    let script = r#"
ip link set lo up && ip address add 192.0.2.1/32 dev lo || exit 9
"$TEU_BINARY" --root "$1/server" registry --listen 192.0.2.1:5000 --listen 127.0.0.1:5000 >"$1/out" 2>&1 &
server=$!
until [ "$(grep -c listening "$1/out")" = 2 ]; do kill -0 $server || exit 8; sleep 0.1; done
"$TEU_BINARY" tag busybox 127.0.0.1:5000/app && "$TEU_BINARY" push -q 127.0.0.1:5000/app || exit 7
export http_proxy=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1
"$TEU_BINARY" pull -q 192.0.2.1:5000/app && exit 6
NO_PROXY=example.org,192.0.2.1 "$TEU_BINARY" pull -q 192.0.2.1:5000/app || exit 5
kill $server; wait $server
"#;
    world.registries("[[registry]]\nprefix = \"192.0.2.1\"\ninsecure = true\n");
    std::fs::create_dir(world.root().join("server")).expect("creates");
    let mut command = Command::new("unshare");
    let root = world.root().display().to_string();
    command.args(["-n", "sh", "-c", script, "sh", &root]);
    // The same environment as every command of the world.
    for (name, value) in world.command(["version"]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.env("TEU_BINARY", crate::world::binary()).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
}

/// A registry that wants a token, and its token server, which takes a refresh token only.
fn token_server() -> Faulty {
    let host = Arc::new(Mutex::new(String::new()));
    let own = host.clone();
    let server = Faulty::start(
        |_| usize::MAX,
        move |request: &Request| {
            let host = own.lock().expect("no thread panics").clone();
            let form = String::from_utf8_lossy(&request.body).into_owned();
            match (&*request.method, request.path.split('?').next().unwrap_or_default()) {
                ("POST", "/token") if form.contains("refresh_token=old%2Ffriend") => {
                    Answer::new(200, r#"{"access_token":"fresh","expires_in":300}"#)
                }
                (_, "/token") => Answer::new(401, r#"{"details":"who are you?"}"#),
                _ if request
                    .headers
                    .get("authorization")
                    .is_some_and(|shown| shown == "Bearer fresh") =>
                {
                    Answer::new(200, r#"{"name":"a","tags":["v1"]}"#)
                }
                _ => Answer::new(401, "{}").header(
                    "WWW-Authenticate",
                    format!(r#"Bearer realm="http://{host}/token",service="it""#),
                ),
            }
        },
    );
    *host.lock().expect("no thread panics") = server.host();
    server
}

#[test]
fn an_identity_token_gets_the_tokens_that_are_needed() {
    let server = token_server();
    let world = World::empty();
    let login = |token: &str| {
        let folder = world.root().join("docker-config");
        std::fs::create_dir_all(&folder).expect("creates");
        let text = format!(r#"{{"auths":{{"{}":{{"identitytoken":"{token}"}}}}}}"#, server.host());
        std::fs::write(folder.join("config.json"), text).expect("writes");
    };
    let list = format!("docker://{}/a", server.host());
    login("old/friend");
    assert!(world.teu(["list-tags", &list]).ok().contains("v1"));
    let forms: Vec<String> = {
        let heard = server.heard.lock().expect("no thread panics");
        let posts = heard.iter().filter(|request| request.method == "POST");
        posts.map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect()
    };
    assert_eq!(forms.len(), 1, "{forms:?}");
    for part in
        ["grant_type=refresh_token", "service=it", "client_id=teu", "scope=repository%3Aa%3Apull"]
    {
        assert!(forms[0].contains(part), "{part}: {}", forms[0]);
    }
    login("somebody else's");
    let error = world.teu(["list-tags", &list]).fails(1);
    assert!(error.contains("who are you?"), "{error}");
}
