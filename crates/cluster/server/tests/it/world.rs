//! A server in this process that takes everybody for the cluster's owner, and a client that knows
//! just enough HTTP.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use teu_api::{Status, object};
use teu_client::{Choice, Client as _, Event, Kind};
use teu_pki::{Authority, Request as Wanted};
use teu_server::auth::{Access, Authenticator, ByCredential, Later, Masters, User, defaults};
use teu_server::connect::Nodes;
use teu_server::credentials::Held;
use teu_server::{Api, Local, Service, bootstrap};
use teu_store::embedded::Embedded;
use teu_web::{Limits, Listener, Peer, Shutdown};

/// As long as a busy machine may need for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

struct Everybody;

impl Authenticator for Everybody {
    fn authenticate<'a>(
        &'a self,
        _: &'a Api,
        _: &'a Peer,
        _: &'a http::HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>> {
        Box::pin(std::future::ready(Ok(Arc::new(User::internal("tester")))))
    }
}

/// Takes who shows nothing for the cluster's owner, unless they say that they are nobody.
struct OrOwner(ByCredential);

impl Authenticator for OrOwner {
    fn authenticate<'a>(
        &'a self,
        api: &'a Api,
        peer: &'a Peer,
        headers: &'a http::HeaderMap,
    ) -> Later<'a, Result<Arc<User>, Status>> {
        if headers.contains_key("authorization") || headers.contains_key("x-nobody") {
            return self.0.authenticate(api, peer, headers);
        }
        Everybody.authenticate(api, peer, headers)
    }
}

/// A running server.
pub struct World {
    pub api: Arc<Api>,
    /// Whose certificates nodes have.
    pub authority: Authority,
    address: SocketAddr,
    shutdown: Shutdown,
    runtime: Option<tokio::runtime::Runtime>,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The document, if all went well.
    pub fn good(self) -> Value {
        assert!(self.code < 300, "{self:?}");
        self.json()
    }

    /// The document of a refusal with this code.
    pub fn bad(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{self:?}");
        self.json()
    }
}

impl World {
    /// Where everybody may everything.
    pub fn new() -> Self {
        Self::with(Self::open(), |_| {})
    }

    /// The same with the controllers.
    pub fn controlled() -> Self {
        let world = Self::new();
        world.control();
        world
    }

    /// Has the controllers run, and the collector of what belongs to nobody.
    pub fn control(&self) {
        let (api, collected) = (Arc::clone(&self.api), Arc::clone(&self.api));
        self.run(async {
            tokio::spawn(async move { teu_server::controllers::run(&api, "PEM".to_owned()).await });
            tokio::spawn(teu_server::garbage::run(collected));
        });
    }

    /// Where everybody may everything, which calls nobody on this machine.
    pub fn outward() -> Self {
        Self::with(Self::open(), |api| api.outgoing.allows_loopback = false)
    }

    fn open() -> Access {
        Access { authenticator: Box::new(Everybody), authorizer: Box::new(Masters), accounts: None }
    }

    /// Where tokens and roles say who may what, and who shows no token is the owner.
    pub fn guarded() -> Self {
        Self::guarded_with(|_| {})
    }

    /// The same with something changed.
    pub fn guarded_with(change: impl FnOnce(&mut Api)) -> Self {
        let key = teu_pki::Signer::generate().expect("a key");
        let signer = teu_pki::Signer::from_pem(&key, "the test's key").expect("a signer");
        let mut access = Access::of_cluster(Arc::new(signer));
        let accounts = access.accounts.clone().expect("accounts");
        access.authenticator = Box::new(OrOwner(ByCredential::new(accounts)));
        let world = Self::with(access, change);
        let owner = Arc::new(User::internal("system:apiserver"));
        world.run(async {
            defaults::ensure(&world.api, &owner).await.expect("roles");
            tokio::spawn(defaults::aggregate(Arc::clone(&world.api), owner));
        });
        world
    }

    fn with(access: Access, change: impl FnOnce(&mut Api)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
        let shutdown = Shutdown::new();
        let store = Arc::new(Embedded::open(&folder.path().join("store")).expect("a store"));
        let mut api = Api::new(store, access, shutdown.clone());
        api.outgoing.allows_loopback = true;
        let authority = Authority::create("cluster").expect("an authority");
        let own = authority.issue(&Wanted::client("apiserver")).expect("a certificate");
        let authorities = authority.certificate_pem().into_bytes();
        api.nodes = Nodes { authorities, identity: Held::from(Arc::new(own)) };
        change(&mut api);
        let api = Arc::new(api);
        let address = runtime.block_on(async {
            let user = Arc::new(User::internal("system:apiserver"));
            bootstrap::namespaces(&api, &user).await.expect("namespaces");
            bootstrap::service_range(&api).await.expect("a range of addresses");
            let listener = Listener::tcp("127.0.0.1:0").await.expect("a port");
            let address = listener.tcp_address().expect("TCP");
            let service = Service::new(Arc::clone(&api));
            tokio::spawn(teu_server::crd::run(Arc::clone(&api)));
            tokio::spawn(teu_server::namespaces::run(Arc::clone(&api)));
            tokio::spawn(teu_server::aggregate::own::run(Arc::clone(&api)));
            tokio::spawn(teu_server::taints::run(Arc::clone(&api)));
            give_accounts(&api).await;
            tokio::spawn(teu_web::serve(listener, Limits::default(), service, shutdown.clone()));
            api.is_ready.store(true, Ordering::Release);
            address
        });
        Self { api, authority, address, shutdown, runtime: Some(runtime), _folder: folder }
    }

