//! Files of `--env-file` and `--label-file`: whatever the bytes, reading ends, and what it gives can
//! be a variable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_containers::options::environment;

fuzz_target!(|data: &[u8]| {
    let outside = |name: &str| (name.len() < 3).then(|| format!("{name}="));
    match environment::file("file", data, &outside) {
        Ok(lines) => {
            for line in lines {
                let name = line.split('=').next().unwrap_or_default();
                assert!(!name.is_empty() && !name.contains(char::is_whitespace), "{line:?}");
                assert!(!line.contains(['\0', '\n']), "{line:?}");
            }
        }
        Err(error) => assert!(error.to_string().contains("file"), "{error}"),
    }
});
