//! The recurrence of image-spec, worked by hand.

use super::*;

#[test]
fn a_chain_is_the_hash_of_parent_and_diff_id() {
    let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
    assert_eq!(ChainId::of(&[]), None);
    assert_eq!(ChainId::of(std::slice::from_ref(&a)).map(|c| c.0), Some(a.clone()));
    let expected = Digest::sha256(format!("{a} {b}").as_bytes());
    assert_eq!(ChainId::of(&[a, b]).map(|c| c.0), Some(expected));
}
