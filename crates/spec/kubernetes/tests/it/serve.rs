//! Just enough of a server for discovery and OpenAPI: GET, one request a connection.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use teu_kubernetes::discovery::{self, Catalog, Form};
use teu_kubernetes::openapi::{Documents, Owned};

/// Serves these resources until the test ends.
pub fn serve(resources: Vec<Owned>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let documents = Arc::new(Documents::new("v1.36.0", resources.iter().cloned(), None));
    let resources = Arc::new(resources);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (documents, resources) = (documents.clone(), resources.clone());
            std::thread::spawn(move || answer(stream, &documents, &resources));
        }
    });
    address
}

fn answer(stream: TcpStream, documents: &Documents, resources: &[Owned]) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut accept = String::new();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("accept: ") {
            accept = value.to_owned();
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let (kind, body) = body(path.split('?').next()?, &accept, documents, resources)
        .unwrap_or_else(|| ("application/json".into(), b"{}".to_vec()));
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn body(
    path: &str,
    accept: &str,
    documents: &Documents,
    resources: &[Owned],
) -> Option<(String, Vec<u8>)> {
    let catalog = Catalog::new(resources.iter().map(|(resource, _)| &**resource));
    let json = |value: Value| Some(("application/json".to_owned(), value.to_string().into_bytes()));
    let whole = accept.contains("apidiscovery.k8s.io;v=v2");
    let aggregated = |core| {
        let body = discovery::aggregated(&catalog, core, Form::V2).to_string().into_bytes();
        Some((Form::V2.content_type().to_owned(), body))
    };
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["api"] if whole => aggregated(true),
        ["apis"] if whole => aggregated(false),
        ["api"] => json(discovery::api_versions(&catalog, "127.0.0.1:1")),
        ["apis"] => json(discovery::group_list(&catalog)),
        ["api", version] => {
            json(discovery::resource_list("", catalog.group("")?.version(version)?))
        }
        ["apis", group, version] => {
            json(discovery::resource_list(group, catalog.group(group)?.version(version)?))
        }
        ["openapi", "v3"] => json(documents.index()),
        ["openapi", "v3", rest @ ..] => {
            Some(("application/json".into(), documents.v3(&rest.join("/"))?.plain()))
        }
        ["openapi", "v2"] if accept.contains("protobuf") => {
            let kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
            Some((kind.into(), documents.v2_protobuf().plain()))
        }
        ["openapi", "v2"] => Some(("application/json".into(), documents.v2().plain())),
        ["version"] => {
            json(serde_json::json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.0" }))
        }
        _ => None,
    }
}
