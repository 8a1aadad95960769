//! nftables over nfnetlink: transactions of tables, chains, sets, maps, elements and rules.
//!
//! A [`Transaction`] is applied by the kernel wholly or not at all. Elements are added to and taken
//! from maps and sets one by one, so that a change costs what it changes.
//! The numbers are those of `linux/netfilter/nf_tables.h`; registers are the 4-byte ones.

use super::{Attributes, Batch, Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Refusal, Socket};
use rustix::io::Errno;

pub mod conntrack;
mod expression;

pub use expression::{Compare, Ct, Expression, Family, Meta, Register, Verdict};

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEWTABLE: u16 = SUBSYSTEM;
const GETTABLE: u16 = SUBSYSTEM | 1;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const DELCHAIN: u16 = SUBSYSTEM | 5;
const NEWRULE: u16 = SUBSYSTEM | 6;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
const GETSETELEM: u16 = SUBSYSTEM | 13;
const DELSETELEM: u16 = SUBSYSTEM | 14;
const NFPROTO_INET: u8 = 1;
const NFPROTO_NETDEV: u8 = 5;

const SET_INTERVAL: u32 = 4;
const SET_MAP: u32 = 8;
const ELEMENT_INTERVAL_END: u32 = 1;
/// The kernel takes a set of a transaction by number or by name; names are enough, but it wants one.
const ANY_SET_ID: u32 = 1;
/// For `nft list`, which would print names backwards.
const KEYS_IN_HOST_ORDER: [u8; 6] = [0, 4, 1, 0, 0, 0];
/// A list of elements must fit one attribute; the longest element of ours takes under 128 bytes.
const ELEMENTS_MAX: usize = 400;

/// Where a base chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// All that arrives.
    Prerouting = 0,
    /// What passes through.
    Forward = 2,
    /// What is sent from here.
    Output = 3,
    /// All that leaves.
    Postrouting = 4,
}

/// Type, hook and priority of a base chain, whose policy is to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// Where.
    pub hook: Hook,
    /// Lower goes first.
    pub priority: i32,
}

/// Type of a key or of data: for people who list the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Four bytes.
    Ipv4,
    /// Sixteen bytes.
    Ipv6,
    /// One byte, in four.
    Protocol,
    /// Two bytes, in four.
    Port,
    /// Sixteen bytes.
    Interface,
}

impl Field {
    fn kind(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Interface => 41,
        }
    }

    fn length_bytes(self) -> u32 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 | Self::Interface => 16,
            Self::Protocol => 1,
            Self::Port => 2,
        }
    }
}

fn kind_of(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |kind, field| (kind << 6) | field.kind())
}

fn length_of(fields: &[Field]) -> u32 {
    match fields {
        [field] => field.length_bytes(),
        fields => fields.iter().map(|field| field.length_bytes().next_multiple_of(4)).sum(),
    }
}

/// An element of a set or a map; its bytes as [`Expression::Lookup`] finds them in registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Key.
    pub key: Vec<u8>,
    /// Data, of a map's.
    pub data: Option<Vec<u8>>,
    /// The first key that is beyond an interval.
    pub interval_end: bool,
}

impl Element {
    /// Of a set.
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), data: None, interval_end: false }
    }

    /// Of a map.
    pub fn entry(key: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), data: Some(data.into()), interval_end: false }
    }

    /// The end of an interval: the first key beyond it.
    pub fn end(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), data: None, interval_end: true }
    }
}

/// A set or a map to be.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// Fields of its keys.
    pub key: &'a [Field],
    /// Fields of its data; empty for a set.
    pub data: &'a [Field],
    /// Keys are intervals.
    pub interval: bool,
}

/// Changes to one table, applied together.
#[derive(Debug)]
pub struct Transaction {
    family: u8,
    table: String,
    batch: Batch,
}

impl Transaction {
    /// Of a table that sees packets of both families (`inet`).
    pub fn new(table: &str) -> Self {
        Self::of_family(NFPROTO_INET, table)
    }

    /// Of a table that sees frames as single links receive them (`netdev`).
    pub fn on_links(table: &str) -> Self {
        Self::of_family(NFPROTO_NETDEV, table)
    }

    fn of_family(family: u8, table: &str) -> Self {
        let mut batch = Batch::default();
        batch.message(BATCH_BEGIN, 0, &batch_head(), |_| {});
        Self { family, table: table.to_owned(), batch }
    }

    fn message(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Body<'_>, &str)) {
        let table = &self.table;
        self.batch.message(kind, flags, &[self.family, 0, 0, 0], |body| fill(body, table));
    }

    /// Makes the table; fails when there is one.
    pub fn add_table(&mut self) {
        self.message(NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, |body, table| body.text(1, table));
    }

    /// Makes the table unless there is one.
    pub fn ensure_table(&mut self) {
        self.message(NEWTABLE, NLM_F_CREATE, |body, table| body.text(1, table));
    }

    /// Removes the table with all it holds.
    pub fn delete_table(&mut self) {
        self.message(DELTABLE, 0, |body, table| body.text(1, table));
    }

    /// Makes a chain; without a base it is one to jump to.
    pub fn add_chain(&mut self, name: &str, base: Option<Base>) {
        self.message(NEWCHAIN, NLM_F_CREATE, |body, table| {
            body.text(1, table);
            body.text(3, name);
            if let Some(base) = base {
                body.nest(4, |body| {
                    body.be32(1, base.hook as u32);
                    body.be32(2, base.priority.cast_unsigned());
                });
                body.text(7, base.kind);
            }
        });
    }

