//! Imports go down only: read from the manifests.

/// The storeys, lowest first.
const STOREYS: [&str; 5] = ["base", "spec", "machine", "cluster", "front"];

/// The order inside `machine`: a crate imports only from rows above its own.
const MACHINE: [&[&str]; 6] = [
    &["volumes", "dns"],
    &["images", "runtime", "network"],
    &["containers"],
    &["builder"],
    &["buildkit"],
    &["registry", "engine"],
];

/// The order inside `base`.
const BASE: [&[&str]; 3] = [&["sys", "fuse"], &["pki"], &["web"]];

/// The order inside `cluster`.
const CLUSTER: [&[&str]; 5] = [&["store"], &["api"], &["client"], &["controllers"], &["server"]];

/// The order inside `front`.
const FRONT: [&[&str]; 4] = [&["compose"], &["kube"], &["cli"], &["teu"]];

/// Where each crate stands: storey, and row within it.
fn place(name: &str) -> Option<(usize, usize)> {
    let row = |rows: &[&[&str]]| rows.iter().position(|row| row.contains(&name));
    match name {
        "oci" => Some((1, 0)),
        "docker" => Some((1, 1)),
        "kubernetes" => Some((1, 2)),
        _ => row(&BASE)
            .map(|row| (0, row))
            .or_else(|| row(&MACHINE).map(|row| (2, row)))
            .or_else(|| row(&CLUSTER).map(|row| (3, row)))
            .or_else(|| row(&FRONT).map(|row| (4, row))),
    }
}

/// Checks one manifest by its path below the workspace.
pub fn check(path: &str, manifest: &str) -> Vec<String> {
    let Some((storey, name)) = crate_of(path) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut find = |what: String| findings.push(format!("{path}: {what}"));
    let Some(own) = place(name).filter(|(index, _)| STOREYS[*index] == storey) else {
        find(format!(
            "{name} has no place in the order of {storey}: see xtask/src/tidy/storeys.rs"
        ));
        return findings;
    };
    if !manifest.contains("workspace = true") || !manifest.contains("[lints]") {
        find("the lints of the workspace are not taken over".to_owned());
    }
    for import in imports(manifest) {
        // A crate's tests may ask for a feature of the crate itself.
        if import == name {
            continue;
        }
        match place(import) {
            None => find(format!("imports teu-{import}, which has no place in the order")),
            Some(other) if other >= own => find(format!(
                "imports teu-{import} ({}), but imports go down only: {}",
                STOREYS[other.0],
                "base < spec < machine < cluster < front, and within machine \
                 volumes, dns < images, runtime, network < containers < builder < buildkit < registry, engine"
            )),
            Some(_) => {}
        }
    }
    findings
}

/// Storey and name of `crates/STOREY/NAME/Cargo.toml`.
fn crate_of(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.strip_prefix("crates/")?.split('/');
    let (storey, name) = (parts.next()?, parts.next()?);
    (parts.next() == Some("Cargo.toml")).then_some((storey, name))
}

/// Our own crates among the dependencies of any kind.
fn imports(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        }
        let name = line.strip_prefix("teu-").filter(|_| inside)?;
        Some(name.split(['.', ' ', '=']).next().unwrap_or(name))
    })
}
