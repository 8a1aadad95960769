//! Requests as they should be, and changed in every byte.

use super::SigningRequest;
use crate::{Authority, Grant, Subject, Validity};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

fn request(change: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, "system:node:a");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    params.serialize_request(&key).expect("a request").pem().expect("text")
}

#[test]
fn requests_are_read_and_signed() {
    let text = request(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName("a.example".try_into().expect("a name")),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
    });
    let read = SigningRequest::from_pem(&text).expect("a request");
    let wanted = Subject {
        common_name: Some("system:node:a".to_owned()),
        organizations: vec!["system:nodes".to_owned()],
    };
    assert_eq!(read.subject, wanted);
    assert_eq!((read.dns_names.len(), read.addresses.len()), (1, 1));
    let authority = Authority::create("ca").expect("an authority");
    let validity = Validity { begins: 1_700_000_000, ends: 1_700_003_600 };
    let grant = Grant { validity, enciphers_keys: true, is_server: true, is_client: true };
    let pem = authority.sign(&read, &grant).expect("a certificate");
    let signed = &crate::certificates_from_pem(&pem, "it").expect("PEM")[0];
    assert_eq!(Subject::of(signed), wanted);
    assert_eq!(Validity::of(signed), Some(validity));
}

#[test]
fn what_is_not_signed_by_its_key_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let text = request(|params| {
        params.subject_alt_names = vec![SanType::URI("https://x".try_into().expect("a URI"))];
    });
    assert!(SigningRequest::from_pem(&text).expect("a request").has_uris);
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).expect("base64");
    assert!(SigningRequest::from_der(&der).is_some());
    // No byte of it may be another.
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(SigningRequest::from_der(&changed).is_none(), "byte {at}");
        assert!(SigningRequest::from_der(&der[..at]).is_none(), "cut at {at}");
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert!(SigningRequest::from_der(&longer).is_none());
}
