//! Variables: `ENV` over `ARG`, build arguments over defaults, and those that need no declaration.

use std::collections::BTreeMap;
use teu_oci::Platform;

/// Build arguments that every `RUN` sees without an `ARG`, and that no key covers.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The variables of one stage (or of the lines before the first).
#[derive(Debug, Clone)]
pub struct Scope {
    /// The escape character of the file.
    pub escape: char,
    given: BTreeMap<String, String>,
    /// `ARG`s before the first `FROM`, and the platform's.
    global: BTreeMap<String, Option<String>>,
    /// `ARG`s of the stage, in order.
    args: Vec<(String, Option<String>)>,
    /// `ENV`s, in order.
    env: Vec<(String, String)>,
}

impl Scope {
    /// Of a file: only the platform's arguments are known.
    pub fn new(
        given: &[(String, String)],
        escape: char,
        build: &Platform,
        target: &Platform,
    ) -> Self {
        let mut global = BTreeMap::new();
        for (prefix, platform) in [("BUILD", build), ("TARGET", target)] {
            let values = [
                ("PLATFORM", platform.to_string()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.architecture.clone()),
                ("VARIANT", platform.variant.clone().unwrap_or_default()),
            ];
            for (name, value) in values {
                global.insert(format!("{prefix}{name}"), Some(value));
            }
        }
        for (name, value) in given {
            if let Some(known) = global.get_mut(name) {
                *known = Some(value.clone());
            }
        }
        Self {
            escape,
            given: given.iter().cloned().collect(),
            global,
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// An `ARG` before the first `FROM`.
    pub fn declare_global(&mut self, name: &str, default: Option<String>) {
        let value = self.given.get(name).cloned().or(default);
        let known = self.global.entry(name.to_owned()).or_default();
        if value.is_some() {
            *known = value;
        }
    }

    /// A global's value, as `FROM` sees it.
    pub fn global(&self, name: &str) -> Option<String> {
        self.global.get(name).cloned().flatten()
    }

    /// The scope of a new stage.
    #[must_use]
    pub fn stage(&self) -> Self {
        Self { args: Vec::new(), env: Vec::new(), ..self.clone() }
    }

    /// An `ARG` of the stage; returns its value.
    pub fn declare(&mut self, name: &str, default: Option<String>) -> Option<String> {
        let value = self.given.get(name).cloned().or(default).or_else(|| self.global(name));
        self.args.retain(|(known, _)| known != name);
        self.args.push((name.to_owned(), value.clone()));
        value
    }

    /// Takes over an image's environment.
    pub fn set_env(&mut self, env: &[String]) {
        for variable in env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            self.export(name, value);
        }
    }

    /// An `ENV`; keeps its place if it was there.
    pub fn export(&mut self, name: &str, value: &str) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The environment as an image keeps it.
    pub fn env(&self) -> Vec<String> {
        self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<String> {
        let env = self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        env.or_else(|| {
            self.args.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone())
        })
    }

    /// Arguments a `RUN` sees: those declared that have a value and no `ENV` of the name.
    pub fn run_args(&self) -> Vec<(String, String)> {
        let hidden = |name: &str| self.env.iter().any(|(known, _)| known == name);
        self.args
            .iter()
            .filter(|(name, _)| !hidden(name))
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    }

    /// Proxies given as build arguments, for the environment of a `RUN` and nothing else.
    pub fn proxies(&self) -> Vec<(String, String)> {
        let declared = |name: &str| self.args.iter().any(|(known, _)| known == name);
        self.given
            .iter()
            .filter(|(name, _)| is_proxy(name) && !declared(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// Says whether a build argument is one of the proxies.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name)
}
