//! Subjects of certificates made here, and of broken ones.

use super::*;
use crate::{Authority, Request};

#[test]
fn names_and_groups_are_read() {
    let authority = Authority::create("an authority").expect("an authority");
    let check = |group: &str| {
        let organization = Some(group.to_owned());
        let request = Request { organization, ..Request::client("ann") };
        let made = authority.issue(&request).expect("a certificate");
        let expected =
            Subject { common_name: Some("ann".into()), organizations: vec![group.into()] };
        assert_eq!(Subject::of(&made.chain()[0]), expected);
    };
    check("system:masters");
    check("größer");
}

#[test]
fn what_is_cut_or_mutated_names_nobody_and_never_panics() {
    let authority = Authority::create("an authority").expect("an authority");
    let made = authority.issue(&Request::client("ann")).expect("a certificate");
    let der = made.chain()[0].to_vec();
    for end in 0..der.len() {
        let _ = Subject::of(&der[..end]);
    }
    let mut mutated = der.clone();
    for at in 0..der.len() {
        for value in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            mutated[at] = value;
            let _ = Subject::of(&mutated);
        }
        mutated[at] = der[at];
    }
    assert_eq!(Subject::of(&[]), Subject::default());
}
