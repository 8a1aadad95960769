//! What rules are made of.

use super::super::Body;

/// A register of four bytes, 0 to 15. Longer values take those that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(pub u8);

impl Register {
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// Protocol family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the families'")]
pub enum Family {
    Ipv4 = 2,
    Ipv6 = 10,
}

/// What the kernel knows of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Protocol above Ethernet; two bytes, the network's order.
    EtherType = 1,
    /// Name of the interface it came by; 16 bytes.
    InputName = 6,
    /// Name of the interface it leaves by; 16 bytes.
    OutputName = 7,
    /// [`Family`]; one byte.
    Family = 15,
    /// Protocol above IP; one byte.
    Protocol = 16,
    /// Whether it is for this host; one byte, 0 for yes.
    PacketKind = 19,
    /// Kind of the interface it came by (`bridge`, …); 16 bytes.
    InputKind = 26,
    /// Kind of the interface it leaves by; 16 bytes.
    OutputKind = 27,
}

/// What connection tracking knows; both are bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ct {
    /// See [`Ct::ESTABLISHED`].
    State = 0,
    /// See [`Ct::DESTINATION_CHANGED`].
    Status = 2,
}

impl Ct {
    /// A state: both sides have spoken.
    pub const ESTABLISHED: u32 = 2;
    /// A state: belongs to a connection that is known.
    pub const RELATED: u32 = 4;
    /// A status: DNAT has been done.
    pub const DESTINATION_CHANGED: u32 = 32;
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Goes on when equal.
    Equal = 0,
    /// Goes on when different.
    Different = 1,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is gone.
    Drop,
    /// The base chain has no more to say; those of others do.
    Accept,
    /// Goes through a chain and comes back.
    Jump(&'a str),
    /// Back to the calling chain.
    Return,
}

/// One step of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expression<'a> {
    /// Loads what the kernel knows.
    Meta(Meta, Register),
    /// Changes what the kernel knows.
    SetMeta(Meta, Register),
    /// Changes the hardware address that a frame is for.
    SetHardwareDestination(Register),
    /// Sends a frame out of the link whose number is loaded.
    SendBy(Register),
    /// Loads bytes that are known.
    Load(Register, &'a [u8]),
    /// Loads bytes of the IP header: offset, length.
    Network(u32, u32, Register),
    /// Loads bytes of the TCP, UDP or SCTP header: offset, length.
    Transport(u32, u32, Register),
    /// Loads what connection tracking knows.
    Ct(Ct, Register),
    /// Loads the kind of the destination address; compare with [`Expression::LOCAL`].
    DestinationKind(Register),
    /// Compares bytes.
    Compare(Register, Compare, &'a [u8]),
    /// Keeps these bits of a register.
    Mask(Register, u32),
    /// Goes on when the set has the key.
    In(&'a str, Register),
    /// Goes on when it has not.
    NotIn(&'a str, Register),
    /// Goes on when the map has the key, its data loaded.
    Lookup(&'a str, Register, Register),
    /// Ends the rule.
    Verdict(Verdict<'a>),
    /// Changes the destination: address, port.
    Dnat(Family, Register, Register),
    /// Changes the source: address.
    Snat(Family, Register),
    /// Changes the source to an address of the interface it leaves by.
    Masquerade,
    /// Leaves the packet out of connection tracking.
    NoTrack,
}

impl Expression<'_> {
    /// An address of this machine, for [`Expression::DestinationKind`].
    pub const LOCAL: u32 = 2;

    pub(super) fn encode(&self, body: &mut Body<'_>) {
        body.text(1, self.name());
        body.nest(2, |body| self.fill(body));
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) | Self::SetMeta(..) => "meta",
            Self::Network(..) | Self::Transport(..) | Self::SetHardwareDestination(_) => "payload",
            Self::SendBy(_) => "fwd",
            Self::Ct(..) => "ct",
            Self::DestinationKind(_) => "fib",
            Self::Compare(..) => "cmp",
            Self::Mask(..) => "bitwise",
            Self::In(..) | Self::NotIn(..) | Self::Lookup(..) => "lookup",
            Self::Verdict(_) | Self::Load(..) => "immediate",
            Self::Dnat(..) | Self::Snat(..) => "nat",
            Self::Masquerade => "masq",
            Self::NoTrack => "notrack",
        }
    }

    fn fill(&self, body: &mut Body<'_>) {
        match *self {
            Self::Meta(key, into) => {
                body.be32(1, into.number());
                body.be32(2, key as u32);
            }
            Self::SetMeta(key, from) => {
                body.be32(2, key as u32);
                body.be32(3, from.number());
            }
            Self::SetHardwareDestination(from) => {
                body.be32(2, 0);
                body.be32(3, 0);
                body.be32(4, 6);
                body.be32(5, from.number());
            }
            Self::SendBy(link) => body.be32(1, link.number()),
            Self::Load(into, value) => {
                body.be32(1, into.number());
                body.nest(2, |body| body.bytes(1, value));
            }
            Self::Network(offset, length, into) => payload(body, 1, offset, length, into),
            Self::Transport(offset, length, into) => payload(body, 2, offset, length, into),
            Self::Ct(key, into) => {
                body.be32(1, into.number());
                body.be32(2, key as u32);
            }
            Self::DestinationKind(into) => {
                body.be32(1, into.number());
                body.be32(2, 3);
                body.be32(3, 2);
            }
            Self::Compare(from, how, value) => {
                body.be32(1, from.number());
                body.be32(2, how as u32);
                body.nest(3, |body| body.bytes(1, value));
            }
            Self::Mask(register, mask) => {
                body.be32(1, register.number());
                body.be32(2, register.number());
                body.be32(3, 4);
                body.nest(4, |body| body.u32(1, mask));
                body.nest(5, |body| body.u32(1, 0));
            }
            Self::In(set, from) => lookup(body, set, from, None, false),
            Self::NotIn(set, from) => lookup(body, set, from, None, true),
            Self::Lookup(set, from, into) => lookup(body, set, from, Some(into), false),
            Self::Verdict(verdict) => {
                body.be32(1, 0);
                body.nest(2, |body| body.nest(2, |body| encode_verdict(body, verdict)));
            }
            Self::Dnat(family, address, port) => {
                body.be32(1, 1);
                body.be32(2, family as u32);
                body.be32(3, address.number());
                body.be32(5, port.number());
            }
            Self::Snat(family, address) => {
                body.be32(1, 0);
                body.be32(2, family as u32);
                body.be32(3, address.number());
            }
            Self::Masquerade | Self::NoTrack => {}
        }
    }
}

fn payload(body: &mut Body<'_>, base: u32, offset: u32, length: u32, into: Register) {
    body.be32(1, into.number());
    body.be32(2, base);
    body.be32(3, offset);
    body.be32(4, length);
}

fn lookup(body: &mut Body<'_>, set: &str, from: Register, into: Option<Register>, invert: bool) {
    body.text(1, set);
    body.be32(2, from.number());
    if let Some(into) = into {
        body.be32(3, into.number());
    }
    if invert {
        body.be32(5, 1);
    }
}

fn encode_verdict(body: &mut Body<'_>, verdict: Verdict<'_>) {
    let code: i32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Jump(_) => -3,
        Verdict::Return => -5,
    };
    body.be32(1, code.cast_unsigned());
    if let Verdict::Jump(chain) = verdict {
        body.text(2, chain);
    }
}
