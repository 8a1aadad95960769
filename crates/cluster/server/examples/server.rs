//! The server alone, for quick tests: `server DATA-FOLDER [BIND]`. What `DATA-FOLDER/server.toml` says, counts.

use std::path::PathBuf;
use teu_server::{Config, Event, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: server DATA-FOLDER [BIND]")?);
    let mut config = Config::new(folder.join("data"), folder.join("run"));
    let file = folder.join("server.toml");
    if file.exists() {
        config.read(&file)?;
    }
    config.allows_loopback = true;
    config.bind = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    use std::io::Write as _;
    run(&config, |event| {
        let mut out = std::io::stdout().lock();
        let _ = match event {
            Event::Ready { address, kubeconfig } => {
                writeln!(out, "ready on https://{address} kubeconfig {}", kubeconfig.display())
            }
            Event::Reloaded(file) => writeln!(out, "{} {:?}", file.path.display(), file.trouble),
            Event::Cut(connections) => writeln!(out, "{connections} connections were cut"),
        };
        let _ = out.flush();
    })?;
    Ok(())
}
