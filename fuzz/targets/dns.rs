//! Questions to a pod's name server: whatever comes, the answer is a message, in its bounds, to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use teu_dns::{Outcome, Transport, Zone, answer};

/// Knows every second name.
struct Half;

impl Zone for Half {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        assert!(name.len() <= 255 && name.is_ascii() && !name.ends_with('.'));
        (name.len() % 2 == 0).then(|| {
            (0..70).map(|host| IpAddr::from([10, 0, 0, host])).chain([[1u16; 8].into()]).collect()
        })
    }

    fn name_of(&self, _: IpAddr) -> Option<String> {
        Some("web.network".to_owned())
    }
}

fuzz_target!(|bytes: &[u8]| {
    for (transport, limit) in [(Transport::Udp, 1232), (Transport::Tcp, usize::from(u16::MAX))] {
        if let Outcome::Reply(reply) = answer(bytes, &Half, transport, bytes.len()) {
            assert!((12..=limit.max(bytes.len())).contains(&reply.len()));
            assert_eq!(reply[..2], bytes[..2]);
            assert_eq!(reply[2] & 0x80, 0x80, "an answer, which no server answers again");
            assert_eq!(answer(&reply, &Half, transport, 0), Outcome::Ignore);
        }
    }
});
