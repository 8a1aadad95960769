//! `.dockerignore`: a walk that decides step by step comes to what a path decided alone has, and a
//! directory that cannot contain exceptions has none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_builder::ignore::Ignore;

const PATHS: [&str; 10] = [
    "a", "b", "a/b", "a/b/c", "a.txt", "a/b.txt", "ab/cd/ef.go", ".git/x", "é", "a b/[c]",
];

fuzz_target!(|data: &[u8]| {
    let Ok(ignore) = Ignore::parse(data) else { return };
    let text = String::from_utf8_lossy(data);
    let own = text.lines().filter(|line| !line.is_empty() && !line.contains("//")).take(3);
    for path in PATHS.into_iter().chain(own) {
        let mut verdict = ignore.root();
        let mut closed = false;
        for (at, _) in path.match_indices('/').chain(std::iter::once((path.len(), ""))) {
            verdict = ignore.decide(&path[..at], &verdict);
            assert!(!closed || verdict.excluded, "{path:?} was taken back unseen");
            closed |= verdict.excluded && !ignore.may_contain_exceptions(&path[..at]);
        }
        assert_eq!(verdict.excluded, ignore.excludes(path), "{path:?}");
    }
});
