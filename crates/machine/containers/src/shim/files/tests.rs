//! Texts in, texts out.

use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn hosts_as_docker_writes_them() {
    let extra = words("db:10.0.0.7 six=[fd00::1] host:host-gateway v6:::1 broken :1.2.3.4");
    let entries = Hosts {
        extra: &extra,
        gateway: "172.17.0.1".parse().ok(),
        addresses: vec!["172.17.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
        names: words("web web.example"),
        links: vec![("172.17.0.9".parse().unwrap(), words("alias other"))],
    };
    let expected = format!(
        "{LOOPBACK}10.0.0.7\tdb\nfd00::1\tsix\n172.17.0.1\thost\n::1\tv6\n172.17.0.9\talias other\n\
         172.17.0.2\tweb web.example\nfd00::2\tweb web.example\n"
    );
    assert_eq!(hosts(None, &entries), expected);
    let host = Hosts { extra: &extra[..1], ..Hosts::default() };
    assert_eq!(hosts(Some("127.0.0.1 me"), &host), "127.0.0.1 me\n10.0.0.7\tdb\n");
}

#[test]
fn a_name_cannot_smuggle_a_line() {
    let extra = ["a\n6.6.6.6 bank.example:1.2.3.4".to_owned(), "b:1.2.3.4\n6.6.6.6 x".to_owned()];
    let entries = Hosts { extra: &extra, ..Hosts::default() };
    assert_eq!(hosts(None, &entries), LOOPBACK);
}

#[test]
fn resolvers() {
    let host = parse_resolver(
        "# made by hand\nnameserver 10.0.0.1\nnameserver 127.0.0.53 # local\ndomain old.example\n\
         search a.example b.example\noptions timeout:1 ndots:2\nsortlist x\n",
    );
    assert_eq!(host.nameservers, words("10.0.0.1 127.0.0.53"));
    assert_eq!(host.search, words("a.example b.example"));
    let text = "nameserver 10.0.0.1\nnameserver 127.0.0.53\nsearch a.example b.example\n\
                options timeout:1 ndots:2\n";
    assert_eq!(resolv_conf(&merge(host.clone(), &Resolver::default())), text);
    let asked = Resolver { nameservers: words("10.9.9.9"), search: words("."), options: vec![] };
    let merged = merge(host.clone(), &asked);
    assert_eq!(resolv_conf(&merged), "nameserver 10.9.9.9\noptions timeout:1 ndots:2\n");
    let (own, upstream) = served(merge(Resolver { options: vec![], ..host }, &asked));
    assert_eq!(resolv_conf(&own), "nameserver 127.0.0.11\noptions ndots:0\n");
    assert_eq!(upstream, words("10.9.9.9"));
}

#[test]
fn loopback_servers() {
    for (server, expected) in
        [("127.0.0.53", true), ("::1", true), ("10.0.0.1", false), ("fe80::1%eth0", false)]
    {
        assert_eq!(is_loopback(server), expected, "{server}");
    }
}
