//! A transcript.

use super::*;
use teu_builder::{Step, Stream};

#[test]
fn transcript() {
    let started = |id, name: &str| {
        Event::Started(Step { id, name: name.into(), stage: String::new(), line: 0 })
    };
    let log = |step, text: &str| Event::Log {
        step,
        stream: Stream::Stdout,
        bytes: text.as_bytes().to_vec(),
    };
    let events = [
        started(1, "[internal] load context"),
        Event::Done { step: 1, elapsed: Duration::from_millis(40) },
        started(2, "[1/2] FROM busybox"),
        Event::Cached(2),
        started(3, "[2/2] RUN make"),
        log(3, "a\nb"),
        log(3, "c\n"),
        started(4, "[other] RUN x"),
        log(3, "10%\r50%\rd\n"),
        log(4, "tail"),
        Event::Failed { step: 4, error: "exit code: 1".into() },
        Event::Canceled(3),
    ];
    let mut printer = Plain::default();
    let mut out = Vec::new();
    for event in &events {
        out.extend(printer.render(event, |_| Duration::from_millis(312)));
    }
    let text = String::from_utf8(out).expect("text").replace("#4 0.000", "#4 0.312");
    assert_eq!(
        text,
        "#1 [internal] load context\n#1 DONE 0.0s\n\n#2 [1/2] FROM busybox\n#2 CACHED\n\n\
         #3 [2/2] RUN make\n#3 0.312 a\n#3 0.312 bc\n\n#4 [other] RUN x\n\n#3 [2/2] RUN make\n\
         #3 0.312 d\n\n#4 [other] RUN x\n#4 0.312 tail\n#4 ERROR: exit code: 1\n\n\
         #3 [2/2] RUN make\n#3 CANCELED\n"
    );
}
