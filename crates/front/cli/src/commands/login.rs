//! `teu login` and `teu logout`.

use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::registry::{Choices, client, logins};
use crate::terminal::in_is_terminal;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{BufRead, Read, Write};
use teu_images::remote::{CredentialSource, Credentials};

/// Bytes of a password.
const PASSWORD_LIMIT_BYTES: u64 = 64 << 10;

/// `login`
pub const LOGIN: Command = Command {
    usage: "[OPTIONS] [SERVER]",
    arity: Arity::AtMost(1),
    flags: &[&[
        Flag::text("password", "string", "Password or Personal Access Token (PAT)").short('p'),
        Flag::switch("password-stdin", "Take the Password or Personal Access Token from stdin"),
        Flag::text("username", "string", "Username").short('u'),
        Flag::text("creds", "", "").hidden(),
        Flag::text("cert-dir", "PATH", "Certificates in the layout of /etc/docker/certs.d"),
        Flag::text("tls-verify", "bool", "Require HTTPS and a certificate (default true)"),
    ]],
    examples: &[(
        "echo $TOKEN | teu login -u me --password-stdin localhost:5000",
        "without a terminal",
    )],
    ..Command::new("login", "Authenticate to a registry", login)
};

/// `logout`
pub const LOGOUT: Command = Command {
    usage: "[SERVER]",
    arity: Arity::AtMost(1),
    examples: &[("teu logout localhost:5000", "forget who you are there")],
    ..Command::new("logout", "Log out from a registry", logout)
};

/// The registry a person means: a bare host, Docker's own where none is named.
fn server(matches: &Matches) -> String {
    let text = matches.operands.first().map_or("docker.io", String::as_str);
    let text = text.trim_start_matches("https://").trim_start_matches("http://");
    let host = text.split('/').next().unwrap_or_default();
    match host {
        "" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

fn login(ctx: &Context, matches: &Matches) -> Result<u8> {
    let server = server(matches);
    let logins = logins();
    let known = logins.find(&server, "")?;
    let client = client(&Choices::of(matches, "")?)?;
    let given = matches.nonempty("username").is_some()
        || matches.nonempty("password").is_some()
        || matches.switch("password-stdin");
    if !given && known != Credentials::Anonymous && client.login(&server, known.clone()).is_ok() {
        ctx.line("Authenticating with existing credentials...")?;
        ctx.line("Login Succeeded")?;
        return Ok(0);
    }
    let credentials = asked(matches)?;
    client.login(&server, credentials.clone())?;
    if logins.login(&server, &credentials)? {
        warn(
            "Your credentials are stored unencrypted in the configuration file. Configure a credential helper (credsStore) to remove this warning.",
        );
    }
    ctx.line("Login Succeeded")?;
    Ok(0)
}

fn asked(matches: &Matches) -> Result<Credentials> {
    let username = match matches.nonempty("username") {
        Some(username) => username.to_owned(),
        None if matches.switch("password-stdin") => {
            return Err(Failure::new("Must provide --username with --password-stdin"));
        }
        None => prompt("Username: ", true)?,
    };
    let password = match (matches.nonempty("password"), matches.switch("password-stdin")) {
        (Some(_), true) => {
            return Err(Failure::new("--password and --password-stdin are mutually exclusive"));
        }
        (Some(password), false) => {
            warn("Using --password via the CLI is insecure. Use --password-stdin.");
            password.to_owned()
        }
        (None, true) => {
            let mut text = String::new();
            std::io::stdin().lock().take(PASSWORD_LIMIT_BYTES).read_to_string(&mut text)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        (None, false) => prompt("Password: ", false)?,
    };
    match password.is_empty() || username.is_empty() {
        true => Err(Failure::new("username and password are required")),
        false => Ok(Credentials::of(&username, &password)),
    }
}

/// Asks on the terminal; a password is not shown.
fn prompt(question: &str, shown: bool) -> Result<String> {
    if !in_is_terminal() {
        return Err(Failure::new(
            "Error: Cannot perform an interactive login from a non TTY device",
        )
        .hint("use --username and --password-stdin"));
    }
    let mut err = std::io::stderr();
    write!(err, "{question}")?;
    err.flush()?;
    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin)?;
    if !shown {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin, OptionalActions::Drain, &hidden)?;
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().take(PASSWORD_LIMIT_BYTES).read_line(&mut line);
    tcsetattr(stdin, OptionalActions::Drain, &before)?;
    if !shown {
        writeln!(err)?;
    }
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn logout(ctx: &Context, matches: &Matches) -> Result<u8> {
    let server = server(matches);
    if logins().logout(&server)? {
        ctx.line(&format!("Removing login credentials for {server}"))?;
    } else {
        ctx.line(&format!("Not logged in to {server}"))?;
    }
    Ok(0)
}
