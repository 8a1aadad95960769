//! Links, addresses, routes and neighbours (rtnetlink), as verbs that add a message to a [`Batch`].
//!
//! Every verb asks for an acknowledgement, so that [`Socket::apply`] reports the first that was
//! refused. Links are named where the kernel takes a name, numbered where it wants the number.

use super::{
    Attributes, Batch, Body, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE,
    Refusal, Socket,
};
use rustix::io::Errno;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

mod consts;
use consts::*;

/// A link that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub mtu: u32,
    /// Number of the bridge it is a port of; 0 for none.
    pub master: u32,
    /// Group of links.
    pub group: u32,
    /// Set to be up.
    pub up: bool,
    /// `bridge`, `veth`, …; empty for hardware.
    pub kind: String,
}

/// A bridge to be.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address: one that is set does not follow the ports'.
    pub mac: [u8; 6],
    /// Bytes; 0 for the kernel's choice.
    pub mtu: u32,
}

/// A pair of virtual Ethernet interfaces to be: one here, one elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Veth<'a> {
    /// Name of the end that stays here.
    pub name: &'a str,
    /// Name of the other end.
    pub peer: &'a str,
    /// Hardware address of the other end.
    pub peer_mac: Option<[u8; 6]>,
    /// Where the other end lives; here when `None`.
    pub peer_netns: Option<BorrowedFd<'a>>,
    /// Bytes, of both.
    pub mtu: u32,
    /// Bridge that this end becomes a port of.
    pub master: u32,
}

/// How a port of a bridge behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Port {
    /// A frame may leave by the port it came in.
    pub hairpin: bool,
    /// No frames to or from other isolated ports.
    pub isolated: bool,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a neighbour of a link.
    Gateway(IpAddr, u32),
    /// To a link.
    Link(u32),
    /// Nowhere: senders are told so.
    Unreachable,
}

/// A route to be, or one that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// First address; the unspecified one for a default route.
    pub destination: IpAddr,
    /// Leading bits.
    pub prefix: u8,
    /// Where it leads.
    pub way: Way,
    /// The lowest wins; 0 for the kernel's choice.
    pub metric: u32,
}

impl Batch {
    /// Makes a bridge, down; fails when the name is taken.
    pub fn add_bridge(&mut self, bridge: &Bridge<'_>) {
        self.message(RTM_NEWLINK, ACK_NEW, &link_head(0, 0, 0), |body| {
            body.text(IFLA_IFNAME, bridge.name);
            body.bytes(IFLA_ADDRESS, &bridge.mac);
            if bridge.mtu != 0 {
                body.u32(IFLA_MTU, bridge.mtu);
            }
            body.nest(IFLA_LINKINFO, |body| {
                body.text(IFLA_INFO_KIND, "bridge");
                body.nest(IFLA_INFO_DATA, |body| {
                    body.u32(IFLA_BR_FORWARD_DELAY, 0);
                    // Nobody queries here: snooping would only lose neighbour discovery.
                    body.u8(IFLA_BR_MCAST_SNOOPING, 0);
                });
            });
        });
    }

    /// Makes a pair; both ends are down.
    pub fn add_veth(&mut self, veth: &Veth<'_>) {
        self.message(RTM_NEWLINK, ACK_NEW, &link_head(0, 0, 0), |body| {
            body.text(IFLA_IFNAME, veth.name);
            body.u32(IFLA_MTU, veth.mtu);
            if veth.master != 0 {
                body.u32(IFLA_MASTER, veth.master);
            }
            body.nest(IFLA_LINKINFO, |body| {
                body.text(IFLA_INFO_KIND, "veth");
                body.nest(IFLA_INFO_DATA, |body| {
                    body.nest_with_head(VETH_INFO_PEER, &link_head(0, 0, 0), |body| {
                        body.text(IFLA_IFNAME, veth.peer);
                        body.u32(IFLA_MTU, veth.mtu);
                        if let Some(mac) = veth.peer_mac {
                            body.bytes(IFLA_ADDRESS, &mac);
                        }
                        if let Some(netns) = veth.peer_netns {
                            body.u32(IFLA_NET_NS_FD, netns.as_raw_fd() as u32);
                        }
                    });
                });
            });
        });
    }

