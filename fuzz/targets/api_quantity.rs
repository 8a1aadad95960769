//! Quantities from anywhere: refused or read; what is written is read again as the same amount, and
//! written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_api::Quantity;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(quantity) = Quantity::parse(text) else { return };
    let written = quantity.to_string();
    if quantity.value().unsigned_abs() < 1 << 62 {
        let again = Quantity::parse(&written).expect("what is written can be read");
        assert_eq!((again, again.to_string()), (quantity, written));
    }
});
