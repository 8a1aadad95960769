//! Pods as they are written, against what is asked of the neck.

use super::*;
use crate::generate::{self, Running};
use teu_compose::yaml::parse;
use teu_containers::record::MountKind;

const PLAY: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: debug, app.conf: "x=1\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
data: {token: c2VjcmV0}
---
apiVersion: v1
kind: Pod
metadata:
  name: shop
  labels: {app: shop}
spec:
  restartPolicy: OnFailure
  hostAliases: [{ip: 10.1.2.3, hostnames: [one, two]}]
  volumes:
  - {name: conf, configMap: {name: settings, items: [{key: app.conf, path: a/app.conf, mode: 0400}]}}
  - {name: scratch, emptyDir: {}}
  - {name: data, persistentVolumeClaim: {claimName: kept}}
  containers:
  - name: web
    image: busybox
    command: [sh, -c]
    args: ["echo $(GREETING) $$(GREETING) $(NONE)"]
    envFrom: [{prefix: S_, configMapRef: {name: settings}}]
    env:
    - {name: WHO, value: world}
    - {name: GREETING, value: hello $(WHO)}
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    ports: [{containerPort: 80, hostPort: 8080, name: http}]
    resources: {limits: {memory: 64Mi, cpu: 500m}, requests: {cpu: "1"}}
    livenessProbe: {httpGet: {path: /up, port: http}, periodSeconds: 5, initialDelaySeconds: 2}
    securityContext: {runAsUser: 7, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    volumeMounts:
    - {name: conf, mountPath: /etc/app}
    - {name: scratch, mountPath: /tmp, subPath: sub}
    - {name: data, mountPath: /data, readOnly: true}
"#;

fn manifest(text: &str) -> Result<Manifest> {
    let mut manifest = Manifest::default();
    manifest.add(&parse("play.yaml", text.as_bytes()).unwrap())?;
    Ok(manifest)
}

fn plan(text: &str) -> Result<PodPlan> {
    let manifest = manifest(text)?;
    PodPlan::new(&manifest.pods[0], &manifest, &Choices::default())
}

#[test]
fn a_pod_becomes_what_the_neck_is_asked_for() {
    let plan = plan(PLAY).unwrap();
    let web = &plan.containers[0];
    assert_eq!(web.name, "shop-web");
    assert_eq!(web.entrypoint.as_deref().unwrap(), ["sh", "-c"]);
    assert_eq!(web.record.command, ["echo hello world $(GREETING) $(NONE)"]);
    let env = &web.record.env;
    for pair in ["S_LEVEL=debug", "TOKEN=secret", "POD=shop", "APP=shop", "MEM=64"] {
        assert!(env.iter().any(|other| other == pair), "{pair} in {env:?}");
    }
    assert_eq!(plan.record.network.extra_hosts, ["one:10.1.2.3", "two:10.1.2.3"]);
    assert_eq!(plan.record.network.ports[0].host_port, 8080);
    assert_eq!(web.record.restart, RestartPolicy::OnFailure { max_retries: 0 });
    let memory = web.record.resources.memory.as_ref().unwrap();
    assert_eq!(memory.limit, Some(64 << 20));
    let cpu = web.record.resources.cpu.as_ref().unwrap();
    assert_eq!((cpu.quota, cpu.period, cpu.shares), (Some(50_000), Some(100_000), Some(1024)));
    assert_eq!(web.record.user, "7");
    assert_eq!(web.record.security.cap_drop, ["ALL"]);
    assert_eq!(web.record.security.cap_add, ["CAP_NET_BIND_SERVICE"]);
    let check = web.record.healthcheck.as_ref().unwrap();
    let expected = ["CMD", "/sbin/docker-init", "--probe", "http", "127.0.0.1", "80", "/up"];
    assert_eq!(check.test, expected);
    assert!(web.record.kill_unhealthy);
    let files =
        Volume::Files(FileSet { files: vec![("a/app.conf".to_owned(), b"x=1\n".to_vec(), 0o400)] });
    assert_eq!(plan.volumes["conf"], files);
    assert!(web.mounts[0].readonly && web.mounts[2].readonly);
    assert_eq!(web.mounts[1].subpath.as_deref(), Some("sub"));
}

#[test]
fn mistakes_are_told_with_file_line_and_field() {
    let pod = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    image: i\n{spec}"
        )
    };
    let cases = [
        (pod("    imge: x\n"), "play.yaml:8:5: spec.containers[0].imge: there is no such field"),
        (pod("    tty: 1\n"), "spec.containers[0].tty: must be true or false, not a number"),
        (
            pod("    env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n"),
            "env[0].valueFrom.secretKeyRef.name: there is no secret \"s\"",
        ),
        (
            pod("    volumeMounts: [{name: v, mountPath: /v}]\n"),
            "volumeMounts[0].name: the pod has no volume \"v\"",
        ),
        (
            pod("    resources: {limits: {memory: lots}}\n"),
            "resources.limits.memory: \"lots\" is no quantity",
        ),
        (
            pod("    livenessProbe: {tcpSocket: {port: web}}\n"),
            "livenessProbe.tcpSocket.port: the container has no port \"web\"",
        ),
        ("kind: Pod\nspec: {}\n".to_owned(), "document: apiVersion is missing"),
        (
            "apiVersion: v1\nkind: Ingress\nmetadata: {name: x}\n".to_owned(),
            "play.yaml:2:1: kind: Ingress cannot be played",
        ),
        (
            "apiVersion: apps/v1\nkind: Pod\nmetadata: {name: x}\n".to_owned(),
            "apiVersion: Pod is in v1, not in apps/v1",
        ),
    ];
    for (text, expected) in cases {
        let error = plan(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nshould contain\n{expected}");
    }
}

