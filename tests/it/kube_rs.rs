//! kube-rs, its runtime and its derive macro against `teu server`. Issue 5, must show 2.

mod custom;
mod runtime;
mod typed;

use crate::conformance::Server;
use futures_util::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

/// Anything that should happen has happened by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a step works with: a client, and a namespace of its own.
struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    async fn new(client: Client) -> Self {
        let metadata =
            ObjectMeta { generate_name: Some("kube-rs-".to_owned()), ..ObjectMeta::default() };
        let wanted = Namespace { metadata, ..Namespace::default() };
        let made = Api::all(client.clone()).create(&PostParams::default(), &wanted).await;
        Self { client, namespace: made.expect("a namespace").name_any() }
    }

    /// Objects of a kind in the step's namespace.
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Waits, bounded, until `$is` is so; it may wait itself.
macro_rules! eventually {
    ($what:expr, $is:expr) => {{
        let begun = std::time::Instant::now();
        while !$is {
            assert!(begun.elapsed() < $crate::kube_rs::PATIENCE, "never happened: {}", $what);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }};
}
use eventually;

/// The API's status in an error, which has to be one.
#[track_caller]
fn status<T: std::fmt::Debug>(answer: kube::Result<T>) -> kube::core::Status {
    match answer {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("not refused by the API: {other:?}"),
    }
}

/// Where this binary finds the server's kubeconfig when it runs in the server's network.
const KUBECONFIG: &str = "TEU_TEST_KUBE_RS";

/// The server is in a network of its own: this binary enters it as another process, and runs this test there.
#[test]
fn kube_rs() {
    if let Some(kubeconfig) = std::env::var_os(KUBECONFIG) {
        steps(Path::new(&kubeconfig));
        println!("all is well");
        return;
    }
    let server = Server::start();
    let output = server
        .command(std::env::current_exe().expect("this test's path"))
        .args(["--exact", "kube_rs::kube_rs", "--nocapture"])
        .env(KUBECONFIG, &server.kubeconfig)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let warned = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("all is well"), "{said}\n{warned}");
}

fn steps(kubeconfig: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a config");
        let client = Client::try_from(config).expect("a client");
        let mut failed = 0;
        macro_rules! step {
            ($step:path) => {
                let cluster = Cluster::new(client.clone()).await;
                let namespace = cluster.namespace.clone();
                let run = AssertUnwindSafe($step(cluster)).catch_unwind();
                let ended = tokio::time::timeout(2 * PATIENCE, run).await;
                let passed = matches!(ended, Ok(Ok(())));
                failed += usize::from(!passed);
                println!("{} {}", if passed { "pass" } else { "FAIL" }, stringify!($step));
                let all: Api<Namespace> = Api::all(client.clone());
                all.delete(&namespace, &DeleteParams::default()).await.expect("the namespace goes");
            };
        }
        step!(typed::life);
        step!(typed::errors);
        step!(typed::pages_and_metadata);
        step!(typed::applies);
        step!(typed::subresources);
        step!(typed::discovery);
        step!(runtime::watches);
        step!(runtime::reflectors);
        step!(runtime::streamed_lists);
        step!(runtime::leases);
        step!(runtime::events);
        step!(custom::controller);
        assert_eq!(failed, 0, "of the steps above");
    });
}
