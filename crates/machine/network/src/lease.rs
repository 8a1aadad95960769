//! Who has which address: two bitmaps in one small file, changed under the network's lock.
//!
//! ```text
//! 0     8      12      16       20       24           88
//! magic slots4 slots6  cursor4  cursor6  shards[32]   bits of IPv4 … bits of IPv6
//! ```
//! Addresses are handed out in turn, so that one that was given back is the last to be used again.
//! A bit is set before the endpoint's file is written and cleared after that is gone: a crash can
//! only leave a bit too many, which [`crate::Networks::repair`] sees by counting.

use crate::address::Subnet;
use crate::error::{Error, Result};
use crate::files::failed;
use crate::record::Pool;
use std::fs::{File, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"TEULEAS1";
const HEADER_BYTES: usize = 88;
const SHARDS_AT: usize = 24;
/// Bridges that one network is spread over at most.
pub const SHARDS_MAX: usize = 32;
/// Addresses of a family that are handed out in one network.
const SLOTS_MAX: u128 = 1 << 16;

/// The addresses of one family that are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    subnet: Subnet,
    gateway: IpAddr,
    /// Index in the subnet of the first slot.
    base: u128,
    slots: u32,
}

impl Window {
    /// Of a pool: its range, or the whole subnet, cut to what one file holds.
    pub fn of(pool: &Pool) -> Self {
        let range = pool.range.unwrap_or(pool.subnet);
        let base = pool.subnet.index_of(range.network().address).unwrap_or_default();
        let slots = (range.host_mask().saturating_add(1)).min(SLOTS_MAX) as u32;
        Self { subnet: pool.subnet, gateway: pool.gateway, base, slots }
    }

    fn address(&self, slot: u32) -> Option<IpAddr> {
        self.subnet.nth(self.base + u128::from(slot))
    }

    /// Place of an address, when it is among those handed out.
    pub fn slot(&self, address: IpAddr) -> Option<u32> {
        let index = self.subnet.index_of(address)?.checked_sub(self.base)?;
        u32::try_from(index).ok().filter(|slot| *slot < self.slots)
    }

    /// Whether no endpoint may have it: network, gateway, the last (IPv4's broadcast; over IPv6 it
    /// stands for the host's `::1`).
    pub fn is_reserved(&self, address: IpAddr) -> bool {
        let index = self.subnet.index_of(address);
        let last = Some(self.subnet.host_mask());
        address == self.gateway || index == Some(0) || index == last
    }
}

/// The open file, with all it says.
#[derive(Debug)]
pub struct Leases {
    file: File,
    path: PathBuf,
    bytes: Vec<u8>,
    windows: [Option<Window>; 2],
}

