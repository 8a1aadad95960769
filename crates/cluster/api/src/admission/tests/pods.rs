//! Pod security, in the real server's words.

use crate::admission::security::{
    Level, Standard, Standards, is_significant, label_faults, violation,
};
use serde_json::{Value, json};

fn violates(level: Level, spec: Value) -> Option<String> {
    let standard = Standard { level, version: "latest".to_owned() };
    violation(&standard, &json!({}), &spec)
}

fn good() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
    })
}

#[test]
fn baseline() {
    let check = |spec: Value, expected: &str| {
        let expected = (!expected.is_empty())
            .then(|| format!("violates PodSecurity \"baseline:latest\": {expected}"));
        assert_eq!(violates(Level::Baseline, spec), expected);
    };
    let one = |context: Value| json!({"containers": [{"name": "a", "securityContext": context}]});
    check(one(json!({})), "");
    check(good(), "");
    check(
        json!({"hostNetwork": true, "hostPID": true, "containers": []}),
        "host namespaces (hostNetwork=true, hostPID=true)",
    );
    check(
        one(json!({"privileged": true})),
        "privileged (container \"a\" must not set securityContext.privileged=true)",
    );
    check(
        json!({"initContainers": [{"name": "i", "securityContext": {"privileged": true}}], "containers": [{"name": "a", "securityContext": {"privileged": true}}]}),
        "privileged (containers \"i\", \"a\" must not set securityContext.privileged=true)",
    );
    check(
        one(json!({"capabilities": {"add": ["NET_ADMIN", "CHOWN", "BPF"]}})),
        "non-default capabilities (container \"a\" must not include \"BPF\", \"NET_ADMIN\" in securityContext.capabilities.add)",
    );
    check(
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}], "containers": []}),
        "hostPath volumes (volume \"v\")",
    );
    check(
        json!({"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 443}]}]}),
        "hostPort (container \"a\" uses hostPorts 443, 80)",
    );
    check(
        one(json!({"procMount": "Unmasked"})),
        "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
    );
    check(
        one(json!({"seLinuxOptions": {"type": "x", "user": "u"}})),
        "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type \"x\"; user may not be set)",
    );
    check(
        json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}, "containers": []}),
        "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
    );
    check(
        json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_syncookies"}]}, "containers": []}),
        "forbidden sysctls (kernel.msgmax)",
    );
    check(
        one(json!({"windowsOptions": {"hostProcess": true}})),
        "hostProcess (container \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
    );
    check(
        one(json!({"appArmorProfile": {"type": "Unconfined"}})),
        "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
    );
}

#[test]
fn restricted() {
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut spec = good();
        change(&mut spec);
        let expected = (!expected.is_empty())
            .then(|| format!("violates PodSecurity \"restricted:latest\": {expected}"));
        assert_eq!(violates(Level::Restricted, spec), expected);
    };
    check(&|_| {}, "");
    let plain = json!({"containers": [{"name": "nginx"}]});
    assert_eq!(
        violates(Level::Restricted, plain.clone()).as_deref(),
        Some(
            "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"nginx\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"nginx\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"nginx\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"nginx\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        )
    );
    assert_eq!(violates(Level::Privileged, plain), None);
    check(
        &|it| {
            it["containers"][0]["securityContext"]["capabilities"]["add"] =
                json!(["NET_BIND_SERVICE"])
        },
        "",
    );
    check(
        &|it| it["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["CHOWN"]),
        "unrestricted capabilities (container \"a\" must not include \"CHOWN\" in securityContext.capabilities.add)",
    );
    check(
        &|it| it["volumes"] = json!([{"name": "v", "hostPath": {}}, {"name": "w", "nfs": {}}, {"name": "x", "secret": {}}]),
        "restricted volume types (volumes \"v\", \"w\" use restricted volume types \"hostPath\", \"nfs\")",
    );
    check(
        &|it| it["containers"][0]["securityContext"]["runAsNonRoot"] = json!(false),
        "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false)",
    );
    check(
        &|it| it["securityContext"]["runAsUser"] = json!(0),
        "runAsUser=0 (pod must not set runAsUser=0)",
    );
    check(&|it| it["hostPID"] = json!(true), "host namespaces (hostPID=true)");
}

#[test]
fn namespaces_and_updates() {
    let labelled = |labels: Value| json!({"metadata": {"labels": labels}});
    let standards = Standards::of(&labelled(
        json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.30", "pod-security.kubernetes.io/warn": "restricted"}),
    ));
    assert_eq!(standards.enforce, Standard { level: Level::Baseline, version: "v1.30".to_owned() });
    assert_eq!(
        (standards.warn.level, standards.audit.level),
        (Level::Restricted, Level::Privileged)
    );
    let wrong = labelled(
        json!({"pod-security.kubernetes.io/enforce": "frob", "pod-security.kubernetes.io/warn-version": "2"}),
    );
    assert_eq!(Standards::of(&wrong).enforce.level, Level::Restricted);
    assert_eq!(label_faults(&wrong).len(), 2);
    assert!(label_faults(&labelled(json!({"a": "b"}))).is_empty());
    let old = json!({"metadata": {}, "spec": good()});
    let mut new = old.clone();
    new["spec"]["containers"][0]["image"] = json!("y");
    new["metadata"]["labels"] = json!({"a": "b"});
    assert!(!is_significant(&new, &old));
    new["spec"]["hostNetwork"] = json!(true);
    assert!(is_significant(&new, &old));
}