    /// Brings a port of a bridge up, set as told, speaking no IPv6 itself.
    pub fn port_up(&mut self, name: &str, port: Port) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(0, IFF_UP, IFF_UP), |body| {
            body.text(IFLA_IFNAME, name);
            no_ipv6_of_its_own(body);
            if port != Port::default() {
                body.nest(IFLA_LINKINFO, |body| {
                    body.text(IFLA_INFO_SLAVE_KIND, "bridge");
                    body.nest(IFLA_INFO_SLAVE_DATA, |body| {
                        body.u8(IFLA_BRPORT_MODE, u8::from(port.hairpin));
                        body.u8(IFLA_BRPORT_ISOLATED, u8::from(port.isolated));
                    });
                });
            }
        });
    }

    /// Lets a port of a bridge pass nothing any more, and the bridge forget who was behind it.
    /// Removing the link makes the kernel wait until nobody uses it; this does not.
    pub fn cut_port(&mut self, name: &str) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(0, 0, 0), |body| {
            body.text(IFLA_IFNAME, name);
            body.nest(IFLA_LINKINFO, |body| {
                body.text(IFLA_INFO_SLAVE_KIND, "bridge");
                body.nest(IFLA_INFO_SLAVE_DATA, |body| {
                    // A port that is disabled and has a carrier is enabled again by the kernel.
                    body.u8(IFLA_BRPORT_STATE, BR_STATE_LISTENING);
                    body.bytes(IFLA_BRPORT_FLUSH, &[]);
                });
            });
        });
    }

    /// Brings a link up.
    pub fn up(&mut self, index: u32) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(index, IFF_UP, IFF_UP), |_| {});
    }

    /// Makes a link a port of a bridge.
    pub fn set_master(&mut self, name: &str, master: u32) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(0, 0, 0), |body| {
            body.text(IFLA_IFNAME, name);
            body.u32(IFLA_MASTER, master);
        });
    }

    /// Sets how much one packet holds.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(index, 0, 0), |body| {
            body.u32(IFLA_MTU, mtu);
        });
    }

    /// Sets a hardware address.
    pub fn set_mac(&mut self, index: u32, mac: [u8; 6]) {
        self.message(RTM_NEWLINK, NLM_F_ACK, &link_head(index, 0, 0), |body| {
            body.bytes(IFLA_ADDRESS, &mac);
        });
    }

    /// Removes a link, and with it its peer, its addresses and its routes.
    pub fn delete_link(&mut self, name: &str) {
        self.message(RTM_DELLINK, NLM_F_ACK, &link_head(0, 0, 0), |body| {
            body.text(IFLA_IFNAME, name);
        });
    }

    /// Likewise by its number, which no other link ever gets.
    pub fn delete_link_number(&mut self, index: u32) {
        self.message(RTM_DELLINK, NLM_F_ACK, &link_head(index, 0, 0), |_| {});
    }

    /// Gives a link an address, usable at once (whoever assigns it knows that it is free).
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) {
        self.address(index, address, prefix, FOR_EVER);
    }

    /// Likewise, one that nothing is sent from unless it is asked for by name.
    pub fn add_silent_address(&mut self, index: u32, address: IpAddr, prefix: u8) {
        self.address(index, address, prefix, 0);
    }

    fn address(&mut self, index: u32, address: IpAddr, prefix: u8, preferred_seconds: u32) {
        let mut head = [family(address), prefix, IFA_F_NODAD, RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
        head[4..].copy_from_slice(&index.to_ne_bytes());
        self.message(RTM_NEWADDR, ACK_NEW, &head, |body| {
            ip(body, IFA_LOCAL, address);
            ip(body, IFA_ADDRESS, address);
            if preferred_seconds != FOR_EVER {
                let lifetimes = [preferred_seconds, FOR_EVER, 0, 0];
                body.bytes(IFA_CACHEINFO, &lifetimes.map(u32::to_ne_bytes).concat());
            }
            if let (IpAddr::V4(v4), 1..=30) = (address, prefix) {
                let broadcast = v4.to_bits() | (u32::MAX >> prefix);
                body.bytes(IFA_BROADCAST, &broadcast.to_be_bytes());
            }
        });
    }

    /// Adds a route; fails when there is one with this destination and metric.
    pub fn add_route(&mut self, route: &Route) {
        self.route(RTM_NEWROUTE, ACK_NEW, route);
    }

    /// Removes a route.
    pub fn delete_route(&mut self, route: &Route) {
        self.route(RTM_DELROUTE, NLM_F_ACK, route);
    }

    fn route(&mut self, kind: u16, flags: u16, route: &Route) {
        let (rtype, scope) = match route.way {
            Way::Gateway(..) => (RTN_UNICAST, RT_SCOPE_UNIVERSE),
            Way::Link(_) if route.destination.is_ipv4() => (RTN_UNICAST, RT_SCOPE_LINK),
            Way::Link(_) => (RTN_UNICAST, RT_SCOPE_UNIVERSE),
            Way::Unreachable => (RTN_UNREACHABLE, RT_SCOPE_UNIVERSE),
        };
        let mut head = [0; 12];
        head[..8].copy_from_slice(&[
            family(route.destination),
            route.prefix,
            0,
            0,
            RT_TABLE_MAIN,
            RTPROT_STATIC,
            scope,
            rtype,
        ]);
        self.message(kind, flags, &head, |body| {
            ip(body, RTA_DST, route.destination);
            match route.way {
                Way::Gateway(gateway, link) => {
                    ip(body, RTA_GATEWAY, gateway);
                    body.u32(RTA_OIF, link);
                }
                Way::Link(link) => body.u32(RTA_OIF, link),
                Way::Unreachable => {}
            }
            if route.metric != 0 {
                body.u32(RTA_PRIORITY, route.metric);
            }
        });
    }

    /// Says once and for all which hardware address an address has, whatever was known before.
    pub fn add_neighbour(&mut self, index: u32, address: IpAddr, mac: [u8; 6]) {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.message(RTM_NEWNEIGH, flags, &neighbour_head(index, address), |body| {
            ip(body, NDA_DST, address);
            body.bytes(NDA_LLADDR, &mac);
        });
    }

    /// Forgets it.
    pub fn delete_neighbour(&mut self, index: u32, address: IpAddr) {
        self.message(RTM_DELNEIGH, NLM_F_ACK, &neighbour_head(index, address), |body| {
            ip(body, NDA_DST, address);
        });
    }
}

