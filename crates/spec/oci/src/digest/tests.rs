//! Digests: what is one, what is refused, and how they sort and print.

use super::*;

#[test]
fn hashes_as_sha256sum_does() {
    let digest = Digest::sha256(b"");
    assert_eq!(
        digest.as_str(),
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(digest.short(), "e3b0c44298fc");
    assert_eq!(digest.as_str().parse::<Digest>().as_ref(), Ok(&digest));
}

#[test]
fn refuses_whatever_is_not_a_digest() {
    for text in [
        "",
        "sha256",
        "sha256:",
        "sha256:../../etc/passwd",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        assert!(text.parse::<Digest>().is_err(), "{text:?} was accepted");
    }
}