impl Leases {
    /// Opens it, or starts a new one when the network's subnets have another shape. The caller holds
    /// the network's lock.
    pub fn open(path: &Path, ipv4: Option<&Pool>, ipv6: Option<&Pool>) -> Result<Self> {
        let windows = [ipv4.map(Window::of), ipv6.map(Window::of)];
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(failed("open", path))?;
        let mut leases = Self { file, path: path.to_owned(), bytes: Vec::new(), windows };
        let [slots4, slots6] = windows.map(|window| window.map_or(0, |window| window.slots));
        let bits = (slots4.div_ceil(8) + slots6.div_ceil(8)) as usize;
        leases.bytes.resize(HEADER_BYTES + bits, 0);
        let mut header = [0; 16];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&slots4.to_le_bytes());
        header[12..].copy_from_slice(&slots6.to_le_bytes());
        let whole = leases.file.read_exact_at(&mut leases.bytes, 0).is_ok();
        if !whole || leases.bytes[..16] != header {
            leases.bytes.fill(0);
            leases.bytes[..16].copy_from_slice(&header);
            leases.file.set_len(0).map_err(failed("write", path))?;
            leases.write(0, leases.bytes.len())?;
        }
        Ok(leases)
    }

    /// Takes the next free address of a family; `None` when the network has none of that family.
    /// `near` is the place that another family's address has, for addresses that end alike.
    pub fn take(&mut self, ipv4: bool, near: Option<IpAddr>) -> Result<Option<IpAddr>> {
        let Some(window) = self.window(ipv4) else { return Ok(None) };
        let near = near.and_then(|address| self.window(!ipv4)?.slot(address));
        let cursor = self.cursor(ipv4);
        let turn = (1..=window.slots).map(|step| (cursor + step) % window.slots);
        let free =
            near.filter(|slot| *slot < window.slots).into_iter().chain(turn).find_map(|slot| {
                let address = window.address(slot)?;
                (!self.is_taken(ipv4, slot) && !window.is_reserved(address))
                    .then_some((slot, address))
            });
        let Some((slot, address)) = free else { return Err(self.exhausted(ipv4)) };
        self.set(ipv4, slot)?;
        self.bytes[cursor_at(ipv4)..][..4].copy_from_slice(&slot.to_le_bytes());
        self.write(cursor_at(ipv4), 4)?;
        Ok(Some(address))
    }

    /// Takes this address; false when it is taken already. One that is not among those handed out
    /// is not noted here, and free as far as this file knows.
    pub fn take_this(&mut self, address: IpAddr) -> Result<bool> {
        let Some(slot) = self.window(address.is_ipv4()).and_then(|window| window.slot(address))
        else {
            return Ok(true);
        };
        if self.is_taken(address.is_ipv4(), slot) {
            return Ok(false);
        }
        self.set(address.is_ipv4(), slot).map(|()| true)
    }

    /// Gives an address back.
    pub fn give_back(&mut self, address: IpAddr) -> Result<()> {
        match self.window(address.is_ipv4()).and_then(|window| window.slot(address)) {
            Some(slot) => self.clear_bit(address.is_ipv4(), slot),
            None => Ok(()),
        }
    }

    /// Forgets all addresses and shards, keeping the turn.
    pub fn clear(&mut self) -> Result<()> {
        self.bytes[SHARDS_AT..].fill(0);
        self.write(SHARDS_AT, self.bytes.len() - SHARDS_AT)
    }

    /// How many endpoints each bridge carries.
    pub fn shards(&self) -> [u16; SHARDS_MAX] {
        std::array::from_fn(|shard| {
            let at = SHARDS_AT + 2 * shard;
            u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
        })
    }

    /// How many endpoints there are.
    pub fn count(&self) -> usize {
        self.shards().iter().map(|&count| usize::from(count)).sum()
    }

    /// Notes one endpoint more or less on a bridge.
    pub fn count_on(&mut self, shard: usize, change: i16) -> Result<()> {
        let at = SHARDS_AT + 2 * shard.min(SHARDS_MAX - 1);
        let count = u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]);
        self.bytes[at..at + 2].copy_from_slice(&count.saturating_add_signed(change).to_le_bytes());
        self.write(at, 2)
    }

    fn window(&self, ipv4: bool) -> Option<Window> {
        self.windows[usize::from(!ipv4)]
    }

    fn cursor(&self, ipv4: bool) -> u32 {
        let bytes = &self.bytes[cursor_at(ipv4)..][..4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn byte_of(&self, ipv4: bool, slot: u32) -> usize {
        let first = if ipv4 { 0 } else { self.windows[0].map_or(0, |window| window.slots) };
        HEADER_BYTES + first.div_ceil(8) as usize + (slot / 8) as usize
    }

    fn is_taken(&self, ipv4: bool, slot: u32) -> bool {
        self.bytes[self.byte_of(ipv4, slot)] & (1 << (slot % 8)) != 0
    }

    fn set(&mut self, ipv4: bool, slot: u32) -> Result<()> {
        let at = self.byte_of(ipv4, slot);
        self.bytes[at] |= 1 << (slot % 8);
        self.write(at, 1)
    }

    fn clear_bit(&mut self, ipv4: bool, slot: u32) -> Result<()> {
        let at = self.byte_of(ipv4, slot);
        self.bytes[at] &= !(1 << (slot % 8));
        self.write(at, 1)
    }

    fn write(&self, at: usize, length: usize) -> Result<()> {
        self.file
            .write_all_at(&self.bytes[at..at + length], at as u64)
            .map_err(failed("write", &self.path))
    }

    fn exhausted(&self, ipv4: bool) -> Error {
        let family = if ipv4 { "IPv4" } else { "IPv6" };
        Error::AddressesExhausted { network: String::new(), family }
    }
}

fn cursor_at(ipv4: bool) -> usize {
    if ipv4 { 16 } else { 20 }
}

#[cfg(test)]
mod tests;