    /// Makes a chain that sees what one link receives, before anybody else does.
    pub fn add_link_chain(&mut self, name: &str, link: &str) {
        self.message(NEWCHAIN, NLM_F_CREATE, |body, table| {
            body.text(1, table);
            body.text(3, name);
            body.nest(4, |body| {
                body.be32(1, 0);
                body.be32(2, 0);
                body.text(3, link);
            });
            body.text(7, "filter");
        });
    }

    /// Removes a chain with its rules.
    pub fn delete_chain(&mut self, name: &str) {
        self.message(DELCHAIN, 0, |body, table| {
            body.text(1, table);
            body.text(3, name);
        });
    }

    /// Makes a set or a map.
    pub fn add_set(&mut self, set: &Set<'_>) {
        self.message(NEWSET, NLM_F_CREATE, |body, table| {
            let interval = if set.interval { SET_INTERVAL } else { 0 };
            let map = if set.data.is_empty() { 0 } else { SET_MAP };
            body.text(1, table);
            body.text(2, set.name);
            body.be32(3, interval | map);
            body.be32(4, kind_of(set.key));
            body.be32(5, length_of(set.key));
            if !set.data.is_empty() {
                body.be32(6, kind_of(set.data));
                body.be32(7, length_of(set.data));
            }
            body.be32(10, ANY_SET_ID);
            if set.key == [Field::Interface] {
                body.bytes(13, &KEYS_IN_HOST_ORDER);
            }
        });
    }

    /// Adds elements. One that is there with the same data is no error, with other data it is.
    pub fn add_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements(NEWSETELEM, NLM_F_CREATE, set, elements);
    }

    /// Takes elements away; one that is not there is an error.
    pub fn delete_elements(&mut self, set: &str, elements: &[Element]) {
        self.elements(DELSETELEM, 0, set, elements);
    }

    fn elements(&mut self, kind: u16, flags: u16, set: &str, elements: &[Element]) {
        // No elements, no message: the kernel refuses an empty list.
        for elements in elements.chunks(ELEMENTS_MAX) {
            self.message(kind, flags, |body, table| {
                body.text(1, table);
                body.text(2, set);
                body.nest(3, |body| elements.iter().for_each(|each| element(body, each)));
            });
        }
    }

    /// Adds a rule at the end of a chain.
    pub fn add_rule(&mut self, chain: &str, expressions: &[Expression<'_>]) {
        self.message(NEWRULE, NLM_F_CREATE | super::NLM_F_APPEND, |body, table| {
            body.text(1, table);
            body.text(2, chain);
            body.nest(4, |body| {
                for expression in expressions {
                    body.nest(1, |body| expression.encode(body));
                }
            });
        });
    }
}

fn element(body: &mut Body<'_>, element: &Element) {
    body.nest(1, |body| {
        body.nest(1, |body| body.bytes(1, &element.key));
        if let Some(data) = &element.data {
            body.nest(2, |body| body.bytes(1, data));
        }
        if element.interval_end {
            body.be32(3, ELEMENT_INTERVAL_END);
        }
    });
}

fn batch_head() -> [u8; 4] {
    let [high, low] = (SUBSYSTEM >> 8).to_be_bytes();
    [0, 0, high, low]
}

impl Socket {
    /// Applies a transaction wholly or not at all.
    pub fn commit(&mut self, transaction: Transaction) -> Result<(), Refusal> {
        let Transaction { mut batch, .. } = transaction;
        // The beginning alone is acknowledged only since Linux 6.10.
        if batch.len() == 1 {
            return Ok(());
        }
        batch.acknowledge_last();
        batch.message(BATCH_END, 0, &batch_head(), |_| {});
        self.apply(batch)
    }

    /// Whether there is an `inet` table of this name.
    pub fn has_table(&mut self, name: &str) -> Result<bool, Refusal> {
        let mut batch = Batch::default();
        batch.message(GETTABLE, super::NLM_F_ACK, &[NFPROTO_INET, 0, 0, 0], |body| {
            body.text(1, name)
        });
        let mut found = false;
        match self.query(batch, &mut |message| found |= message.kind == NEWTABLE) {
            Err(refusal) if refusal.errno == Errno::NOENT => Ok(false),
            outcome => outcome.map(|()| found),
        }
    }

    /// Keys of a set's elements; none when there is no such set.
    pub fn elements(&mut self, table: &str, set: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let mut batch = Batch::default();
        batch.message(GETSETELEM, NLM_F_DUMP, &[NFPROTO_INET, 0, 0, 0], |body| {
            body.text(1, table);
            body.text(2, set);
        });
        let mut keys = Vec::new();
        let outcome = self.query(batch, &mut |message| {
            let inside = |bytes, wanted| {
                Attributes::new(bytes)
                    .filter(move |(kind, _)| *kind == wanted)
                    .map(|(_, value)| value)
            };
            for (_, list) in Attributes::after(message, 4).filter(|(kind, _)| *kind == 3) {
                let elements = inside(list, 1);
                let values =
                    elements.flat_map(|each| inside(each, 1)).flat_map(|key| inside(key, 1));
                keys.extend(values.map(<[u8]>::to_vec));
            }
        });
        match outcome {
            Err(refusal) if refusal.errno == Errno::NOENT => Ok(Vec::new()),
            outcome => outcome.map(|()| keys),
        }
    }

    /// Names of all `inet` tables.
    pub fn tables(&mut self) -> Result<Vec<String>, Refusal> {
        let mut batch = Batch::default();
        batch.message(GETTABLE, NLM_F_DUMP, &[NFPROTO_INET, 0, 0, 0], |_| {});
        let mut names = Vec::new();
        self.query(batch, &mut |message| {
            let name = Attributes::after(message, 4).find(|(kind, _)| *kind == 1);
            names.extend(
                name.map(|(_, name)| {
                    String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()
                }),
            );
        })?;
        Ok(names)
    }
}
