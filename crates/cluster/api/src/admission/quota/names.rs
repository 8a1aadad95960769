//! What the names in a quota's `hard` are about.

/// The resource that a name counts, or counts something of: its group (empty for core) and its name
/// in paths. `count/widgets.example.com`, `services.nodeports`, `requests.storage`, `limits.cpu`.
pub fn kind_of(name: &str) -> (&str, &str) {
    if let Some(counted) = name.strip_prefix("count/") {
        let (plural, group) = counted.split_once('.').unwrap_or((counted, ""));
        return (group, plural);
    }
    match name {
        "services" | "services.nodeports" | "services.loadbalancers" => ("", "services"),
        "persistentvolumeclaims" | "requests.storage" => ("", "persistentvolumeclaims"),
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => ("", name),
        name if name.contains(".storageclass.storage.k8s.io/") => ("", "persistentvolumeclaims"),
        name if name.ends_with(".deviceclass.resource.k8s.io/devices") => {
            ("resource.k8s.io", "resourceclaims")
        }
        _ => ("", "pods"),
    }
}

/// The version in which a built-in resource of namespaces is best read; none if it is no such one.
pub fn version_of(group: &str, plural: &str) -> Option<&'static str> {
    let all = teu_kubernetes::resources().iter();
    let found = all.filter(|it| {
        it.group == group
            && it.plural == plural
            && it.is_namespaced()
            && it.verbs.iter().any(|verb| verb == "list")
    });
    let versions = found.map(|it| &*it.version);
    versions.min_by(|one, other| teu_kubernetes::discovery::by_priority(one, other))
}
