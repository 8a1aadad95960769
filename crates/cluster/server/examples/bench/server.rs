//! The server under measure: started, asked what it costs, ended.

use crate::connection::Connection;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, RootCertStore};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clock ticks in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// A server that ends with the run.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// The admin's certificate, and the authority to believe.
    pub tls: Arc<ClientConfig>,
    /// From exec until it said so.
    pub ready: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start(program: &[String]) -> Result<Self> {
        let begun = Instant::now();
        let mut child =
            Command::new(&program[0]).args(&program[1..]).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("no output")?;
        let (mut address, mut kubeconfig) = (String::new(), String::new());
        let mut ready = Duration::ZERO;
        for line in BufReader::new(out).lines() {
            let line = line?;
            let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest.to_owned());
            if let Some(rest) = after("ready on https://") {
                ready = begun.elapsed();
                address = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            if let Some(path) = after("kubeconfig ") {
                kubeconfig = path;
                break;
            }
        }
        let tls = credentials(Path::new(&kubeconfig))?;
        Ok(Self { child, address, tls, ready })
    }

    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self).await
    }

    /// What is in memory.
    pub fn resident_kib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(number.parse()?)
    }

    /// What it has used of the processors.
    pub fn cpu_ms(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let rest = stat.rsplit_once(')').context("no stat")?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks * 1000.0 / TICKS)
    }

    /// How often its threads went to sleep by themselves, which is how often they woke.
    pub fn wakes(&self) -> Result<f64> {
        let mut wakes = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = std::fs::read_to_string(thread?.path().join("status"))?;
            let count =
                |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
            wakes += status.lines().find_map(count).unwrap_or(0.0);
        }
        Ok(wakes)
    }
}

/// The admin's certificate out of a kubeconfig of ours.
fn credentials(kubeconfig: &Path) -> Result<Arc<ClientConfig>> {
    let text = std::fs::read_to_string(kubeconfig)?;
    let field = |name: &str| -> Result<String> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        Ok(String::from_utf8(STANDARD.decode(line.with_context(|| name.to_owned())?.trim())?)?)
    };
    let mut roots = RootCertStore::empty();
    let authority = field("certificate-authority-data:")?;
    for authority in teu_pki::certificates_from_pem(&authority, "the authority")? {
        roots.add(authority)?;
    }
    let (certificate, key) = (field("client-certificate-data:")?, field("client-key-data:")?);
    let own = teu_pki::Identity::from_pem(&certificate, &key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(own.chain().to_vec(), own.key())?;
    Ok(Arc::new(config))
}
