//! Forgetting connections: a datagram flow that was tracked before a port was published, or after
//! its pod went, would keep going where it went before.

use super::super::{Attributes, Batch, Body, NLM_F_ACK, NLM_F_DUMP, Refusal, Socket};
use rustix::io::Errno;
use std::net::IpAddr;

const SUBSYSTEM: u16 = 1 << 8;
const CT_GET: u16 = SUBSYSTEM | 1;
const CT_DELETE: u16 = SUBSYSTEM | 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const FILTER_SOURCE: u32 = 1 << 0;
const FILTER_PROTOCOL: u32 = 1 << 3;
const FILTER_DESTINATION_PORT: u32 = 1 << 5;
const NESTED: u16 = 0x8000;
const UDP: u8 = 17;

/// Which datagram flows are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flows {
    /// Those that this address answers.
    AnsweredBy(IpAddr),
    /// Those sent to this port, over IPv4 or IPv6.
    SentTo {
        /// The port.
        port: u16,
        /// Which family.
        ipv4: bool,
    },
}

impl Flows {
    fn is_ipv4(self) -> bool {
        match self {
            Self::AnsweredBy(address) => address.is_ipv4(),
            Self::SentTo { ipv4, .. } => ipv4,
        }
    }

    fn tuple(self) -> u16 {
        match self {
            Self::AnsweredBy(_) => TUPLE_REPLY,
            Self::SentTo { .. } => TUPLE_ORIGINAL,
        }
    }

    fn fill(self, body: &mut Body<'_>) {
        match self {
            Self::AnsweredBy(address) => {
                body.nest(1, |body| match address {
                    IpAddr::V4(v4) => body.bytes(1, &v4.octets()),
                    IpAddr::V6(v6) => body.bytes(3, &v6.octets()),
                });
                body.nest(2, |body| body.u8(1, UDP));
            }
            Self::SentTo { port, .. } => body.nest(2, |body| {
                body.u8(1, UDP);
                body.bytes(3, &port.to_be_bytes());
            }),
        }
    }

    fn matches(self, tuple: &[u8]) -> bool {
        let find = |bytes, wanted| {
            Attributes::new(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
        };
        let ip = |kind| find(tuple, 1).and_then(|ip| find(ip, kind));
        let protocol = |kind| find(tuple, 2).and_then(|protocol| find(protocol, kind));
        let same = match self {
            Self::AnsweredBy(IpAddr::V4(v4)) => ip(1) == Some(&v4.octets()[..]),
            Self::AnsweredBy(IpAddr::V6(v6)) => ip(3) == Some(&v6.octets()[..]),
            Self::SentTo { port, .. } => protocol(3) == Some(&port.to_be_bytes()[..]),
        };
        same && protocol(1) == Some(&[UDP][..])
    }

    fn flags(self) -> u32 {
        match self {
            Self::AnsweredBy(_) => FILTER_SOURCE | FILTER_PROTOCOL,
            Self::SentTo { .. } => FILTER_PROTOCOL | FILTER_DESTINATION_PORT,
        }
    }
}

impl Socket {
    /// Forgets datagram flows. The kernel looks through its table of connections once.
    pub fn forget(&mut self, flows: Flows) -> Result<usize, Refusal> {
        let head = [if flows.is_ipv4() { 2 } else { 10 }, 0, 0, 0];
        let mut batch = Batch::default();
        batch.message(CT_GET, NLM_F_DUMP, &head, |body| {
            body.nest(flows.tuple(), |body| flows.fill(body));
            body.nest(FILTER, |body| {
                let original = flows.tuple() == TUPLE_ORIGINAL;
                body.u32(1, if original { flows.flags() } else { 0 });
                body.u32(2, if original { 0 } else { flows.flags() });
            });
        });
        let mut found = Vec::new();
        self.query(batch, &mut |message| {
            let part = |wanted| {
                let mut attributes = Attributes::after(message, 4);
                attributes.find(|(kind, _)| *kind == wanted).map(|(_, value)| value.to_owned())
            };
            // A kernel before 5.8 does not know the filter and sends everything.
            if part(flows.tuple()).is_some_and(|tuple| flows.matches(&tuple)) {
                found.extend(part(TUPLE_ORIGINAL).map(|tuple| (tuple, part(ZONE))));
            }
        })?;
        let mut forgotten = 0;
        for (tuple, zone) in found {
            let mut batch = Batch::default();
            batch.message(CT_DELETE, NLM_F_ACK, &head, |body| {
                body.bytes(TUPLE_ORIGINAL | NESTED, &tuple);
                if let Some(zone) = zone {
                    body.bytes(ZONE, &zone);
                }
            });
            match self.apply(batch) {
                Ok(()) => forgotten += 1,
                // It ended by itself meanwhile.
                Err(refusal) if refusal.errno == Errno::NOENT => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(forgotten)
    }
}
