//! Which resources are sealed, and how: kube-apiserver's `EncryptionConfiguration`
//! (`apiserver.config.k8s.io/v1`).
//!
//! Of its providers all are here but `kms`: a key that another program holds would have to be asked for
//! while values are read, in that program's own protocol. Such files are refused, never read in part.
//!
//! A file that has changed can be taken over while the server runs ([`Sealings::reload`]): what is under way
//! ends by the rules it began with.

use super::cipher::{Key, Provider, Sealing};
use crate::current::Current;
use crate::file;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_api::decode;
use teu_api::object::text;

/// Bytes of a file.
const MAX_FILE_BYTES: u64 = 1 << 20;
const ROOT: &[u8] = b"/registry/";
const VERSION: &str = "apiserver.config.k8s.io/v1";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// It cannot be read.
    #[error("cannot read the encryption configuration {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Everybody may read the keys in it.
    #[error("everybody may read the encryption keys in {0}: chmod 600 {0}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// It says something else.
    #[error("the encryption configuration {} is not understood: {at}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Where.
        at: String,
        /// Why not.
        why: &'static str,
    },
}

/// What each part of a file is for, in its order: the first that fits counts.
type Rules = Vec<(Vec<String>, Arc<Sealing>)>;

/// All that are configured.
#[derive(Debug)]
pub struct Sealings {
    rules: Current<Rules>,
    /// Of what is built in: where it is stored, its name and group.
    builtin: HashMap<String, Vec<String>>,
}

impl Sealings {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, SealingError> {
        Ok(Self::new(read(path)?))
    }

    /// Reads its text; where it is wrong and why.
    pub fn parse(bytes: &[u8]) -> Result<Self, (String, &'static str)> {
        parse(bytes).map(Self::new)
    }

    fn new(rules: Rules) -> Self {
        Self { rules: Current::new(rules), builtin: builtin() }
    }

    /// Takes over what a file says now, if it can be used; else everything stays as it is.
    pub fn reload(&self, path: &Path) -> Result<(), SealingError> {
        read(path).map(|rules| self.rules.set(rules))
    }

    /// How the value of a key is sealed, if it is.
    pub fn of(&self, key: &[u8]) -> Option<Arc<Sealing>> {
        let names = self.names(key)?;
        let fits = |pattern: &String| names.iter().any(|name| fits(pattern, name));
        let rules = self.rules.get();
        let found = rules.iter().find(|(patterns, _)| patterns.iter().any(fits));
        found.map(|(_, sealing)| Arc::clone(sealing))
    }

    /// What a key is of: `secrets`, `deployments.apps`; what is stored once may have two names.
    fn names(&self, key: &[u8]) -> Option<Vec<String>> {
        let rest = std::str::from_utf8(key.strip_prefix(ROOT)?).ok()?;
        let mut segments = rest.split('/');
        let (first, second) = (segments.next()?, segments.next().unwrap_or_default());
        let two = format!("{first}/{second}");
        if let Some(names) = self.builtin.get(&two).or_else(|| self.builtin.get(first)) {
            return Some(names.clone());
        }
        // A custom resource is stored under its group.
        first.contains('.').then(|| vec![format!("{second}.{first}")])
    }
}

