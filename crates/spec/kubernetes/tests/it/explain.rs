//! `kubectl explain` and `kubectl api-resources`.

use crate::serve::serve;
use serde_json::json;
use std::process::{Command, Output};
use std::sync::Arc;
use teu_kubernetes::openapi::Owned;
use teu_kubernetes::resource::{find, resources};

fn all() -> Vec<Owned> {
    let mut custom = find("apps", "v1", "replicasets").expect("built in").clone();
    custom.group = "shop.example.com".into();
    custom.kind = "Widget".into();
    custom.list_kind = "WidgetList".into();
    custom.plural = "widgets".into();
    custom.singular = "widget".into();
    custom.short = vec!["wd".into()];
    custom.type_name = "".into();
    custom.subresources.clear();
    let schema = json!({
        "type": "object",
        "description": "A widget of the shop.",
        "properties": { "spec": { "type": "object", "properties": {
            "size": { "type": "integer", "description": "How large it is." },
        } } },
    });
    let built_in = resources().iter().map(|resource| (Arc::new(resource.clone()), None));
    built_in.chain([(Arc::new(custom), Some(Arc::new(schema)))]).collect()
}

struct Kubectl {
    server: String,
    cache: tempfile::TempDir,
}

impl Kubectl {
    /// None where there is no kubectl.
    fn new() -> Option<Self> {
        let known = Command::new("kubectl").args(["version", "--client"]).output();
        if !known.is_ok_and(|output| output.status.success()) {
            #[expect(clippy::print_stderr, reason = "a test that is not run says so")]
            {
                eprintln!("no kubectl here: not tried");
            }
            return None;
        }
        let server = format!("http://{}", serve(all()));
        Some(Self { server, cache: tempfile::tempdir().expect("a folder") })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("kubectl")
            .args(["--kubeconfig", "/dev/null", "--server", &self.server])
            .arg("--cache-dir")
            .arg(self.cache.path())
            .args(arguments)
            .output()
            .expect("kubectl runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert!(errors.is_empty(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }
}

#[test]
fn every_resource_is_explained() {
    let Some(kubectl) = Kubectl::new() else { return };
    for (resource, _) in all() {
        let of = resource.api_version();
        let text = kubectl.ok(&["explain", "--recursive", &resource.plural, "--api-version", &of]);
        assert!(text.contains(&format!("KIND:       {}", resource.kind)), "{text}");
        assert!(text.contains("FIELDS:") && text.contains("metadata\t<ObjectMeta>"), "{text}");
    }
}

#[test]
fn words_come_with_fields() {
    let Some(kubectl) = Kubectl::new() else { return };
    let text = kubectl.ok(&["explain", "pods.spec.containers.livenessProbe.httpGet.port"]);
    assert!(text.contains("FIELD: port <IntOrString>") && text.contains("DESCRIPTION:"), "{text}");
    let text = kubectl.ok(&["explain", "widgets.spec.size"]);
    assert!(text.contains("How large it is."), "{text}");
    let text = kubectl.ok(&["explain", "wd", "--output", "plaintext-openapiv2"]);
    assert!(text.contains("A widget of the shop."), "{text}");
    let text = kubectl.ok(&["explain", "deploy.spec.strategy", "--output", "plaintext-openapiv2"]);
    assert!(text.contains("rollingUpdate"), "{text}");
}

#[test]
fn resources_are_listed() {
    let Some(kubectl) = Kubectl::new() else { return };
    let text = kubectl.ok(&["api-resources", "--no-headers"]);
    let listed = |plural: &str, rest: &[&str]| {
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(plural) && rest.iter().all(|word| line.contains(word))
        })
    };
    assert!(listed("deployments", &["deploy", "apps/v1", "true", "Deployment"]), "{text}");
    assert!(listed("horizontalpodautoscalers", &["hpa", "autoscaling/v2"]), "{text}");
    assert!(listed("widgets", &["wd", "shop.example.com/v1", "Widget"]), "{text}");
    assert!(listed("nodes", &["no", "v1", "false", "Node"]), "{text}");
}