impl Socket {
    /// The link of a name; its cost does not grow with the number of links.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Refusal> {
        let mut batch = Batch::default();
        batch.message(RTM_GETLINK, NLM_F_ACK, &link_head(0, 0, 0), |body| {
            body.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
            body.text(IFLA_IFNAME, name);
        });
        let mut found = None;
        match self.query(batch, &mut |message| found = found.take().or_else(|| read_link(message)))
        {
            Err(refusal) if refusal.errno == Errno::NODEV => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }

    /// All links.
    pub fn links(&mut self) -> Result<Vec<Link>, Refusal> {
        let mut batch = Batch::default();
        batch.message(RTM_GETLINK, NLM_F_DUMP, &link_head(0, 0, 0), |body| {
            body.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        });
        let mut links = Vec::new();
        self.query(batch, &mut |message| links.extend(read_link(message)))?;
        Ok(links)
    }

    /// All addresses of all links: number of the link, address, prefix.
    pub fn addresses(&mut self) -> Result<Vec<(u32, IpAddr, u8)>, Refusal> {
        let mut batch = Batch::default();
        batch.message(RTM_GETADDR, NLM_F_DUMP, &[0; 8], |_| {});
        let mut addresses = Vec::new();
        self.query(batch, &mut |message| {
            let (Some(head), true) = (message.payload.get(..8), message.kind == RTM_NEWADDR) else {
                return;
            };
            let index = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
            let found = |wanted| Attributes::after(message, 8).find(|(kind, _)| *kind == wanted);
            let address = found(IFA_LOCAL).or_else(|| found(IFA_ADDRESS));
            if let Some(address) = address.and_then(|(_, bytes)| read_ip(bytes)) {
                addresses.push((index, address, head[1]));
            }
        })?;
        Ok(addresses)
    }

