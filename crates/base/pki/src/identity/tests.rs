//! PEM files there and back, and what is wrong with others.

use super::*;
use crate::{Authority, Request};
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_is_saved_is_loaded_and_the_key_is_private() {
    let dir = tempfile::tempdir().expect("a directory");
    let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    let authority = Authority::create("test").expect("an authority");
    let made = authority.issue(&Request::server(["localhost"])).expect("a certificate");
    made.save(&cert, &key).expect("saved");
    let mode = key.metadata().expect("the key's metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let loaded = Identity::load(&cert, &key).expect("loaded");
    assert_eq!(loaded.chain(), made.chain());
    assert_eq!(loaded.key().secret_der(), made.key().secret_der());
    assert!(!format!("{made:?}").contains("PRIVATE"));
}

#[test]
fn files_that_are_none_are_refused_by_name() {
    let check = |cert: &str, key: &str, expected: &str| {
        let error = Identity::from_pem(cert, key).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    let authority = Authority::create("test").expect("an authority");
    let made = authority.issue(&Request::server(["localhost"])).expect("a certificate");
    check("", made.key_pem(), "the certificate holds no certificate");
    check(made.certificate_pem(), "", "the key holds no private key");
    check("-----BEGIN CERTIFICATE-----\n!!\n", made.key_pem(), "not valid PEM");
    let missing = Identity::load(Path::new("/nonexistent/c.pem"), Path::new("/nonexistent/k.pem"));
    assert!(missing.expect_err("refused").to_string().contains("/nonexistent/c.pem"));
}
