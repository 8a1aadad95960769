//! What is written is read, and what is cut short is refused.

use super::{Broken, Reader, Wire, Writer};

#[test]
fn what_is_written_is_read() {
    let mut out = Writer::default();
    out.number(1, -1);
    out.number(2, 300);
    out.double(3, 1.5);
    out.message(4, |inner| inner.text(1, &"x".repeat(200)));
    out.message(5, |_| {});
    let mut reader = Reader(&out.0);
    assert_eq!(reader.field(), Ok(Some((1, Wire::Varint(u64::MAX)))));
    assert_eq!(reader.field(), Ok(Some((2, Wire::Varint(300)))));
    assert_eq!(reader.field(), Ok(Some((3, Wire::Fixed64(1.5_f64.to_bits())))));
    let Ok(Some((4, Wire::Bytes(inner)))) = reader.field() else { panic!("a message") };
    let Ok(Some((1, Wire::Bytes(text)))) = Reader(inner).field() else { panic!("text") };
    assert_eq!(text.len(), 200);
    assert_eq!(reader.field(), Ok(Some((5, Wire::Bytes(b"")))));
    assert_eq!(reader.field(), Ok(None));
}

#[test]
fn broken_bytes_are_refused() {
    let check = |bytes: &[u8]| assert_eq!(Reader(bytes).field(), Err(Broken), "{bytes:?}");
    check(&[0x80]);
    check(&[0x0a, 0x05, 1]);
    check(&[0x0b]);
    check(&[0x00, 0x00]);
    check(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
    check(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    check(&[0x09, 1, 2, 3]);
}