    /// Waits for something to become true.
    pub fn until(&self, is_so: impl Fn() -> bool) {
        let begun = std::time::Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "it did not become true");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs something where the server runs.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("until the end").block_on(future)
    }

    fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
        self.send_part(method, path, headers, (body, body.len()))
    }

    /// Says how long a body is, and sends perhaps less.
    fn send_part(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        (body, length): (&str, usize),
    ) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        BufReader::new(stream)
    }

    /// A request of which only the head has come, and how long its body will be.
    pub fn hold(&self, method: &str, path: &str, headers: &[&str], length: usize) -> Raw {
        Raw(self.send_part(method, path, headers, ("", length)))
    }

    /// The answer to a body of which only the length has come.
    pub fn announce(&self, method: &str, path: &str, length: usize) -> u16 {
        read_head(&mut self.send_part(method, path, &[], ("", length))).0
    }

    /// Asks, with headers.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.send(method, path, headers, body);
        let (code, headers) = read_head(&mut stream);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a body");
        Answer { code, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &["Content-Type: application/json"], &body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, &["Content-Type: application/json"], &body.to_string())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], "")
    }

    /// Asks to leave HTTP; the answer's head has come.
    pub fn upgrade(&self, path: &str, headers: &[&str], wanted: u16) -> Raw {
        self.upgrade_by("GET", path, headers, wanted)
    }

    /// The same by another method.
    pub fn upgrade_by(&self, method: &str, path: &str, headers: &[&str], wanted: u16) -> Raw {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut stream = BufReader::new(stream);
        let (code, head) = read_head(&mut stream);
        assert_eq!(code, wanted, "{head}");
        Raw(stream)
    }

    /// Watches; the answer's head has come.
    pub fn watch(&self, path: &str) -> Events {
        self.watch_as(path, &[])
    }

    pub fn watch_as(&self, path: &str, headers: &[&str]) -> Events {
        let mut stream = self.send("GET", path, headers, "");
        let (code, head) = read_head(&mut stream);
        assert_eq!(code, 200, "{head}");
        Events { stream, chunk: Vec::new() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// Gives every namespace its account, which pods want, and nothing else; those that are there have
/// theirs when it answers.
async fn give_accounts(api: &Arc<Api>) {
    const NAMESPACES: Kind<'_> = Kind { group: "", version: "v1", plural: "namespaces" };
    const ACCOUNTS: Kind<'_> = Kind { group: "", version: "v1", plural: "serviceaccounts" };
    let client = Local::new(api, User::internal("accounts"), "accounts");
    let mut watch = client.watch(NAMESPACES, &Choice::default(), "").await.expect("a watch");
    // It is dropped when all that were there have been told.
    let (ready, begun) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut ready = Some(ready);
        while let Ok(event) = watch.next().await {
            match event {
                Event::Applied(namespace) => {
                    let name = object::name(&namespace).to_owned();
                    let account = serde_json::json!({ "metadata": { "name": "default" } });
                    // It may be there, or the namespace may be going.
                    let _ = client.create(ACCOUNTS, &name, account).await;
                }
                Event::Bookmark(_) => drop(ready.take()),
                Event::Deleted(_) => {}
            }
        }
    });
    let _ = begun.await;
}

fn read_head(stream: &mut BufReader<TcpStream>) -> (u16, String) {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).expect("a head");
        if read == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (code, head)
}

/// A connection that may have left HTTP.
pub struct Raw(BufReader<TcpStream>);

impl Raw {
    pub fn send(&mut self, text: &str) {
        // Whether the other side still listens is for the test to say.
        let _ = self.0.get_mut().write_all(text.as_bytes());
    }

    /// Sends a text and reads as much.
    pub fn exchange(&mut self, text: &str) -> String {
        self.send(text);
        let mut bytes = vec![0; text.len()];
        self.0.read_exact(&mut bytes).expect("an answer");
        String::from_utf8(bytes).expect("text")
    }

    /// A short frame of a web socket: its opcode and its bytes.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame");
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                self.0.read_exact(&mut long).expect("a length");
                u16::from_be_bytes(long).into()
            }
            short => usize::from(short),
        };
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("its bytes");
        (head[0] & 0x0f, bytes)
    }

    /// All that still comes.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A watch's events.
pub struct Events {
    stream: BufReader<TcpStream>,
    chunk: Vec<u8>,
}

impl Events {
    /// The next; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.chunk.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event"));
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).expect("a chunk");
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            if size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).expect("a chunk");
            chunk.truncate(size);
            self.chunk.extend(chunk);
        }
    }

    /// The next, as its type and its object's name.
    pub fn next_named(&mut self) -> (String, String) {
        let event = self.next().expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }

    pub fn expect(&mut self, kind: &str, name: &str) {
        assert_eq!(self.next_named(), (kind.to_owned(), name.to_owned()));
    }
}

/// A config map's path.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A config map.
pub fn map(name: &str, labels: Value) -> Value {
    serde_json::json!({ "metadata": { "name": name, "labels": labels }, "data": { "a": "1" } })
}
