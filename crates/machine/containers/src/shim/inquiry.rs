//! A probe that asks over the network, run in the container by `/sbin/docker-init --probe`: a
//! container whose image has neither shell nor client can be probed all the same.
//!
//! It has no time limit of its own: whoever runs it ends it.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};

/// Longest beginning of an answer that is looked at.
const ANSWER_LIMIT_BYTES: u64 = 4096;

/// What the words name is asked; 0 where it answers well.
pub(super) fn inquire(words: impl Iterator<Item = OsString>) -> i32 {
    let words: Option<Vec<String>> = words.map(|word| word.into_string().ok()).collect();
    let outcome = match words.as_deref() {
        Some([kind, host, port]) if kind == "tcp" => connect(host, port).map(drop),
        Some([kind, host, port, path, headers @ ..]) if kind == "http" => {
            connect(host, port).and_then(|stream| get(stream, (host, port), path, headers))
        }
        _ => Err("expected: http HOST PORT PATH [HEADER...], or tcp HOST PORT".to_owned()),
    };
    let (text, code) = match &outcome {
        Ok(()) => ("ok\n".to_owned(), 0),
        Err(problem) => (format!("{problem}\n"), 1),
    };
    let _ = rustix::io::write(rustix::stdio::stdout(), text.as_bytes());
    code
}

fn connect(host: &str, port: &str) -> Result<TcpStream, String> {
    let number: u16 = port.parse().map_err(|_| format!("{port} is no port"))?;
    let addresses = (host, number).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    let mut problem = format!("{host} has no address");
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = format!("{address}: {error}"),
        }
    }
    Err(problem)
}

/// Well are answers from 200 to 399.
fn get(
    mut stream: TcpStream,
    (host, port): (&str, &str),
    path: &str,
    headers: &[String],
) -> Result<(), String> {
    let mut request =
        format!("GET {path} HTTP/1.1\r\nConnection: close\r\nUser-Agent: teu-probe\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        request.push_str(&format!("Host: {host}:{port}\r\n"));
    }
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_LIMIT_BYTES);
    while !answer.contains(&b'\n') {
        let mut chunk = [0; 512];
        match limited.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) => return Err(error.to_string()),
        }
    }
    judge(&String::from_utf8_lossy(&answer))
}

fn judge(answer: &str) -> Result<(), String> {
    let line = answer.lines().next().unwrap_or_default();
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    match code.and_then(|code| code.parse::<u16>().ok()) {
        Some(200..=399) => Ok(()),
        Some(code) => Err(format!("answered {code}")),
        None => Err("answered no HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn well_is_from_200_to_399() {
        assert!(judge("HTTP/1.0 200 OK\r\n").is_ok());
        assert!(judge("HTTP/1.1 302 Found\r\n").is_ok());
        assert_eq!(judge("HTTP/1.1 503 Down\r\n"), Err("answered 503".to_owned()));
        assert_eq!(judge("SSH-2.0-x\r\n"), Err("answered no HTTP".to_owned()));
        assert_eq!(judge(""), Err("answered no HTTP".to_owned()));
    }
}
