//! The shop of the example, and single fields.

use super::*;
use crate::load::tests::{read_as, wishes};
use serde_json::Value;

const SHOP: &str = "services:
  web:
    image: nginx
    ports: ['8080:80']
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    environment: {A: 1}
    secrets: [{source: token, mode: 0400}]
    configs: [{source: conf, target: /etc/conf}]
    networks: {default: {aliases: [www]}}
    deploy: {replicas: 2, resources: {limits: {cpus: 0.5, memory: 64m}, reservations: {memory: 32m}}}
    user: '1000:1001'
    cap_drop: [ALL]
  db:
    image: postgres
    volumes: ['data:/var/lib']
    healthcheck: {test: pg_isready, interval: 5s, retries: 4}
    stop_grace_period: 30s
  migrate: {image: migrate, command: up, depends_on: {db: {condition: service_healthy}}}
volumes: {data: }
secrets: {token: {environment: TOKEN}}
configs: {conf: {content: hello}}
";

fn project() -> Project {
    let mut wishes = wishes();
    wishes.variables.insert("TOKEN".to_owned(), "hush".to_owned());
    read_as(&wishes, &[("compose.yaml", SHOP)]).expect("reads")
}

fn find<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let fits = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    all.iter().find(fits).unwrap_or_else(|| panic!("{kind} {name}"))
}

#[test]
fn a_shop_for_kubernetes() {
    let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let converted = kubernetes::convert(&project(), &read);
    let all = &converted.objects;
    let web = find(all, "Deployment", "web");
    let pod = &web["spec"]["template"]["spec"];
    assert_eq!(web["spec"]["replicas"], 2);
    assert_eq!(web["spec"]["strategy"]["type"], "Recreate");
    let inits: Vec<&str> = pod["initContainers"]
        .as_array()
        .expect("waits")
        .iter()
        .filter_map(|init| init["name"].as_str())
        .collect();
    assert_eq!(inits, ["wait-for-db", "migrate"]);
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], "500m");
    assert_eq!(container["resources"]["requests"]["memory"], "33554432");
    assert_eq!(container["securityContext"]["runAsUser"], 1000);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert_eq!(container["env"][0]["value"], "1");
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/run/secrets/token");
    assert_eq!(container["volumeMounts"][1]["mountPath"], "/etc/conf");
    assert_eq!(pod["volumes"][0]["secret"]["defaultMode"], 0o400);
    let db = find(all, "StatefulSet", "db");
    let db_pod = &db["spec"]["template"]["spec"];
    let probe = &db_pod["containers"][0]["readinessProbe"];
    assert_eq!(probe["exec"]["command"][2], "pg_isready");
    assert_eq!(
        (probe["periodSeconds"].as_i64(), probe["failureThreshold"].as_i64()),
        (Some(5), Some(4))
    );
    assert_eq!(db_pod["terminationGracePeriodSeconds"], 30);
    assert_eq!(db_pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "data");
    assert_eq!(find(all, "Service", "web")["spec"]["clusterIP"], "None");
    assert_eq!(find(all, "Service", "www")["spec"]["selector"]["app"], "web");
    assert_eq!(find(all, "Service", "web-published")["spec"]["ports"][0]["port"], 8080);
    assert_eq!(find(all, "Secret", "token")["stringData"]["token"], "hush");
    assert_eq!(find(all, "ConfigMap", "conf")["data"]["conf"], "hello");
    assert_eq!(
        find(all, "PersistentVolumeClaim", "data")["spec"]["accessModes"][0],
        "ReadWriteOnce"
    );
    assert!(!all.iter().any(|object| object["metadata"]["name"] == "migrate"));
    assert!(converted.warnings.iter().any(|warning| warning.contains("service migrate")));
}

#[test]
fn a_shop_for_ecs() {
    let converted = ecs::convert(&project());
    let task = &converted.objects[0];
    assert_eq!(task["family"], "p");
    let container = |name: &str| {
        let all = task["containerDefinitions"].as_array().expect("containers");
        all.iter().find(|container| container["name"] == name).expect("there").clone()
    };
    let web = container("web");
    assert_eq!((web["cpu"].as_i64(), web["memory"].as_i64()), (Some(512), Some(64)));
    assert_eq!(web["dependsOn"][0]["condition"], "HEALTHY");
    assert_eq!(web["dependsOn"][1]["condition"], "SUCCESS");
    assert_eq!(web["portMappings"][0]["hostPort"], 8080);
    assert_eq!(web["secrets"][0]["valueFrom"], "p_token");
    assert_eq!(container("migrate")["essential"], false);
    assert_eq!(container("db")["healthCheck"]["command"][0], "CMD");
    assert_eq!(container("db")["mountPoints"][0]["sourceVolume"], "data");
    assert!(!task.to_string().contains("hush"), "no secret's value");
}

#[test]
fn names_that_others_do_not_take() {
    let file = "services:\n  1st_web:\n    image: a\n    labels: {'good/x': '1', 'two words': '2'}\n\
                \x20   depends_on: {Data.Base: {condition: service_started}}\n  \
                Data.Base: {image: b, volumes: ['V.1:/d']}\nvolumes: {V.1: }\n";
    let project = read_as(&wishes(), &[("compose.yaml", file)]).expect("reads");
    let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let there = kubernetes::convert(&project, &read);
    let web = find(&there.objects, "Deployment", "s-1st-web");
    let template = &web["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"], serde_json::json!({ "good/x": "1" }));
    assert_eq!(template["spec"]["initContainers"][0]["name"], "wait-for-data-base");
    find(&there.objects, "Service", "data-base");
    let told = |text: &str| there.warnings.iter().any(|warning| warning.contains(text));
    assert!(told("its name is s-1st-web there") && told("two words"), "{:?}", there.warnings);

    let task = ecs::convert(&project).objects.remove(0);
    let db = task["containerDefinitions"].as_array().expect("a list").iter();
    let db = db.filter(|c| c["name"] == "Data-Base").collect::<Vec<_>>()[0].clone();
    assert_eq!(db["mountPoints"][0]["sourceVolume"], "V-1");
    assert_eq!(task["volumes"][0]["name"], "V-1");
}
