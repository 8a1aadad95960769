//! Dockerfiles: whatever the bytes, parsing ends, errors can be shown, and what parses can be
//! planned and applied to a configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_builder::dockerfile::Dockerfile;
use teu_builder::dockerfile::instruction::{Instruction, parse_trigger};
use teu_builder::dockerfile::mount::Mount;
use teu_builder::dockerfile::source::Lines;
use teu_builder::dockerfile::words::{Quotes, expand_body, expand_word, expand_words};
use teu_builder::stage::{Scope, StageState, Step};
use teu_oci::Platform;

fuzz_target!(|data: &[u8]| {
    let lookup = |name: &str| (name.len() == 1).then(|| "value with spaces".to_owned());
    let text = String::from_utf8_lossy(data);
    let _ = expand_word(&text, '\\', &lookup);
    let _ = expand_words(&text, '`', Quotes::Keep, &lookup);
    let _ = expand_body(&text, '\\', &lookup);
    let _ = Mount::parse(&text, '\\', &lookup);
    let _ = parse_trigger(&text, Lines::default());
    let file = match Dockerfile::parse("Dockerfile", data) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let _ = error.excerpt();
            return;
        }
    };
    let host = Platform::linux("amd64");
    let scope = Scope::new(&[], file.directives.escape, &host, &host);
    let _ = teu_builder::plan::plan(&file, None, &scope, &["context"]);
    for stage in &file.stages {
        let mut state = StageState::scratch(scope.stage(), &host);
        for located in &stage.instructions {
            if let Instruction::Onbuild(trigger) = &located.instruction {
                assert!(parse_trigger(trigger, located.lines).is_ok(), "{trigger:?}");
            }
            match state.apply(located) {
                Ok(Some(Step::Workdir(path))) => assert!(path.starts_with('/')),
                Ok(Some(Step::Run(run))) => drop(run.script()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        assert!(serde_json::to_vec(&state.finish(&Default::default())).is_ok());
    }
});
