//! What is answered to what, byte by byte where it matters.

use super::*;

struct Names;

impl Zone for Names {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        match name {
            "web" | "web.net" => {
                Some(vec![[10, 0, 0, 5].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 5].into()])
            }
            "four" => Some(vec![[10, 0, 0, 6].into()]),
            "all" => Some((0..200).map(|host| IpAddr::from([10, 0, 1, host])).collect()),
            _ => None,
        }
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        let known: [IpAddr; 2] = [[10, 0, 0, 5].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 5].into()];
        known.contains(&address).then(|| "web.net".to_owned())
    }

    fn otherwise(&self, name: &str) -> Answer {
        if name.contains('.') { Answer::Forward } else { Answer::NotFound }
    }
}

/// Builds a query; `extra` follows the question.
fn query(name: &str, kind: u16, records: u16, extra: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0];
    message.extend_from_slice(&records.to_be_bytes());
    message.extend_from_slice(&wire_name(name).unwrap());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message.extend_from_slice(extra);
    message
}

fn ask(message: &[u8]) -> Outcome {
    answer(message, &Names, Transport::Udp, 0)
}

/// Code, whether it was cut, how many answers, the last bytes.
fn check(name: &str, kind: u16, code: u8, count: u16, end: &[u8]) {
    let Outcome::Reply(reply) = ask(&query(name, kind, 0, &[])) else { panic!("{name} {kind}") };
    assert_eq!(reply[3] & 0xf, code, "{name} {kind}");
    assert_eq!(u16::from_be_bytes([reply[6], reply[7]]), count, "{name} {kind}");
    assert!(reply.ends_with(end), "{name} {kind}: {reply:?}");
    assert_eq!((reply[2] & 0x84, &reply[..2]), (0x84, &[0x12, 0x34][..]));
}

#[test]
fn names_have_addresses() {
    check("web", 1, 0, 1, &[0, 4, 10, 0, 0, 5]);
    check("WEB", 1, 0, 1, &[0, 4, 10, 0, 0, 5]);
    check("web.net", 28, 0, 1, &[0, 16, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    check("web", 255, 0, 1, &[0, 4, 10, 0, 0, 5]);
}

#[test]
fn a_name_without_the_type_is_not_a_missing_name() {
    check("four", 28, 0, 0, &[]);
    check("web", 15, 0, 0, &[]);
    check("nobody", 1, 3, 0, &[]);
    assert_eq!(ask(&query("nobody.example", 1, 0, &[])), Outcome::Forward);
}

#[test]
fn addresses_have_names() {
    let end = b"\x09\x03web\x03net\x00";
    check("5.0.0.10.in-addr.arpa", 12, 0, 1, end);
    let nibbles = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    check(nibbles, 12, 0, 1, end);
    for name in
        ["6.0.0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "x.0.0.10.in-addr.arpa", "1.ip6.arpa"]
    {
        assert_eq!(ask(&query(name, 12, 0, &[])), Outcome::Forward, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_cut_and_said_to_be() {
    let Outcome::Reply(reply) = ask(&query("all", 1, 0, &[])) else { panic!() };
    assert!(reply.len() <= 512 && reply[2] & 2 == 2);
    let whole = answer(&query("all", 1, 0, &[]), &Names, Transport::Tcp, 0);
    let Outcome::Reply(reply) = whole else { panic!() };
    assert_eq!((reply[7], reply[2] & 2), (200, 0));
    let extended = query("all", 1, 1, &[0, 0, 41, 255, 255, 0, 0, 0, 0, 0, 0]);
    let Outcome::Reply(reply) = ask(&extended) else { panic!() };
    assert!(reply.len() > 1200 && reply.len() <= 1232 && reply[11] == 1);
}

#[test]
fn turns_are_taken() {
    let first = |turn| {
        let Outcome::Reply(reply) = answer(&query("all", 1, 0, &[]), &Names, Transport::Tcp, turn)
        else {
            panic!()
        };
        reply[21 + 12 + 3]
    };
    assert_ne!(first(0), first(1));
    assert_eq!(first(0), first(200));
}

#[test]
fn what_is_not_understood_is_said_to_be() {
    let code = |message: &[u8]| match ask(message) {
        Outcome::Reply(reply) => Some(reply[3] & 0xf),
        _ => None,
    };
    let mut notify = query("web", 1, 0, &[]);
    notify[2] = 0x20;
    assert_eq!(code(&notify), Some(4));
    let mut chaos = query("web", 1, 0, &[]);
    let last = chaos.len() - 1;
    chaos[last] = 3;
    assert_eq!(code(&chaos), Some(5));
    let mut two = query("web", 1, 0, &[]);
    two[5] = 2;
    assert_eq!(code(&two), Some(1));
    let version = query("web", 1, 1, &[0, 0, 41, 4, 0, 0, 7, 0, 0, 0, 0]);
    let Outcome::Reply(reply) = ask(&version) else { panic!() };
    assert_eq!((reply[3] & 0xf, reply[reply.len() - 6]), (0, 1), "BADVERS");
    let mut response = query("web", 1, 0, &[]);
    response[2] |= 0x80;
    assert_eq!(ask(&response), Outcome::Ignore);
    assert_eq!(ask(&[1, 2, 3]), Outcome::Ignore);
}
