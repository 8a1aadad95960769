//! Queries read, malformed ones refused, random ones survived.

use super::*;
use crate::answer::{Outcome, Transport, answer};
use crate::zone::Zone;
use std::net::IpAddr;

/// Builds a query; `extra` follows the question.
fn query(name: &str, kind: u16, records: u16, extra: &[u8]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0];
    message.extend_from_slice(&records.to_be_bytes());
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&1u16.to_be_bytes());
    message.extend_from_slice(extra);
    message
}

#[test]
fn a_query_is_read() {
    let read = Query::read(&query("WEB.Example", 28, 0, &[])).unwrap();
    assert_eq!(read.name.as_deref(), Some("web.example"));
    assert_eq!((read.id, read.kind, read.class, read.recursion), (0x1234, 28, 1, true));
    let extension = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    let read = Query::read(&query("", 1, 1, &extension)).unwrap();
    assert_eq!(read.name.as_deref(), Some(""));
    assert_eq!(read.extension, Some(Extension { datagram_bytes: 1232, version: 0 }));
    let read = Query::read(&query("a\u{e9}", 1, 0, &[])).unwrap();
    assert_eq!(read.name, None);
}

#[test]
fn pointers_lead_backwards_or_nowhere() {
    let with_name = |name: &[u8]| {
        let mut message = vec![0; 12];
        message[5] = 1;
        message.extend_from_slice(name);
        message.extend_from_slice(&[0, 1, 0, 1]);
        message
    };
    // To itself, forwards, and to each other.
    for name in [&[0xc0, 12][..], &[0xc0, 14, 0], &[1, b'a', 0xc0, 12], &[0xc0, 200]] {
        assert_eq!(Query::read(&with_name(name)), Err(Malformed), "{name:?}");
    }
    // Into the head, which is zeros: an empty name.
    assert_eq!(Query::read(&with_name(&[0xc0, 0])).unwrap().name.as_deref(), Some(""));
    for name in [&[64][..], &[0x80, 1], &[63, 1]] {
        assert_eq!(Query::read(&with_name(name)), Err(Malformed), "{name:?}");
    }
    let long: Vec<u8> =
        (0..5).flat_map(|_| [&[62u8][..], &[b'a'; 62]].concat()).chain([0]).collect();
    assert_eq!(Query::read(&with_name(&long)), Err(Malformed));
}

#[test]
fn lying_counts_and_cut_records_are_refused() {
    let whole = query("web", 1, 1, &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 2, 7, 7]);
    assert!(Query::read(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(Query::read(&whole[..length]).is_err(), "{length}");
    }
    assert!(Query::read(&query("web", 1, 9, &[])).is_err());
    let twice = [0u8, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0].repeat(2);
    assert!(Query::read(&query("web", 1, 2, &twice)).is_err());
}

struct Everything;

impl Zone for Everything {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        assert!(name.len() <= 255 && name.is_ascii());
        Some(vec![[10, 0, 0, 1].into(), [1u16; 8].into()])
    }

    fn name_of(&self, _: IpAddr) -> Option<String> {
        Some("web.net".to_owned())
    }
}

/// A xorshift: the same messages every time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn nothing_that_is_sent_makes_it_stumble() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let seeds = [
        query("web.example", 1, 0, &[]),
        query("5.0.0.10.in-addr.arpa", 12, 0, &[]),
        query("web", 255, 1, &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 2, 7, 7]),
    ];
    for round in 0..200_000usize {
        let mut message = seeds[round % seeds.len()].clone();
        for _ in 0..random(&mut state) % 6 {
            let at = (random(&mut state) % message.len() as u64) as usize;
            message[at] = random(&mut state) as u8;
        }
        message.truncate((random(&mut state) % (message.len() as u64 * 3)) as usize + 1);
        for transport in [Transport::Udp, Transport::Tcp] {
            if let Outcome::Reply(reply) = answer(&message, &Everything, transport, round) {
                assert!(reply.len() >= 12 && reply[2] & 0x80 != 0);
                assert_eq!(reply[..2], message[..2]);
                assert!(transport == Transport::Tcp || reply.len() <= 1232);
            }
        }
    }
}
