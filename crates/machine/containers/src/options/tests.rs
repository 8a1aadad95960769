//! Values as people type them, and as they must not be.

use super::*;
use crate::options::lists::*;
use crate::record::{MountKind, PortRecord, Propagation, RestartPolicy};
use std::path::Path;

fn said<T: std::fmt::Debug>(result: Result<T, OptionError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn ports() {
    let port = |host_ip: &str, host_port, container_port, count, protocol: &str| PortRecord {
        host_ip: host_ip.parse().ok(),
        host_port,
        host_last: 0,
        container_port,
        count,
        protocol: protocol.to_owned(),
    };
    let first_free = PortRecord { host_last: 8010, ..port("", 8000, 80, 1, "tcp") };
    assert_eq!(ports::publish("8000-8010:80"), Ok(first_free));
    for (text, expected) in [
        ("80", port("", 0, 80, 1, "tcp")),
        ("8080:80", port("", 8080, 80, 1, "tcp")),
        ("8080:80/udp", port("", 8080, 80, 1, "udp")),
        ("127.0.0.1:8080:80", port("127.0.0.1", 8080, 80, 1, "tcp")),
        ("127.0.0.1::80", port("127.0.0.1", 0, 80, 1, "tcp")),
        ("[::1]:8080:80", port("::1", 8080, 80, 1, "tcp")),
        ("8000-8010:9000-9010", port("", 8000, 9000, 11, "tcp")),
        ("9000-9002/TCP", port("", 0, 9000, 3, "tcp")),
        ("published=81,target=82,protocol=udp", port("", 81, 82, 1, "udp")),
    ] {
        assert_eq!(ports::publish(text), Ok(expected), "{text}");
    }
    for (text, expected) in [
        ("x", "invalid containerPort: x"),
        ("80:", "no port specified: 80:<empty>"),
        ("y:80", "invalid hostPort: y"),
        ("80/icmp", "invalid proto: icmp"),
        ("99999:80", "invalid hostPort: 99999"),
        ("300.1.1.1:80:80", "invalid IP address: 300.1.1.1"),
        ("80-90:80-81", "invalid ranges specified for container and host Ports: 80-81 and 80-90"),
        ("90-80:1-2", "invalid hostPort: 90-80"),
        ("[::1:80:80", "invalid IP address: [::1:80"),
        ("+80", "invalid containerPort: +80"),
    ] {
        assert_eq!(said(ports::publish(text)), expected, "{text}");
    }
    assert_eq!(ports::expose("80-81/udp"), Ok(vec!["80/udp".into(), "81/udp".into()]));
}

#[test]
fn volumes() {
    let parse = |text: &str| mounts::volume(text, Path::new("/work/dir"));
    let bind = parse("/a/../b:/c:ro,rslave").expect("parses");
    assert_eq!(bind.record.kind, MountKind::Bind { source: "/b".into(), recursive: true });
    assert_eq!((bind.record.readonly, bind.record.propagation), (true, Propagation::Rslave));
    assert_eq!(bind.create_source.as_deref(), Some(Path::new("/b")));
    let relative = parse("./x:/c").expect("parses").record.kind;
    assert_eq!(relative, MountKind::Bind { source: "/work/dir/x".into(), recursive: true });
    let named = parse("data:/var/lib//data/").expect("parses").record;
    assert_eq!(named.destination, "/var/lib/data");
    let volume = |name: &str, anonymous| MountKind::Volume {
        name: name.into(),
        anonymous,
        nocopy: false,
        subpath: None,
    };
    assert_eq!(named.kind, volume("data", false));
    assert_eq!(parse("/data").expect("parses").record.kind, volume("", true));
    for (text, expected) in [
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d': too many colons"),
        (":/x", "invalid volume specification: ':/x': empty section between colons"),
        ("/x:", "invalid volume specification: '/x:': empty section between colons"),
        ("/x:/y:zz", "invalid volume specification: '/x:/y:zz': invalid mode: zz"),
        (
            "/x:/",
            "invalid volume specification: '/x:/': invalid specification: destination can't be '/'",
        ),
        (
            "/x:/a/..",
            "invalid volume specification: '/x:/a/..': invalid specification: destination can't be '/'",
        ),
        (
            "x:y",
            "invalid volume specification: 'x:y': invalid mount path: 'y' mount path must be absolute",
        ),
    ] {
        assert_eq!(said(parse(text)), expected);
    }
    assert!(said(parse("a/b:/c")).contains("use absolute path"));
    assert!(said(parse("v1:/c:rshared")).contains("propagation is for host paths"));
}

#[test]
fn mounts_in_full() {
    let parse = |text: &str| mounts::mount(text, Path::new("/w"));
    let bind = parse("type=bind,src=/a,dst=/b,readonly,bind-propagation=shared").expect("parses");
    assert_eq!(bind.record.kind, MountKind::Bind { source: "/a".into(), recursive: true });
    assert!(bind.record.readonly && bind.create_source.is_none());
    let tmpfs = parse("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770").expect("parses");
    assert_eq!(
        tmpfs.record.kind,
        MountKind::Tmpfs { size_bytes: 64 << 20, mode: Some(0o1770), options: vec![] }
    );
    let volume = parse("source=v1,target=/d,volume-nocopy=true,\"volume-label=a=b,c\"");
    let volume = volume.expect("parses").volume.expect("has labels");
    assert_eq!(volume.labels.get("a").map(String::as_str), Some("b,c"));
    for (text, reason) in [
        ("type=bind,source=/a", "target is required"),
        ("type=bind,target=/a", "field Source must not be empty"),
        ("type=tmpfs,source=/x,target=/a", "field Source must not be specified"),
        ("type=nope,target=/a", "mount type \"nope\" is not known here"),
        (
            "type=bind,source=/a,target=/b,volume-nocopy",
            "cannot mix 'volume-nocopy' with mount type 'bind'",
        ),
        ("target=/a,frob=1", "unexpected key 'frob' in 'frob=1'"),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("target=/a,readonly=maybe", "invalid value for readonly: maybe"),
        ("target=/a,\"x", "misplaced quotes"),
    ] {
        assert!(said(parse(text)).contains(reason), "{text}: {}", said(parse(text)));
    }
    let short = mounts::tmpfs("/run:size=64m,mode=755,noexec").expect("parses").record.kind;
    let options = vec!["noexec".to_owned()];
    assert_eq!(short, MountKind::Tmpfs { size_bytes: 64 << 20, mode: Some(0o755), options });
}

#[test]
fn environment_files() {
    let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    let parse = |text: &[u8]| environment::file("f", text, &lookup);
    assert_eq!(
        parse(b"\xef\xbb\xbf# note\nA=1\n\n  B=two words \r\nHOME\nABSENT\nC=\nD=a=b"),
        Ok(["A=1", "B=two words ", "HOME=/root", "C=", "D=a=b"].map(str::to_owned).to_vec())
    );
    for (text, reason) in [
        (&b"=x"[..], "no variable name on line '=x'"),
        (b"A B=1", "variable 'A B' contains whitespaces"),
        (b"ok=1\n\xff", "invalid utf8 bytes at line 2"),
        (b"A=\0", "a zero byte at line 1"),
    ] {
        assert_eq!(said(parse(text)), format!("invalid env file (f): {reason}"));
    }
    assert!(said(parse(&[b'a'; 70_000])).contains("token too long"));
    assert_eq!(environment::variable("HOME", &lookup), Ok("HOME=/root".into()));
    assert_eq!(environment::variable("NONE", &lookup), Ok("NONE".into()));
    assert!(environment::variable("=x", &lookup).is_err());
    assert_eq!(environment::host("db=[::1]"), Ok("db:::1".into()));
    assert_eq!(environment::host("gw:host-gateway"), Ok("gw:host-gateway".into()));
    assert!(environment::host("db").is_err() && environment::host("db:x").is_err());
}

#[test]
fn small_values() {
    assert_eq!(
        ulimit("nofile=10:20").map(|l| (l.kind, l.soft, l.hard)),
        Ok(("RLIMIT_NOFILE".into(), 10, 20))
    );
    assert_eq!(ulimit("core=-1").map(|l| l.hard), Ok(u64::MAX));
    for text in ["nofile", "nope=1", "nofile=2:1", "nofile=x"] {
        assert!(ulimit(text).is_err(), "{text}");
    }
    assert_eq!(restart("on-failure:3"), Ok(RestartPolicy::OnFailure { max_retries: 3 }));
    assert_eq!(restart("unless-stopped"), Ok(RestartPolicy::UnlessStopped));
    for text in ["sometimes", "always:3", "on-failure:x"] {
        assert!(restart(text).is_err(), "{text}");
    }
    assert_eq!(device("/dev/null:/dev/x:r"), Ok(("/dev/null".into(), "/dev/x".into(), "r".into())));
    assert_eq!(device("/dev/null:rw"), Ok(("/dev/null".into(), "/dev/null".into(), "rw".into())));
    assert!(device("null").is_err() && device("/dev/a:/b:x").is_err());
    assert_eq!(device_rule("c 42:* rm").map(|r| (r.major, r.minor)), Ok((Some(42), None)));
    assert!(device_rule("d 1:1 r").is_err());
    assert_eq!(
        device_rate("device-read-bps", "/dev/sda:1mb", true),
        Ok(("/dev/sda".into(), 1 << 20))
    );
    assert!(device_rate("device-read-iops", "/dev/sda:1mb", false).is_err());
    let bounded = log(Some("json-file"), &["max-size=1m", "max-file=2"]).expect("parses");
    assert_eq!((bounded.max_size_bytes, bounded.max_files, bounded.keep), (1 << 20, 2, true));
    assert!(log(Some("syslog"), &[]).is_err() && log(None, &["frob=1"]).is_err());
    assert_eq!(signals::parse("sigterm"), Ok(15));
    assert_eq!(signals::parse("RTMIN+3"), Ok(37));
    assert_eq!(signals::parse("9"), Ok(9));
    for text in ["0", "65", "SIGFOO", "RTMIN+99", "RTMIN+\u{e9}", "RTMAX-\u{e9}1", "", "-9"] {
        assert!(signals::parse(text).is_err(), "{text}");
    }
}

#[test]
fn network_forms() {
    use networks::{NetworkOption, network};
    assert_eq!(network("container:web"), Ok(NetworkOption::Container("web".into())));
    let Ok(NetworkOption::Network(long)) = network("name=app,alias=db,ip=10.1.2.3") else {
        panic!("parses");
    };
    assert_eq!((long.network.as_str(), long.aliases[0].as_str()), ("app", "db"));
    assert!(network("container:").is_err() && network("alias=x").is_err());
    assert!(networks::mac("02:42:ac:11:00:02").is_ok() && networks::mac("02:42").is_err());
}
