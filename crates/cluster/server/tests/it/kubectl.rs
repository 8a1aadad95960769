//! The real `kubectl` against a whole server: TLS, the admin's kubeconfig, protobuf, discovery,
//! OpenAPI. It is Debian 13's, which `scripts/trixie` unpacks, or the machine's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use teu_server::{Config, Server};
use teu_web::Shutdown;

fn kubectl() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../.cache/clients/trixie/usr/bin/kubectl");
    if unpacked.exists() { unpacked } else { "kubectl".into() }
}

/// A server that listens, and kubectl.
struct Cluster {
    kubeconfig: PathBuf,
    cache: PathBuf,
    shutdown: Shutdown,
    runtime: Option<tokio::runtime::Runtime>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::new(folder.path().join("data"), folder.path().join("run"));
        config.bind = "127.0.0.1:0".to_owned();
        let runtime = teu_web::runtime(teu_web::RuntimeOptions::default()).expect("threads");
        let shutdown = Shutdown::new();
        runtime.block_on(async {
            let server = Server::start(&config, &shutdown).await.expect("a server");
            tokio::spawn(server.serve());
        });
        Self {
            kubeconfig: config.kubeconfig(),
            cache: folder.path().join("cache"),
            shutdown,
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    fn run(&self, words: &[&str], input: &str) -> (bool, String) {
        let mut command = Command::new(kubectl());
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache);
        command.args(words).env_remove("KUBECONFIG").env("EDITOR", "sed -i s/first/second/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts: scripts/trixie unpacks it");
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(input.as_bytes()).expect("its input taken");
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs it well; its output has these words.
    fn good(&self, line: &str, input: &str, wanted: &[&str]) -> String {
        let (is_good, text) = self.run(&line.split(' ').collect::<Vec<_>>(), input);
        assert!(is_good, "kubectl {line}: {text}");
        for word in wanted {
            assert!(text.contains(word), "kubectl {line}: no {word:?} in {text}");
        }
        text
    }

    /// It fails, with these words.
    fn bad(&self, line: &str, input: &str, wanted: &str) {
        let (is_good, text) = self.run(&line.split(' ').collect::<Vec<_>>(), input);
        assert!(!is_good && text.contains(wanted), "kubectl {line}: {text}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        }
    }
}

const APP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: a, image: "a:1"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: first}
"#;

#[test]
fn what_a_person_does_all_day() {
    let cluster = Cluster::start();
    cluster.good("version", "", &["Server Version: v1.36"]);
    cluster.good("apply -f -", APP, &["deployment.apps/web created", "configmap/settings created"]);
    cluster.good(
        "apply -f -",
        APP,
        &["deployment.apps/web unchanged", "configmap/settings unchanged"],
    );
    cluster.good("apply --server-side -f -", APP, &["deployment.apps/web serverside-applied"]);
    cluster.good("get deploy -o wide", "", &["READY", "0/2", "IMAGES", "a:1"]);
    cluster.good("get deploy,cm -o yaml", "", &["kind: Deployment", "kind: ConfigMap"]);
    cluster.good("get cm settings -o jsonpath={.data.a}", "", &["first"]);
    cluster.good("get cm -o custom-columns=N:.metadata.name", "", &["settings"]);
    cluster.good("label cm settings tier=gold", "", &["labeled"]);
    cluster.good("get cm -l tier=gold -o name", "", &["configmap/settings"]);
    cluster.good("annotate cm settings note=x", "", &["annotated"]);
    cluster.good("edit cm settings", "", &["configmap/settings edited"]);
    cluster.good("get cm settings -o jsonpath={.data.a}", "", &["second"]);
    cluster.good("scale deploy web --replicas 3", "", &["scaled"]);
    cluster.good("wait --for=jsonpath={.spec.replicas}=3 deploy/web --timeout=60s", "", &["met"]);
    cluster.bad("diff -f -", APP, "-  replicas: 3");
    cluster.good("describe deploy web", "", &["3 desired"]);
    cluster.good("set image deploy/web a=a:2", "", &["image updated"]);
    cluster.good("create deployment other --image=b:1", "", &["created"]);
    cluster.good("explain deployment.spec.replicas", "", &["<integer>"]);
    cluster.good("api-resources", "", &["deployments", "deploy", "apps/v1"]);
    cluster.good("get apiservices", "", &["v1.apps", "v2.autoscaling", "Local", "True"]);
    cluster.good("get cs", "", &["Warning: v1 ComponentStatus is deprecated", "etcd-0", "Healthy"]);
    cluster.good("delete -f - --timeout=60s", APP, &["\"web\" deleted", "\"settings\" deleted"]);
    cluster.bad("get deploy web", "", "deployments.apps \"web\" not found");
}

#[test]
fn patches_of_every_type() {
    let cluster = Cluster::start();
    cluster.good("apply -f -", APP, &["created"]);
    let replicas = |wanted: &str| {
        cluster.good("get deploy web -o jsonpath={.spec.replicas}", "", &[wanted]);
    };
    cluster.good(r#"patch deploy web -p {"spec":{"replicas":4}}"#, "", &["patched"]);
    replicas("4");
    cluster.good(r#"patch deploy web --type=merge -p {"spec":{"replicas":5}}"#, "", &["patched"]);
    replicas("5");
    let json =
        r#"patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":6}]"#;
    cluster.good(json, "", &["patched"]);
    replicas("6");
    // The deployment's controller may write its status between what kubectl reads and what it is answered.
    let begun = std::time::Instant::now();
    while !cluster.good(json, "", &["patched"]).contains("patched (no change)") {
        assert!(begun.elapsed() < crate::world::PATIENCE, "each is a change");
    }
    let status =
        r#"patch deploy web --subresource=status --type=merge -p {"status":{"replicas":6}}"#;
    cluster.good(status, "", &["patched"]);
    cluster.bad("apply --server-side --field-manager=me -f -", APP, "conflict");
    cluster.good(
        "apply --server-side --field-manager=me --force-conflicts -f -",
        APP,
        &["applied"],
    );
    replicas("2");
}

#[test]
fn kinds_made_by_command_speak_protobuf() {
    let cluster = Cluster::start();
    for line in [
        "create ns team",
        "create cm c --from-literal=a=b",
        "create secret generic s --from-literal=k=v",
        "create sa robot",
        "create role r --verb=get --resource=pods",
        "create rolebinding rb --role=r --serviceaccount=default:robot",
        "create job j --image=a",
        "create cronjob cj --image=a --schedule=@hourly",
        "create quota q --hard=pods=3",
        "create pdb p --selector=app=d --min-available=1",
        "create priorityclass pc --value=10",
        "create service clusterip svc --tcp=80:80",
        "run pod --image=b:1",
    ] {
        cluster.good(line, "", &["created"]);
    }
    cluster.bad("create cm c", "", "already exists");
    cluster.bad("create cm c2 -n none", "", "namespaces \"none\" not found");
    cluster.good("get pods", "", &["pod", "Pending"]);
    cluster.good("delete ns team --timeout=60s", "", &["deleted"]);
    cluster.good("delete cm,secret --all --timeout=60s", "", &["\"c\" deleted", "\"s\" deleted"]);
}

#[test]
fn a_watch_prints_what_changes() {
    let cluster = Cluster::start();
    cluster.good("create cm c --from-literal=a=b", "", &["created"]);
    let mut command = Command::new(kubectl());
    command.arg("--kubeconfig").arg(&cluster.kubeconfig).arg("--cache-dir").arg(&cluster.cache);
    command.args(["get", "cm", "-w", "--output-watch-events", "--request-timeout=60s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("its output")));
    let mut until = |word: &str, name: &str| {
        let found = lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.starts_with(word) && line.contains(name));
        assert!(found, "no {word} of {name}");
    };
    until("ADDED", "c");
    cluster.good("create cm later --from-literal=a=b", "", &["created"]);
    until("ADDED", "later");
    cluster.good("label cm later k=v", "", &["labeled"]);
    until("MODIFIED", "later");
    cluster.good("delete cm later", "", &["deleted"]);
    until("DELETED", "later");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_certificate_that_kubectl_approved_opens_the_door() {
    let cluster = Cluster::start();
    let (request, key) = crate::certificates::pem("jane", "dev");
    let folder = tempfile::tempdir().expect("a folder");
    let (own, of_key) = (folder.path().join("jane.crt"), folder.path().join("jane.key"));
    std::fs::write(&of_key, key.serialize_pem()).expect("written");
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let object = serde_json::json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": { "name": "jane" },
        "spec": {
            "request": base64.encode(&request), "expirationSeconds": 86400,
            "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
        },
    });
    cluster.good("create -f -", &object.to_string(), &["created"]);
    cluster.good("get csr jane", "", &["Pending", "kubernetes-admin", "24h"]);
    cluster.good("certificate approve jane", "", &["approved"]);
    cluster.good("wait csr/jane --for=jsonpath={.status.certificate} --timeout=60s", "", &["met"]);
    cluster.good("get csr jane", "", &["Approved,Issued"]);
    let text = cluster.good("get csr jane -o jsonpath={.status.certificate}", "", &[]);
    std::fs::write(&own, base64.decode(text.trim()).expect("base64")).expect("written");
    let shown = format!("--client-certificate={} --client-key={}", own.display(), of_key.display());
    cluster.good(&format!("config set-credentials jane {shown}"), "", &["jane"]);
    cluster.good("auth whoami --user=jane", "", &["jane", "dev", "system:authenticated"]);
    cluster.bad("get secrets --user=jane", "", "User \"jane\" cannot list");
}

#[test]
fn a_secret_holds_an_accounts_token_as_long_as_it_is_there() {
    let cluster = Cluster::start();
    cluster.good("create sa robot", "", &["created"]);
    let secret = r#"
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: {name: robot-token, annotations: {kubernetes.io/service-account.name: robot}}
"#;
    cluster.good("apply -f -", secret, &["secret/robot-token created"]);
    let wait = "wait secret/robot-token --for=jsonpath={.data.token} --timeout=60s";
    cluster.good(wait, "", &["met"]);
    let told = cluster.good(
        "describe secret robot-token",
        "",
        &["service-account.uid:", "service-account-token", "ca.crt:", "namespace:  7 bytes"],
    );
    let line = told.lines().find_map(|line| line.strip_prefix("token:"));
    let token = line.expect("a token").trim().to_owned();
    cluster.good("describe sa robot", "", &["Tokens:", "robot-token"]);
    cluster.good(&format!("config set-credentials robot --token={token}"), "", &["robot"]);
    let name = "system:serviceaccount:default:robot";
    cluster.good("auth whoami --user=robot", "", &[name, "system:serviceaccounts:default"]);
    cluster.bad("get pods --user=robot", "", &format!("User \"{name}\" cannot list"));
    let label = r"get secret robot-token -o jsonpath={.metadata.labels.kubernetes\.io/legacy-token-last-used}";
    cluster.good(label, "", &["20"]);
    cluster.good("delete secret robot-token", "", &["deleted"]);
    cluster.bad("auth whoami --user=robot", "", "Unauthorized");
    // Another goes with its account, and takes the token with it.
    cluster.good("apply -f -", secret, &["created"]);
    cluster.good(wait, "", &["met"]);
    cluster.good("delete sa robot", "", &["deleted"]);
    cluster.good("wait secret/robot-token --for=delete --timeout=60s", "", &[]);
}
