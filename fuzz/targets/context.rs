//! A client's context, packet by packet: whatever it lists and sends stays within its directory, and
//! what is not asked for is not taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use std::path::Path;
use teu_buildkit::sync::receive::{Next, Receiver};
use teu_buildkit::wire::session::Packet;

/// Everything in a directory, and the content of its files.
fn look(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        seen.push((entry.path(), std::fs::read(entry.path()).unwrap_or_default()));
    }
    seen.sort();
    seen
}

fuzz_target!(|data: &[u8]| {
    let Ok(home) = tempfile::tempdir() else { return };
    let inside = home.path().join("inside");
    std::fs::create_dir(&inside).expect("makes a directory");
    std::fs::create_dir(inside.join("d")).expect("makes a directory");
    std::fs::write(home.path().join("outside"), "as it was").expect("writes");
    std::os::unix::fs::symlink("..", inside.join("l")).expect("links");
    let Ok(mut receiver) = Receiver::new(&inside) else { return };
    let mut rest = data;
    while let Ok(packet) = Packet::decode_length_delimited(&mut rest) {
        match receiver.packet(packet) {
            Ok(Next::End) | Err(_) => break,
            Ok(_) if rest.is_empty() => break,
            Ok(_) => {}
        }
    }
    let around: Vec<_> =
        look(home.path()).into_iter().filter(|(path, _)| *path != inside).collect();
    let outside = (home.path().join("outside"), b"as it was".to_vec());
    assert_eq!(around, [outside], "a context reached out");
});
