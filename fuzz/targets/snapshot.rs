//! A snapshot of the cluster's store from anywhere: refused or read, never a panic, and within the
//! bounds of its blocks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_store::embedded::Embedded;

fuzz_target!(|data: &[u8]| {
    let _ = Embedded::inspect(&mut &*data);
});