    /// Routes of both families that lead somewhere or are guards; those of single addresses and of
    /// broadcasts are left out.
    pub fn routes(&mut self) -> Result<Vec<Route>, Refusal> {
        let mut routes = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut batch = Batch::default();
            let mut head = [0; 12];
            head[0] = family;
            batch.message(RTM_GETROUTE, NLM_F_DUMP, &head, |_| {});
            let outcome = self.query(batch, &mut |message| routes.extend(read_route(message)));
            match outcome {
                // A kernel without the family has no routes of it.
                Err(refusal) if refusal.errno == Errno::OPNOTSUPP => {}
                outcome => outcome?,
            }
        }
        Ok(routes)
    }
}

const ACK_NEW: u16 = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

fn link_head(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut head = [0; 16];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..].copy_from_slice(&change.to_ne_bytes());
    head
}

fn neighbour_head(index: u32, address: IpAddr) -> [u8; 12] {
    let mut head = [0; 12];
    head[0] = family(address);
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
    head
}

fn no_ipv6_of_its_own(body: &mut Body<'_>) {
    body.nest(IFLA_AF_SPEC, |body| {
        body.nest(u16::from(AF_INET6), |body| {
            body.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        });
    });
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn ip(body: &mut Body<'_>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => body.bytes(kind, &v4.octets()),
        IpAddr::V6(v6) => body.bytes(kind, &v6.octets()),
    }
}

fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

fn read_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn read_link(message: &super::Message<'_>) -> Option<Link> {
    let head = message.payload.get(..16).filter(|_| message.kind == RTM_NEWLINK)?;
    let mut link = Link {
        index: read_u32(&head[4..8]),
        up: read_u32(&head[8..12]) & IFF_UP != 0,
        ..Link::default()
    };
    for (kind, value) in Attributes::after(message, 16) {
        match kind {
            IFLA_IFNAME => link.name = read_text(value),
            IFLA_MTU => link.mtu = read_u32(value),
            IFLA_MASTER => link.master = read_u32(value),
            IFLA_GROUP => link.group = read_u32(value),
            IFLA_LINKINFO => {
                let found = Attributes::new(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                link.kind = found.map(|(_, kind)| read_text(kind)).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(link)
}

fn read_route(message: &super::Message<'_>) -> Option<Route> {
    let head = message.payload.get(..12).filter(|_| message.kind == RTM_NEWROUTE)?;
    let unspecified: IpAddr =
        if head[0] == AF_INET { [0; 4].into() } else { IpAddr::from([0; 16]) };
    let mut route =
        Route { destination: unspecified, prefix: head[1], way: Way::Link(0), metric: 0 };
    let (mut gateway, mut link) = (None, 0);
    for (kind, value) in Attributes::after(message, 12) {
        match kind {
            RTA_DST => route.destination = read_ip(value)?,
            RTA_GATEWAY => gateway = read_ip(value),
            RTA_OIF => link = read_u32(value),
            RTA_PRIORITY => route.metric = read_u32(value),
            _ => {}
        }
    }
    route.way = match (head[7], gateway) {
        (RTN_UNICAST, Some(gateway)) => Way::Gateway(gateway, link),
        (RTN_UNICAST, None) => Way::Link(link),
        (RTN_UNREACHABLE | RTN_BLACKHOLE, _) => Way::Unreachable,
        _ => return None,
    };
    Some(route)
}
