//! Changes and what they mean.

use super::*;

fn rule(action: &str, ignore: &[&str], include: &[&str]) -> WatchRule {
    let owned = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
    WatchRule {
        path: "/p/src".to_owned(),
        action: action.to_owned(),
        target: Some("/app".to_owned()),
        ignore: owned(ignore),
        include: owned(include),
        ..WatchRule::default()
    }
}

fn noted(rule: &WatchRule, path: &str) -> Work {
    let mut work = Work::default();
    let rules = Rules { service: "s", rules: std::slice::from_ref(rule) };
    note(&rules, Path::new(path), &mut work);
    work
}

#[test]
fn changes_are_brought_to_their_place() {
    let sync = noted(&rule("sync", &[], &[]), "/p/src/a/b.js");
    let expected = Sync { host: "/p/src/a/b.js".into(), container: "/app/a/b.js".to_owned() };
    assert_eq!(sync, Work { sync: [expected].into(), ..Work::default() });
    assert_eq!(noted(&rule("sync", &[], &[]), "/p/other"), Work::default());
    assert!(noted(&rule("rebuild", &[], &[]), "/p/src/x").rebuild);
    assert!(noted(&rule("restart", &[], &[]), "/p/src/x").restart);
    let both = noted(&rule("sync+restart", &[], &[]), "/p/src/x");
    assert!(both.restart && both.sync.len() == 1);
    assert_eq!(noted(&rule("sync+exec", &[], &[]), "/p/src/x").exec, [0].into());
    let mut file = rule("sync", &[], &[]);
    file.path = "/p/src/one.txt".to_owned();
    let one = noted(&file, "/p/src/one.txt").sync.into_iter().next().expect("one");
    assert_eq!(one.container, "/app");
}

#[test]
fn what_is_ignored_is_ignored() {
    let check = |ignore: &[&str], include: &[&str], path: &str, expected: bool| {
        let found = is_ignored(&rule("sync", ignore, include), Path::new(path));
        assert_eq!(found, expected, "{ignore:?} {include:?} {path}");
    };
    check(&["node_modules/"], &[], "node_modules/x/y.js", true);
    check(&["node_modules/"], &[], "a/node_modules/y.js", true);
    check(&["*.log"], &[], "a/b.log", true);
    check(&["*.log"], &[], "a/b.txt", false);
    check(&["a/*.txt"], &[], "a/b.txt", true);
    check(&["a/*.txt"], &[], "c/a/b.txt", false);
    check(&["**/gen/*"], &[], "x/y/gen/z", true);
    check(&["a/b"], &[], "a/b/c/d", true);
    check(&[], &["*.js"], "a/b.js", false);
    check(&[], &["*.js"], "a/b.css", true);
    check(&[], &[], ".git/index", true);
    check(&[], &[], "x.swp", true);
    check(&["a?c"], &[], "abc", true);
}