fn read(path: &Path) -> Result<Rules, SealingError> {
    let failed = |source| SealingError::Read { path: path.to_path_buf(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(SealingError::Open { path: path.to_path_buf() });
    }
    let bytes = file::read(file, MAX_FILE_BYTES).map_err(failed)?;
    parse(&bytes).map_err(|(at, why)| SealingError::Content { path: path.to_path_buf(), at, why })
}

fn parse(bytes: &[u8]) -> Result<Rules, (String, &'static str)> {
    let broken = |_| ("the file".to_owned(), "it is neither YAML nor JSON");
    let document = decode::yaml(bytes).map_err(broken)?.value;
    let is_ours = text(&document, &["apiVersion"]) == Some(VERSION)
        && text(&document, &["kind"]) == Some("EncryptionConfiguration");
    if !is_ours {
        let wanted =
            "expected `apiVersion: apiserver.config.k8s.io/v1` and `kind: EncryptionConfiguration`";
        return Err(("the file".to_owned(), wanted));
    }
    let mut rules = Rules::new();
    for (number, part) in list(&document, "resources").iter().enumerate() {
        let at = |field: &str| format!("resources[{number}].{field}");
        let named = list(part, "resources").iter().filter_map(Value::as_str);
        let named: Vec<String> = named.map(str::to_owned).collect();
        if named.is_empty() {
            return Err((at("resources"), "no resource is named"));
        }
        let mut providers = Vec::new();
        for (number, provider) in list(part, "providers").iter().enumerate() {
            let own = read_provider(provider);
            providers.extend(own.map_err(|why| (at(&format!("providers[{number}]")), why))?);
        }
        if providers.is_empty() {
            return Err((at("providers"), "no provider is named"));
        }
        rules.push((named, Arc::new(Sealing::new(providers))));
    }
    match rules.is_empty() {
        true => Err(("resources".to_owned(), "nothing is named")),
        false => Ok(rules),
    }
}

/// Whether a resource is meant by `secrets`, `deployments.apps`, `*.` (all of core), `*.apps`, `*.*`.
fn fits(pattern: &str, name: &str) -> bool {
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    match pattern.strip_prefix("*.") {
        Some("*") => true,
        Some(wanted) => wanted == group,
        None => pattern.split_once('.').unwrap_or((pattern, "")) == (plural, group),
    }
}

fn builtin() -> HashMap<String, Vec<String>> {
    let mut known = HashMap::<String, Vec<String>>::new();
    for row in crate::rows::builtin() {
        if row.storage.is_empty() {
            continue;
        }
        let (plural, group) = (&row.resource.plural, &row.resource.group);
        let name = if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") };
        let names = known.entry(row.storage.to_string()).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    known
}

/// The providers that one entry stands for: one for each of its keys.
fn read_provider(provider: &Value) -> Result<Vec<Provider>, &'static str> {
    let fields = provider.as_object().filter(|fields| fields.len() == 1);
    let (kind, value) = fields
        .and_then(|fields| fields.iter().next())
        .ok_or("a provider has one field, such as `aesgcm` or `identity`")?;
    match &**kind {
        "identity" => Ok(vec![Provider::Identity]),
        kind @ ("aesgcm" | "aescbc" | "secretbox") => {
            let mut providers = Vec::new();
            for key in list(value, "keys") {
                let name = text(key, &["name"]).filter(|name| !name.is_empty());
                let name = name.ok_or("a key has no name")?;
                if name.contains(':') {
                    return Err("the name of a key may not contain `:`");
                }
                let secret = text(key, &["secret"]).unwrap_or_default();
                let secret = STANDARD.decode(secret).map_err(|_| "a secret is not base64")?;
                let key = Key::new(kind, &secret)?;
                providers.push(Provider::Keyed { name: name.to_owned(), key });
            }
            match providers.is_empty() {
                true => Err("it has no keys"),
                false => Ok(providers),
            }
        }
        "kms" => Err("this provider is not here: use `aesgcm` with a key of 32 bytes"),
        _ => Err("no such provider: use `aesgcm`, `secretbox`, `aescbc` or `identity`"),
    }
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn file(resources: &str, providers: &str) -> String {
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: {resources}\n  providers: {providers}\n"
        )
    }

    #[test]
    fn resources_are_named_as_kubernetes_does() {
        let check = |resources: &str, key: &str, wanted: bool| {
            let text =
                file(resources, &format!("[{{aesgcm: {{keys: [{{name: a, secret: {KEY}}}]}}}}]"));
            let sealings = Sealings::parse(text.as_bytes()).expect("a configuration");
            assert_eq!(sealings.of(key.as_bytes()).is_some(), wanted, "{resources} {key}");
        };
        check("[secrets]", "/registry/secrets/default/a", true);
        check("[secrets]", "/registry/configmaps/default/a", false);
        check("[secrets]", "/registry/secretsx/default/a", false);
        check("[deployments.apps]", "/registry/deployments/default/a", true);
        check("[deployments]", "/registry/deployments/default/a", false);
        check("['*.apps']", "/registry/statefulsets/default/a", true);
        check("['*.']", "/registry/services/specs/default/a", true);
        check("['*.']", "/registry/deployments/default/a", false);
        check("['*.*']", "/registry/deployments/default/a", true);
        check("[events.events.k8s.io]", "/registry/events/default/a", true);
        check("[widgets.example.com]", "/registry/example.com/widgets/default/a", true);
        check("['*.*']", "/teu/layout", false);
    }

    #[test]
    fn what_is_not_understood_is_refused_whole() {
        let check = |text: &str, wanted: &str| {
            let (at, why) = Sealings::parse(text.as_bytes()).expect_err("a refusal");
            assert!(format!("{at}: {why}").contains(wanted), "{at}: {why}");
        };
        check("a: b", "expected `apiVersion");
        check("\t: [", "neither YAML nor JSON");
        check(&file("[]", "[{identity: {}}]"), "resources[0].resources: no resource");
        check(&file("[secrets]", "[]"), "no provider");
        check(&file("[secrets]", "[{kms: {}}]"), "providers[0]: this provider is not here");
        check(&file("[secrets]", "[{aesgcm: {keys: []}}]"), "it has no keys");
        check(
            &file("[secrets]", "[{aesgcm: {keys: [{name: a, secret: AAAA}]}}]"),
            "16 or 32 bytes",
        );
        check(&file("[secrets]", "[{aesgcm: {keys: [{name: 'a:b', secret: AAAA}]}}]"), "`:`");
        check(&file("[secrets]", "[{rot13: {}}]"), "no such provider");
    }
}
