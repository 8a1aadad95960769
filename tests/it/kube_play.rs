//! `teu kube play`, `down` and `generate`. Issue 4 part 3.

use crate::world::World;
use std::time::{Duration, Instant};

/// Waits, bounded, for something that another process does.
#[track_caller]
fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !check() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn play(world: &World, yaml: &str) -> String {
    world.file("play.yaml", yaml).to_str().expect("a plain path").to_owned()
}

const SHOP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: debug, index.html: "from a config map\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: s3cret}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: shop, labels: {app: shop}}
spec:
  hostAliases: [{ip: 10.1.2.3, hostnames: [elsewhere]}]
  volumes:
  - {name: conf, configMap: {name: settings}}
  - {name: key, secret: {secretName: keys, defaultMode: 0440}}
  - {name: scratch, emptyDir: {}}
  - {name: data, persistentVolumeClaim: {claimName: kept}}
  initContainers:
  - name: prepare
    image: busybox
    command: [sh, -c, "echo made by init >/scratch/init.txt; echo kept >/data/file"]
    volumeMounts: [{name: scratch, mountPath: /scratch}, {name: data, mountPath: /data}]
  containers:
  - name: web
    image: busybox
    command: [httpd, -f, -p, "80", -h, /www]
    ports: [{containerPort: 80, hostPort: 0, name: http}]
    livenessProbe: {httpGet: {path: /index.html, port: http}, periodSeconds: 1, timeoutSeconds: 60}
    volumeMounts: [{name: conf, mountPath: /www}]
  - name: side
    image: busybox
    command: [sh, -c, "cat /scratch/init.txt /key/token; echo; echo $(LEVEL) $(ME); exec sleep 1000"]
    envFrom: [{configMapRef: {name: settings}}]
    env: [{name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    securityContext: {runAsUser: 33, readOnlyRootFilesystem: true}
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
    - {name: key, mountPath: /key/token, subPath: token}
"#;

#[test]
fn a_pod_is_played_taken_down_and_played_again() {
    let world = World::busybox();
    // Readable by the container's user: the secret's file is root's, with its group.
    let file = play(&world, &SHOP.replace("0440", "0444"));
    let said = world.teu(["kube", "play", &file]).ok();
    assert!(said.starts_with("Pod:\n") && said.contains("Containers:\n"), "{said}");
    let logs = || world.line("logs shop-side").out;
    eventually("the side container has said it all", || logs().contains("debug shop"));
    assert_eq!(logs(), "made by init\ns3cret\ndebug shop\n");
    let page = "exec shop-side wget -q -O - http://127.0.0.1/index.html";
    eventually("the pod's page is served", || world.line(page).out == "from a config map\n");
    eventually("the probe has found it healthy", || {
        let health = ["inspect", "--format", "{{.State.Health.Status}}", "shop-web"];
        world.teu(health).out == "healthy\n"
    });
    assert_eq!(world.line("exec shop-side id -u").ok(), "33");
    assert_ne!(world.line("exec shop-side touch /x").code, 0);
    assert!(world.line("exec shop-side cat /etc/hosts").ok().contains("10.1.2.3"));
    // The init container has done its work and is gone.
    assert_eq!(world.teu(["ps", "-aq"]).ok().lines().count(), 2);

    let taken = world.teu(["kube", "play", &file]);
    assert!(taken.code != 0 && taken.err.contains("already in use"), "{taken:?}");
    world.teu(["kube", "play", "--replace", &file]).ok();
    eventually("it runs anew", || logs().contains("debug shop"));

    let down = world.teu(["kube", "down", &file]).ok();
    assert!(down.starts_with("Pods removed:\n"), "{down}");
    assert_eq!(world.line("ps -aq").ok(), "");
    assert_eq!(world.line("volume ls -q").ok(), "kept", "claims are data");
    let left = std::fs::read_dir(world.root().join("kube")).expect("made above").count();
    assert_eq!(left, 0, "files of config maps go with the pod");
    world.teu(["kube", "down", "--force", &file]).ok();
    assert_eq!(world.line("volume ls -q").ok(), "");
}

#[test]
fn what_is_generated_plays_to_the_same() {
    let world = World::busybox();
    world.line("pod create --name made --hostname inn").ok();
    let run =
        ["run", "-d", "--pod", "made", "--name", "made-one", "-e", "COST=5$", "-v", "kept:/d"];
    let more = ["-u", "7", "-m", "64m", "--cap-drop", "ALL", "busybox"];
    let words = ["sh", "-c", "echo $COST $$(X) >/tmp/said; exec sleep 1000"];
    world.teu(run.into_iter().chain(more).chain(words)).ok();
    let first = world.line("kube generate made").ok();
    let file = play(&world, &first);
    world.teu(["kube", "play", "--replace", &file]).ok();
    let second = world.line("kube generate made").ok();
    // A played pod is started again as Kubernetes does by default only if it says so.
    assert_eq!(second, first);
    let facts = ["inspect", "--format", "{{.Config.Cmd}} {{.Config.User}} {{.HostConfig.Memory}}"];
    let facts = world.teu(facts.into_iter().chain(["made-one"])).ok();
    assert!(facts.contains("echo $COST $$(X)") && facts.ends_with(" 7 67108864"), "{facts}");
    world.teu(["kube", "down", &file]).ok();
}

#[test]
fn files_of_config_maps_and_secrets_come_along() {
    let world = World::busybox();
    let yaml = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {one: "1\n", two: "2\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: files}
spec:
  terminationGracePeriodSeconds: 0
  volumes:
  - {name: conf, configMap: {name: settings, items: [{key: one, path: a/b, mode: 0640}, {key: two, path: c}]}}
  - {name: key, secret: {secretName: keys, defaultMode: 0444}}
  containers:
  - name: c
    image: busybox
    command: [sleep, "1000"]
    volumeMounts: [{name: conf, mountPath: /conf}, {name: key, mountPath: /key/token, subPath: token}]
"#;
    let file = play(&world, yaml);
    let show = "cd /conf; stat -c '%a %n' a/b c; cat a/b c /key/token";
    let shown = || world.teu(["exec", "files-c", "sh", "-c", show]).ok();
    world.teu(["kube", "play", &file]).ok();
    let before = shown();
    assert_eq!(before, "640 a/b\n644 c\n1\n2\ns3cret");
    let first = world.line("kube generate files").ok();
    assert!(!first.contains("hostPath"), "their folder goes with the pod: {first}");
    let file = play(&world, &first);
    world.teu(["kube", "play", "--replace", &file]).ok();
    assert_eq!(shown(), before);
    assert_eq!(world.line("kube generate files").ok(), first);
    world.teu(["kube", "down", &file]).ok();
}

#[test]
fn replicas_find_each_other_and_the_unhealthy_are_started_again() {
    let world = World::busybox();
    let yaml = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: twins}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: twins}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: busybox
        command: [sh, -c, "rm -f /sick; exec sleep 1000"]
        livenessProbe: {exec: {command: [test, "!", -e, /sick]}, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 60}
"#;
    let file = play(&world, yaml);
    world.teu(["kube", "play", &file]).ok();
    eventually("one finds the other by its name", || {
        world.line("exec twins-pod-0-c nslookup twins-pod-1").code == 0
    });
    world.line("exec twins-pod-0-c touch /sick").ok();
    eventually("the one that is not well is started again", || {
        let count = ["inspect", "--format", "{{.RestartCount}}", "twins-pod-0-c"];
        world.teu(count).out.trim().parse::<u32>().is_ok_and(|count| count >= 1)
    });
    let other = ["inspect", "--format", "{{.RestartCount}}", "twins-pod-1-c"];
    assert_eq!(world.teu(other).ok(), "0");
    world.teu(["kube", "down", &file]).ok();
}

#[test]
fn mistakes_and_failures_leave_nothing() {
    let world = World::busybox();
    let pod = |more: &str| {
        let yaml = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: bad}}\nspec:\n  restartPolicy: Never\n{more}"
        );
        let file = play(&world, &yaml);
        world.teu(["kube", "play", &file])
    };
    let wrong = pod("  containers:\n  - {name: c, image: busybox, imagePulPolicy: Never}\n");
    assert!(wrong.err.contains("play.yaml:7:"), "{wrong:?}");
    assert!(wrong.err.contains("spec.containers[0].imagePulPolicy: there is no such field"));
    let failing = "  initContainers:\n  - {name: i, image: busybox, command: [sh, -c, 'echo because; exit 3']}\n  containers:\n  - {name: c, image: busybox}\n";
    let failed = pod(failing);
    assert!(failed.err.contains("init container bad-i ended with code 3"), "{failed:?}");
    assert!(failed.err.contains("because"), "{failed:?}");
    let missing = "  volumes: [{name: v, hostPath: {path: /no/such/place, type: Directory}}]\n  containers:\n  - {name: c, image: busybox, volumeMounts: [{name: v, mountPath: /v}]}\n";
    let refused = pod(missing);
    assert!(refused.err.contains("/no/such/place"), "{refused:?}");
    assert_eq!(world.line("pod ps -q").ok(), "");
    assert_eq!(world.line("ps -aq").ok(), "");
}
