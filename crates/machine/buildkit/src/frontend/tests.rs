//! Options as clients send them.

use super::*;

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn asked(pairs: &[(&str, &str)]) -> Asked {
    read(&options(pairs), &[]).expect("understood")
}

#[track_caller]
fn refused(pairs: &[(&str, &str)], expected: &str) {
    let status = read(&options(pairs), &[]).expect_err("refused");
    assert!(status.message.contains(expected), "{}", status.message);
}

#[test]
fn what_buildx_sends_is_understood() {
    let asked = asked(&[
        ("filename", "Dockerfile.dev"),
        ("target", "test"),
        ("build-arg:A", "1"),
        ("build-arg:BUILDKIT_SYNTAX", "docker/dockerfile:1"),
        ("label:l", "v"),
        ("no-cache", "one,two"),
        ("platform", "linux/amd64,linux/arm64"),
        ("add-hosts", "a=127.0.0.1,b=::1"),
        ("shm-size", "1024"),
        ("ulimit", "nofile=10:20,nproc=-1"),
        ("force-network-mode", "none"),
        ("image-resolve-mode", "local"),
        ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
        ("context:other", "local:other"),
        ("context:base::linux/amd64", "docker-image://busybox"),
        ("vcs:revision", "abc"),
    ]);
    let request = asked.request;
    assert_eq!(asked.filename, "Dockerfile.dev");
    assert_eq!(asked.context, Origin::Local("context".to_owned()));
    assert_eq!(request.target.as_deref(), Some("test"));
    assert_eq!(request.build_args, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(request.no_cache_filter, ["one", "two"]);
    assert!(!request.no_cache);
    assert_eq!(request.add_hosts[1], ("b".to_owned(), "::1".to_owned()));
    let platforms: Vec<String> = request.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(request.shm_size_bytes, 1024);
    assert_eq!((request.rlimits[0].soft, request.rlimits[0].hard), (10, 20));
    assert_eq!(
        (request.rlimits[1].kind.as_str(), request.rlimits[1].soft),
        ("RLIMIT_NPROC", u64::MAX)
    );
    assert_eq!(request.network, NetworkMode::None);
    let image = Origin::Image("busybox".to_owned());
    assert!(asked.contexts.contains(&("base".to_owned(), image)));
    let local = Origin::Local("other".to_owned());
    assert!(asked.contexts.contains(&("other".to_owned(), local)));
    assert!(asked.skipped.is_empty());
}

#[test]
fn no_cache_at_all_and_a_context_from_standard_input() {
    let asked = asked(&[("no-cache", ""), ("context", "http://buildkit-session/abc")]);
    assert!(asked.request.no_cache);
    assert_eq!(asked.context, Origin::Upload("abc".to_owned()));
}

#[test]
fn attestations() {
    let usual = asked(&[("attest:provenance", "mode=min,inline-only=true")]);
    assert!(usual.request.attest.is_empty() && usual.skipped.is_empty());
    let both = asked(&[("attest:provenance", "mode=max"), ("attest:sbom", "")]);
    assert_eq!(both.request.attest.provenance, Some(teu_builder::AttestDetail::Max));
    assert!(both.request.attest.sbom && both.skipped.is_empty());
    let off = asked(&[("attest:provenance", "disabled=true")]);
    assert!(off.request.attest.is_empty() && off.skipped.is_empty());
}

#[test]
fn what_is_not_done_is_said() {
    let asked = asked(&[("cache-from", "registry/x"), ("attest:sbom", "generator=x")]);
    assert_eq!((asked.skipped.len(), asked.request.cache_from.len()), (1, 1));
    let entries = r#"[{"Type":"registry","Attrs":{"ref":"host/cache"}},{"Type":"gha"},
        {"Type":"local","Attrs":{"src":"/c","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]"#;
    let asked = self::asked(&[("cache-imports", entries)]);
    assert_eq!(asked.request.cache_from[0].shown(), "host/cache:latest");
    assert_eq!(asked.request.cache_from[1].shown(), "/c");
    assert_eq!(asked.skipped[0].0, "importing cache manifest from gha");
    assert!(asked.skipped[0].1.contains("type=registry"), "{}", asked.skipped[0].1);
    refused(&[("multi-platform", "true")], "index of one platform");
    refused(&[("contextsubdir", "x")], "contextsubdir");
    refused(&[("context", "https://example.invalid/x.git")], "fetches no git repositories");
    refused(&[("context:x", "oci-layout://x")], "OCI layout");
    refused(&[("platform", "linux/amd64,a b")], "invalid platform");
    refused(&[("surprise", "1")], "\"surprise\"");
    refused(&[("ulimit", "nofile")], "invalid ulimit");
    refused(&[("add-hosts", "a=b")], "invalid host");
}

#[test]
fn requests_other_than_builds_are_refused_as_clients_understand() {
    let status = read(&options(&[("requestid", "frontend.lint")]), &[]).expect_err("refused");
    assert!(status.is(Code::Unimplemented));
    assert_eq!(status.details[0].value, br#"{"name":"frontend.lint"}"#);
    assert!(status.details[0].type_url.ends_with("errdefs.Subrequest+json"));
}