#[test]
fn a_deployment_is_as_many_pods() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers: [{name: c, image: i}]\n";
    let names = |text: &str| -> Vec<String> {
        manifest(text).unwrap().pods.into_iter().map(|pod| pod.name).collect()
    };
    assert_eq!(names(text), ["d-pod-0", "d-pod-1", "d-pod-2"]);
    assert_eq!(names(&text.replace("replicas: 3", "replicas: 1")), ["d-pod"]);
    let plan = plan(text).unwrap();
    assert_eq!(plan.containers[0].name, "d-pod-0-c");
}

#[test]
fn what_is_generated_plays_to_the_same() {
    let first = plan(PLAY).unwrap();
    let running = |plan: &PodPlan| -> Vec<Running> {
        plan.containers
            .iter()
            .map(|container| {
                let mut record = container.record.clone();
                record.name.clone_from(&container.name);
                record.image.clone_from(&container.image);
                record.entrypoint = container.entrypoint.clone().unwrap_or_default();
                for mount in &container.mounts {
                    let kind = match &plan.volumes[&mount.volume] {
                        Volume::Claim { name, .. } => MountKind::Volume {
                            name: name.clone(),
                            anonymous: false,
                            nocopy: false,
                            subpath: mount.subpath.clone(),
                        },
                        _ => MountKind::Bind { source: "/srv".to_owned(), recursive: true },
                    };
                    record.mounts.push(teu_containers::record::MountRecord {
                        destination: mount.destination.clone(),
                        kind,
                        readonly: mount.readonly,
                        propagation: Default::default(),
                    });
                }
                Running {
                    record,
                    image_env: Vec::new(),
                    image_entrypoint: Vec::new(),
                    image_command: Vec::new(),
                    image_working_dir: String::new(),
                    image_user: String::new(),
                    image_healthcheck: None,
                }
            })
            .collect()
    };
    let (text, warnings) =
        generate::pod("shop", &first.record, &running(&first), &generate::Played::default());
    assert_eq!(warnings, Vec::<String>::new());
    let second = plan(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(second.record, first.record, "{text}");
    let (one, other) = (&first.containers[0], &second.containers[0]);
    assert_eq!(other.record, one.record, "{text}");
    assert_eq!((&other.name, &other.entrypoint), (&one.name, &one.entrypoint));
    assert!(text.contains("claimName: kept"), "{text}");
}
