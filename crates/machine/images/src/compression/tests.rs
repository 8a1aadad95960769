//! Streams as the field's own programs pack them.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

fn packed(program: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let content = content.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&content).is_ok());
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?;
    output.status.success().then_some(output.stdout)
}

/// Gives its bytes one at a time, as a slow pipe may.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        let (now, rest) = self.0.split_at(length.min(self.0.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.0 = rest;
        Ok(now.len())
    }
}

#[test]
fn every_format_is_recognised_and_read() {
    let content: Vec<u8> = (0..50_000u32).flat_map(|n| (n % 977).to_le_bytes()).collect();
    for (program, format) in [
        ("cat", Format::Plain),
        ("gzip", Format::Gzip),
        ("zstd", Format::Zstd),
        ("bzip2", Format::Bzip2),
        ("xz", Format::Xz),
    ] {
        let bytes = match program {
            "cat" => content.clone(),
            _ => match packed(program, &content) {
                Some(bytes) => bytes,
                None => continue,
            },
        };
        // Several members follow one another in all of them.
        let twice = [bytes.clone(), bytes.clone()].concat();
        let mut decoder = Decoder::new(Slow(&twice), &Limits::DEFAULT).unwrap();
        assert_eq!(decoder.format(), format);
        let mut read = Vec::new();
        decoder.read_to_end(&mut read).unwrap();
        assert_eq!(read, [content.clone(), content.clone()].concat(), "{program}");
        if format != Format::Plain {
            let cut = &bytes[..bytes.len() - 5];
            let read = Decoder::new(cut, &Limits::DEFAULT).unwrap().read_to_end(&mut Vec::new());
            assert!(read.is_err(), "{program} cut off");
        }
    }
    for short in [&b""[..], b"B", b"\x1f", b"\x28\xb5"] {
        assert_eq!(recognise(short), Format::Plain);
    }
}
