//! The answer to one message: a pure function of it and the zone.

use crate::message::{HEADER_BYTES, Query, is_request};
use crate::zone::{Answer, Zone};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
/// Containers come and go: nobody should remember for long.
const TTL_SECONDS: u32 = 5;
/// What every datagram may hold.
const DATAGRAM_BYTES_MIN: u16 = 512;
/// What a datagram holds that never has to be cut on the way (RFC 9715).
const DATAGRAM_BYTES_MAX: u16 = 1232;
/// Where the question's name stands.
const NAME_POINTER: [u8; 2] = [0xc0, HEADER_BYTES as u8];
const EXTENSION_BYTES: usize = 11;

const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
/// It could not be found out.
pub const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;
const REFUSED: u8 = 5;
/// A version of EDNS that is not known: four bits here, the rest in the extension.
const BAD_VERSION: u8 = 16;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This is sent back.
    Reply(Vec<u8>),
    /// The upstreams are asked.
    Forward,
    /// Nothing: it is no query.
    Ignore,
}

/// Answers a message from the zone. `turn` moves the order of several addresses on.
pub fn answer(message: &[u8], zone: &dyn Zone, transport: Transport, turn: usize) -> Outcome {
    if !is_request(message) {
        return Outcome::Ignore;
    }
    let Ok(query) = Query::read(message) else {
        return Outcome::Reply(malformed(message));
    };
    let say = |code| Outcome::Reply(reply(message, &query, code, &[], transport));
    if query.opcode != 0 {
        return say(NOT_IMPLEMENTED);
    }
    if query.extension.is_some_and(|extension| extension.version != 0) {
        return say(BAD_VERSION);
    }
    if query.class != CLASS_IN && query.class != CLASS_ANY {
        return say(REFUSED);
    }
    // A name that is no text is none of ours; upstreams may know it.
    let Some(name) = &query.name else { return Outcome::Forward };
    if query.kind == TYPE_PTR
        && let Some(address) = reverse(name)
        && let Some(target) = zone.name_of(address).and_then(|name| wire_name(&name))
    {
        let record = record(TYPE_PTR, &target);
        return Outcome::Reply(reply(message, &query, NO_ERROR, &[record], transport));
    }
    let Some(mut addresses) = zone.addresses(name) else {
        return match zone.otherwise(name) {
            Answer::Forward => Outcome::Forward,
            Answer::NotFound => say(NO_SUCH_NAME),
        };
    };
    let has_ipv4 = addresses.iter().any(IpAddr::is_ipv4);
    addresses.retain(|address| match query.kind {
        TYPE_A => address.is_ipv4(),
        TYPE_AAAA => address.is_ipv6(),
        // One set of records is enough (RFC 8482).
        TYPE_ANY => address.is_ipv4() == has_ipv4,
        _ => false,
    });
    if !addresses.is_empty() {
        let count = addresses.len();
        addresses.rotate_left(turn % count);
    }
    let records: Vec<_> = addresses
        .iter()
        .map(|address| match address {
            IpAddr::V4(v4) => record(TYPE_A, &v4.octets()),
            IpAddr::V6(v6) => record(TYPE_AAAA, &v6.octets()),
        })
        .collect();
    Outcome::Reply(reply(message, &query, NO_ERROR, &records, transport))
}

/// Says that a message's question could not be answered.
pub fn failure(message: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let query = Query::read(message).ok()?;
    Some(reply(message, &query, SERVER_FAILURE, &[], transport))
}

fn malformed(message: &[u8]) -> Vec<u8> {
    let mut reply = message[..HEADER_BYTES].to_vec();
    reply[2] = 0x80 | (message[2] & 0x79);
    reply[3] = 0x80 | FORMAT_ERROR;
    reply[4..].fill(0);
    reply
}

fn reply(
    message: &[u8],
    query: &Query,
    code: u8,
    records: &[Vec<u8>],
    transport: Transport,
) -> Vec<u8> {
    let limit = match (transport, query.extension) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => usize::from(DATAGRAM_BYTES_MIN),
        (Transport::Udp, Some(extension)) => {
            usize::from(extension.datagram_bytes.clamp(DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_MAX))
        }
    };
    let mut reply = message[..query.question_end].to_vec();
    let room = limit - if query.extension.is_some() { EXTENSION_BYTES } else { 0 };
    let mut count = 0u16;
    for record in records {
        if reply.len() + record.len() > room {
            break;
        }
        reply.extend_from_slice(record);
        count += 1;
    }
    let truncated = usize::from(count) < records.len();
    // An answer, authoritative, perhaps cut short; recursion as it was wished, and available.
    reply[2] = 0x84 | (query.opcode << 3) | u8::from(truncated) << 1 | u8::from(query.recursion);
    reply[3] = 0x80 | (code & 0xf);
    reply[4..6].copy_from_slice(&1u16.to_be_bytes());
    reply[6..8].copy_from_slice(&count.to_be_bytes());
    reply[8..10].fill(0);
    reply[10..12].copy_from_slice(&u16::from(query.extension.is_some()).to_be_bytes());
    if query.extension.is_some() {
        let [high, low] = DATAGRAM_BYTES_MAX.to_be_bytes();
        reply.extend_from_slice(&[0, 0, 41, high, low, code >> 4, 0, 0, 0, 0, 0]);
    }
    reply
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = NAME_POINTER.to_vec();
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&CLASS_IN.to_be_bytes());
    record.extend_from_slice(&TTL_SECONDS.to_be_bytes());
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

fn wire_name(name: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        wire.push(length);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    (wire.len() <= 255).then_some(wire)
}

/// The address that a name of a reverse look-up means.
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0u8; 4];
        let mut labels = labels.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let labels = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0;
    for label in labels.split('.').rev() {
        let digit = u128::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
        bits = bits.checked_shl(4)? | digit;
        count += 1;
    }
    (count == 32).then(|| IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

#[cfg(test)]
mod tests;
