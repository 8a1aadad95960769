//! Collects what fields mean in words, for `kubectl explain`.
//!
//! The words are those of the crate `k8s-openapi` (Apache-2.0), which is needed only here, so none of
//! them is in this repository and none of the crate's code is in the product. They come out in the
//! order of the table, gzipped: `type words, words of its first field, …`, separated by 0x1f, types by
//! 0x1e.

use flate2::{Compression, write::GzEncoder};
use k8s_openapi::{api, apiextensions_apiserver, apimachinery, kube_aggregator};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::Path;

const TABLE: &str = "src/types/table.txt";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={TABLE}");
    let mut generator = SchemaSettings::draft07().into_generator();
    roots(&mut generator);
    let definitions = generator.take_definitions(true);
    let table = std::fs::read_to_string(TABLE)?;
    let out = std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    let file = std::fs::File::create(Path::new(&out).join("words.gz"))?;
    let mut file = GzEncoder::new(file, Compression::best());
    file.write_all(words(&table, &definitions).as_bytes())?;
    file.finish()?;
    Ok(())
}

fn words(table: &str, definitions: &Map<String, Value>) -> String {
    let mut out = String::new();
    for text in table.split("\n= ").skip(1) {
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        let name = head.split(' ').next().unwrap_or(head);
        let definition = definitions.get(name);
        out.push_str(description(definition));
        for line in body.lines() {
            let field = line.split(' ').next().unwrap_or(line);
            out.push('\x1f');
            out.push_str(description(
                definition.and_then(|definition| definition.get("properties")?.get(field)),
            ));
        }
        out.push('\x1e');
    }
    out
}

fn description(schema: Option<&Value>) -> &str {
    schema.and_then(|schema| schema.get("description")?.as_str()).unwrap_or_default()
}

macro_rules! collect {
    ($generator:expr, $($module:path: $($kind:ident)+;)+) => {
        $({
            use $module as module;
            $($generator.subschema_for::<module::$kind>();)+
        })+
    };
}

/// The types from which all others are reached.
fn roots(generator: &mut SchemaGenerator) {
    collect! { generator,
        api::core::v1: Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node
            PersistentVolume PersistentVolumeClaim Pod PodTemplate ReplicationController
            ResourceQuota Secret Service ServiceAccount;
        api::apps::v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
        api::events::v1: Event;
        api::authentication::v1: SelfSubjectReview TokenRequest TokenReview;
        api::authorization::v1: LocalSubjectAccessReview SelfSubjectAccessReview
            SelfSubjectRulesReview SubjectAccessReview;
        api::autoscaling::v1: HorizontalPodAutoscaler Scale;
        api::autoscaling::v2: HorizontalPodAutoscaler;
        api::batch::v1: CronJob Job;
        api::certificates::v1: CertificateSigningRequest ClusterTrustBundle PodCertificateRequest;
        api::networking::v1: IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR;
        api::policy::v1: Eviction PodDisruptionBudget;
        api::rbac::v1: ClusterRole ClusterRoleBinding Role RoleBinding;
        api::storage::v1: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment
            VolumeAttributesClass;
        api::admissionregistration::v1: MutatingAdmissionPolicy MutatingAdmissionPolicyBinding
            MutatingWebhookConfiguration ValidatingAdmissionPolicy
            ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration;
        api::scheduling::v1: PriorityClass;
        api::coordination::v1: Lease;
        api::node::v1: RuntimeClass;
        api::discovery::v1: EndpointSlice;
        api::flowcontrol::v1: FlowSchema PriorityLevelConfiguration;
        api::resource::v1: DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate
            ResourceSlice;
        api::storagemigration::v1: StorageVersionMigration;
        apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition;
        kube_aggregator::pkg::apis::apiregistration::v1: APIService;
        apimachinery::pkg::apis::meta::v1: APIGroupList APIResourceList APIVersions DeleteOptions
            ListMeta Status;
    }
}
