//! Messages built and read back; lies about lengths; the kernel's own words.

use super::*;

#[test]
fn a_batch_reads_back_as_it_was_built() {
    let mut batch = Batch::default();
    batch.message(16, NLM_F_ACK, &[1, 2, 3], |body| {
        body.text(3, "eth0");
        body.nest(18, |body| body.u32(1, 7));
    });
    batch.message(17, 0, &[], |_| {});
    let (bytes, count, awaited) = batch.finish(40);
    assert_eq!((count, awaited), (2, 1));
    let messages: Vec<_> = Messages::new(&bytes).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].kind, messages[0].sequence), (16, 40));
    assert_eq!((messages[1].kind, messages[1].sequence), (17, 41));
    let attributes: Vec<_> = Attributes::after(&messages[0], 4).collect();
    assert_eq!(attributes[0], (3, &b"eth0\0"[..]));
    assert_eq!(attributes[1].0, 18);
    assert_eq!(Attributes::new(attributes[1].1).next(), Some((1, &7u32.to_ne_bytes()[..])));
}

#[test]
fn cut_and_lying_messages_end_the_reading() {
    let mut batch = Batch::default();
    batch.message(16, 0, &[], |body| body.text(3, "eth0"));
    let (bytes, ..) = batch.finish(1);
    for cut in 0..bytes.len() {
        assert_eq!(Messages::new(&bytes[..cut]).count(), 0, "{cut}");
    }
    for length in [0u32, 1, 15, u32::MAX] {
        let mut lie = bytes.clone();
        lie[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(Messages::new(&lie).count(), 0, "{length}");
    }
    for length in [0u16, 3, u16::MAX] {
        let mut lie = bytes.clone();
        lie[16..18].copy_from_slice(&length.to_ne_bytes());
        let message = Messages::new(&lie).next().unwrap();
        assert_eq!(Attributes::after(&message, 0).count(), 0, "{length}");
    }
}

#[test]
fn the_kernel_says_why_in_words() {
    let mut socket = Socket::route().unwrap();
    // A link of a kind that no kernel has.
    let mut batch = Batch::default();
    batch.message(16, NLM_F_ACK | NLM_F_CREATE, &[0; 16], |body| {
        body.nest(18, |body| body.text(1, "teu-nonsense"));
    });
    let refusal = socket.apply(batch).unwrap_err();
    assert!([Errno::OPNOTSUPP, Errno::PERM].contains(&refusal.errno), "{refusal}");
}
