//! `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`: whom a proxy is asked for.

use crate::outgoing::Scheme;

/// What such a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// How.
    pub scheme: Scheme,
    /// Object.
    pub name: &'a str,
    /// A port's number or name; empty where nothing is said.
    pub port: &'a str,
}

impl<'a> Named<'a> {
    /// `None` for what says nobody.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        let (scheme, name, port) = match *parts {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let scheme = match scheme {
            "" | "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { scheme, name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |text: &str, wanted: Option<(Scheme, &str, &str)>| {
            let found = Named::parse(text).map(|named| (named.scheme, named.name, named.port));
            assert_eq!(found, wanted, "{text}");
        };
        check("a", Some((Scheme::Http, "a", "")));
        check("a:80", Some((Scheme::Http, "a", "80")));
        check("https:a:", Some((Scheme::Https, "a", "")));
        check("http:a:web", Some((Scheme::Http, "a", "web")));
        check(":a:1", Some((Scheme::Http, "a", "1")));
        for bad in ["", ":80", "ftp:a:1", "http::1", "http:a:1:2"] {
            check(bad, None);
        }
    }
}
