//! What clients hear, as data.

use super::*;
use std::time::Duration;

#[test]
fn checks_are_explained_at_their_slug() {
    for (rule, expected) in [
        ("JSONArgsRecommended", "json-args-recommended"),
        ("NoEmptyContinuation", "no-empty-continuation"),
        ("UnusedBuildArg", "unused-build-arg"),
    ] {
        assert_eq!(slug(rule), expected);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn everything_is_heard_by_those_who_come_late() {
    let log = StatusLog::new("build");
    let step = Step { id: 1, name: "[1/1] RUN x".to_owned(), stage: String::new(), line: 1 };
    log.event(&Event::Started(step), None);
    let bytes = b"out".to_vec();
    log.event(&Event::Log { step: 1, stream: Stream::Stdout, bytes }, None);
    log.event(&Event::Done { step: 1, elapsed: Duration::ZERO }, None);
    let open = log.begin("[internal] x");
    log.close();
    let (heard, next) = log.read(0).await.expect("entries");
    assert_eq!(heard.len(), 5);
    assert_eq!(heard[1].logs[0].vertex, heard[0].vertexes[0].digest);
    assert!(heard[2].vertexes[0].completed.is_some());
    let last = &heard[4].vertexes[0];
    assert_eq!((last.digest.as_str(), last.error.as_str()), (open.as_str(), CANCELED));
    assert!(log.read(next).await.is_none());
    assert_eq!(log.counts().ended, 2);
}
