//! `--output` as people write it.

use super::{Destination, Output, ParseOutputError};
use std::path::PathBuf;

#[test]
fn reads_every_exporter() {
    let path = |p: &str| Destination::Path(PathBuf::from(p));
    for (text, expected) in [
        ("out", Output::Local { directory: "out".into() }),
        ("-", Output::Tar { destination: Destination::Stdout }),
        ("type=local,dest=a b", Output::Local { directory: "a b".into() }),
        ("type=tar,dest=x.tar", Output::Tar { destination: path("x.tar") }),
        ("type=oci,dest=x.tar", Output::Oci { destination: path("x.tar"), tar: true }),
        ("type=oci,dest=x,tar=false", Output::Oci { destination: path("x"), tar: false }),
        ("type=docker,dest=-", Output::Docker { destination: Destination::Stdout }),
        ("type=docker", Output::Image { name: None }),
        ("type=image,name=a:b", Output::Image { name: Some("a:b".into()) }),
        ("type=cacheonly", Output::CacheOnly),
    ] {
        assert_eq!(text.parse::<Output>(), Ok(expected), "{text}");
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    let kind = |text: &str| text.parse::<Output>().expect_err(text);
    assert_eq!(kind("type=registry"), ParseOutputError::Push);
    assert_eq!(kind("type=image,push=true"), ParseOutputError::Push);
    assert_eq!(kind("type=tar"), ParseOutputError::Destination("tar".into()));
    assert_eq!(kind("type=zip,dest=x"), ParseOutputError::Kind("zip".into()));
    assert!(matches!(kind("type=tar,dst=x"), ParseOutputError::Attribute { .. }));
}
