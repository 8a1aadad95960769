//! References in their familiar and full forms.

use super::*;

fn check(text: &str, full: &str, familiar: &str) {
    let parsed: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(parsed.to_string(), full, "{text}");
    assert_eq!(parsed.familiar(), familiar, "{text}");
    assert_eq!(full.parse::<Reference>().as_ref(), Ok(&parsed), "{text}");
}

#[test]
fn completes_names_as_docker_does() {
    check("nginx", "docker.io/library/nginx:latest", "nginx:latest");
    check("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27");
    check("bitnami/redis", "docker.io/bitnami/redis:latest", "bitnami/redis:latest");
    check("localhost/app", "localhost/app:latest", "localhost/app:latest");
    check("localhost:5000/a/b:v1", "localhost:5000/a/b:v1", "localhost:5000/a/b:v1");
    check("index.docker.io/library/x", "docker.io/library/x:latest", "x:latest");
    check("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest");
    check("a__b/c-d.e", "docker.io/a__b/c-d.e:latest", "a__b/c-d.e:latest");
    // Found by fuzzing: shown without its registry, it would be read as another's.
    let full = "docker.io/evil.example/app:1";
    check(full, full, full);
    let pinned = format!("app@sha256:{}", "0".repeat(64));
    check(&pinned, &format!("docker.io/library/{pinned}"), &pinned);
}

#[test]
fn refuses_what_docker_refuses() {
    for text in [
        "",
        ":tag",
        "a//b",
        "a/",
        "-a",
        "a-",
        "a___b",
        "a..b",
        "a:b c",
        "a@sha256:12",
        "../a",
        "a/../b",
        "App",
        "host.io/App",
        "a:",
        "é",
        "a\nb",
        "/etc/passwd",
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text:?} was accepted");
    }
    assert_eq!("a".repeat(300).parse::<Reference>(), Err(ParseReferenceError::Length));
    assert!(format!("a:{}", "t".repeat(129)).parse::<Reference>().is_err());
}
