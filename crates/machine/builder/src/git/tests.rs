//! What is a repository, and what of it is asked for.

use super::{Address, is_git};

#[test]
fn what_is_a_repository() {
    for (source, expected) in [
        ("https://host/x.git", true),
        ("https://host/x.git#main", true),
        ("http://host/a/x.git#v1:docs", true),
        ("git://host/x", true),
        ("git@host:x", true),
        ("ssh://host/x", true),
        ("https://host/x.git.tar.gz", false),
        ("https://host/x?of=x.git", false),
        ("dir/x.git", false),
    ] {
        assert_eq!(is_git(source), expected, "{source}");
    }
}

#[test]
fn who_asks_is_no_part_of_the_address() {
    for (source, url, login) in [
        ("https://u:p@host/x.git#v1", "https://host/x.git", Some("u:p")),
        ("https://t@host:8443/a@b/x.git", "https://host:8443/a@b/x.git", Some("t")),
        ("https://u:p@w@host/x.git", "https://host/x.git", Some("u:p@w")),
        ("https://host/a@b/x.git", "https://host/a@b/x.git", None),
        ("git://host", "git://host", None),
    ] {
        let address = Address::parse(source).unwrap();
        assert_eq!((address.url.as_str(), address.login.as_deref()), (url, login), "{source}");
    }
    assert_eq!(super::shown("https://u:p@host/x.git#v1:d"), "https://host/x.git#v1:d");
    assert_eq!(super::shown("/a@b"), "/a@b");
}

#[test]
fn addresses() {
    for (source, expected) in [
        ("https://host/x.git", Ok(("https://host/x.git", "", ""))),
        ("https://host/x.git#", Ok(("https://host/x.git", "", ""))),
        ("http://host/x.git#v1", Ok(("http://host/x.git", "v1", ""))),
        ("git://host/x#refs/heads/a:b/c", Ok(("git://host/x", "refs/heads/a", "b/c"))),
        ("git://host/x#:b", Ok(("git://host/x", "", "b"))),
        ("git@host:x.git", Err("https, http and git only")),
        ("ssh://host/x.git", Err("https, http and git only")),
        ("https://host/x.git#--upload-pack=id", Err("no name of a branch")),
        ("https://host/x.git#a..b", Err("no name of a branch")),
        ("https://host/x.git#a b", Err("no name of a branch")),
        ("https://host/x.git#+refs/heads/a", Err("no name of a branch")),
        ("https://host/x.git?ref=a", Err("URL#REF:DIRECTORY")),
    ] {
        match (Address::parse(source), expected) {
            (Ok(found), Ok((url, reference, directory))) => {
                assert_eq!((found.url.as_str(), found.reference.as_str()), (url, reference));
                assert_eq!(found.directory, directory, "{source}");
            }
            (Err(problem), Err(words)) => {
                assert!(problem.to_string().contains(words), "{source}: {problem}");
            }
            (found, _) => panic!("{source}: {found:?}"),
        }
    }
}
