//! Words and what they mean.

use super::*;

#[track_caller]
fn check(words: &str, expected: &Options) {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    assert_eq!(&Options::parse(&words), expected);
}

#[test]
fn attributes_follow_each_other() {
    let none = Options::default();
    check("", &none);
    check("ro nosuid", &Options { set: A::RDONLY | A::NOSUID, ..none.clone() });
    check("ro rw", &Options { clear: A::RDONLY, ..none.clone() });
    check("rw ro", &Options { set: A::RDONLY, ..none.clone() });
    check("noatime", &Options { set: A::NOATIME, clear: A::ATIME, ..none.clone() });
    check("noatime relatime", &Options { clear: A::ATIME, ..none.clone() });
    check("rro", &Options { set_recursive: A::RDONLY, ..none.clone() });
    check("rnoexec rexec", &Options { clear_recursive: A::NOEXEC, ..none.clone() });
    check("rbind bind", &Options { bind: Some(true), ..none.clone() });
    check(
        "rbind rslave private",
        &Options {
            bind: Some(true),
            propagation: vec![(Propagation::Slave, true), (Propagation::Private, false)],
            ..none
        },
    );
}

#[test]
fn the_rest_is_data() {
    check(
        "mode=755 size=64k newinstance sync",
        &Options {
            data: vec![
                ("mode".into(), Some("755".into())),
                ("size".into(), Some("64k".into())),
                ("newinstance".into(), None),
                ("sync".into(), None),
            ],
            ..Options::default()
        },
    );
}

#[test]
fn paths_are_cleaned() {
    for (path, expected) in
        [("/a/../b", "/b"), ("../../x", "/x"), ("/", "/"), ("a//b/./c", "/a/b/c")]
    {
        assert_eq!(clean(path), Path::new(expected));
    }
}
