//! Values of every kind, and those that others have sealed.

use super::*;

fn provider(kind: &str, name: &str, byte: u8) -> Provider {
    let key = Key::new(kind, &[byte; 32]).expect("a key");
    Provider::Keyed { name: name.to_owned(), key }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn values_are_sealed_by_the_first_and_opened_by_all() {
    for kind in ["aesgcm", "aescbc", "secretbox"] {
        let old = Sealing::new(vec![provider(kind, "old", 1), Provider::Identity]);
        let sealed = old.seal(b"/a", b"value").flatten().expect("sealed");
        assert!(sealed.starts_with(format!("k8s:enc:{kind}:v1:old:").as_bytes()));
        assert!(!sealed.windows(5).any(|bytes| bytes == b"value"));
        let new = Sealing::new(vec![provider("aesgcm", "new", 2), provider(kind, "old", 1)]);
        assert_eq!(new.open(b"/a", &sealed), Ok(Some(b"value".to_vec())));
        assert!((old.is_current(&sealed), new.is_current(&sealed)) == (true, false));
        assert_eq!(old.open(b"/a", b"{}"), Ok(None));
        assert!(new.open(b"/a", b"{}").is_err(), "in the clear");
        // A key of that name, but another one; and one that is not there.
        let other = Sealing::new(vec![provider(kind, "old", 3)]).open(b"/a", &sealed);
        assert_ne!(other, Ok(Some(b"value".to_vec())), "{kind}");
        assert!(Sealing::new(vec![provider(kind, "x", 1)]).open(b"/a", &sealed).is_err());
        // The same twice looks different.
        assert_ne!(old.seal(b"/a", b"value").flatten().expect("sealed"), sealed);
        // Cut off anywhere it is refused, never trouble.
        for at in 0..sealed.len() {
            assert_ne!(new.open(b"/a", &sealed[..at]), Ok(Some(b"value".to_vec())), "{kind} {at}");
        }
        for length in [0, 1, 15, 16, 17, 1000] {
            let value = vec![7; length];
            let sealed = old.seal(b"/a", &value).flatten().expect("sealed");
            assert_eq!(new.open(b"/a", &sealed), Ok(Some(value)), "{kind} {length}");
        }
    }
}

#[test]
fn what_was_changed_or_put_elsewhere_is_found_out() {
    for (kind, knows_its_place) in [("aesgcm", true), ("secretbox", false)] {
        let sealing = Sealing::new(vec![provider(kind, "k", 1)]);
        let sealed = sealing.seal(b"/a", b"value").flatten().expect("sealed");
        assert_eq!(sealing.open(b"/b", &sealed).is_err(), knows_its_place, "{kind}");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealing.open(b"/a", &changed).is_err(), "{kind}: byte {at}");
        }
    }
}

#[test]
fn keys_have_their_lengths() {
    let check = |kind: &str, good: &[usize]| {
        for length in 0..40 {
            let is_good = Key::new(kind, &vec![0; length]).is_ok();
            assert_eq!(is_good, good.contains(&length), "{kind} {length}");
        }
    };
    check("aesgcm", &[16, 32]);
    check("aescbc", &[16, 24, 32]);
    check("secretbox", &[32]);
}

/// Sealed by others: NaCl's own example, and OpenSSL's CBC with 16, 24 and 32 bytes.
#[test]
fn what_others_have_sealed_is_opened() {
    let check = |kind: &str, key: &str, sealed: &str, wanted: &[u8]| {
        let key = Key::new(kind, &bytes(key)).expect("a key");
        let provider = Provider::Keyed { name: "k".to_owned(), key };
        let value = [format!("k8s:enc:{kind}:v1:k:").into_bytes(), bytes(sealed)].concat();
        let opened = Sealing::new(vec![provider]).open(b"/a", &value);
        assert_eq!(opened, Ok(Some(wanted.to_vec())), "{kind}");
    };
    check(
        "aescbc",
        "000102030405060708090a0b0c0d0e0f",
        "6465666768696a6b6c6d6e6f707172733ea1cc0d9792a25a43d1c4673acfaf999f471ea60a1b0b918232f619987357f9",
        b"a value that another has sealed",
    );
    check(
        "aescbc",
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "6465666768696a6b6c6d6e6f707172739aabcc6bdffba8f4fe61096b748f978723388df863fb49f0f261d8432fbbd6dd",
        b"a value that another has sealed",
    );
    check(
        "aescbc",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "6465666768696a6b6c6d6e6f7071727384f3636161e254eb96e8fc0bbff6bf5bd824ea6aa786c4c37ceda641ab9b618e",
        b"a value that another has sealed",
    );
    check(
        "secretbox",
        "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389",
        "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        &bytes(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        ),
    );
}
