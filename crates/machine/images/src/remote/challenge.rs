//! `WWW-Authenticate`: what a server wants to see before it answers. RFC 9110, 11.6.1.
//!
//! A pure parser of foreign bytes. A header may hold several challenges, each a scheme with
//! parameters; a comma separates both. What does not parse is left out.

/// Bytes of a header that are looked at.
const LIMIT_BYTES: usize = 8 << 10;

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A username and a password.
    Basic,
    /// A token of somebody else.
    Bearer {
        /// Who gives it.
        realm: String,
        /// For whom it is.
        service: Option<String>,
        /// For what it is.
        scope: Option<String>,
    },
}

/// All challenges of a header that are known here, in their order.
pub fn parse(header: &str) -> Vec<Challenge> {
    let header = header.get(..header.len().min(LIMIT_BYTES)).unwrap_or_default();
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for piece in pieces(header) {
        let (scheme, parameter) = split(piece);
        if let Some(scheme) = scheme {
            found.extend(current.take().and_then(challenge));
            current = Some((scheme.to_ascii_lowercase(), Vec::new()));
        }
        if let (Some((_, parameters)), Some(parameter)) = (&mut current, parameter) {
            parameters.push(parameter);
        }
    }
    found.extend(current.and_then(challenge));
    found
}

/// The header at its commas, those within quotes left alone.
fn pieces(header: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in header.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                pieces.push(header[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(header[start..].trim());
    pieces
}

/// A piece is `scheme`, `scheme name=value`, or `name=value`.
fn split(piece: &str) -> (Option<&str>, Option<(String, String)>) {
    let word = piece.find([' ', '\t', '=']).map_or(piece, |end| &piece[..end]);
    let rest = piece[word.len()..].trim_start();
    if word.is_empty() {
        return (None, None);
    }
    match rest.strip_prefix('=') {
        Some(value) => (None, Some((word.to_ascii_lowercase(), unquoted(value.trim())))),
        None => {
            let parameter = rest
                .split_once('=')
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), unquoted(value.trim())));
            (Some(word), parameter)
        }
    }
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for c in inner.chars() {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            _ => text.push(c),
        }
    }
    text
}

fn challenge((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, parse};

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn challenges() {
        let docker =
            r#"Bearer realm="https://a.b/token",service="r",scope="repository:x:pull,push""#;
        for (header, expected) in [
            (docker, vec![bearer("https://a.b/token", Some("r"), Some("repository:x:pull,push"))]),
            (r#"Basic realm="r, with a comma""#, vec![Challenge::Basic]),
            ("BASIC", vec![Challenge::Basic]),
            (r#"Negotiate, bearer realm=u"#, vec![bearer("u", None, None)]),
            (
                r#"Basic realm="x", Bearer realm="y\"z""#,
                vec![Challenge::Basic, bearer("y\"z", None, None)],
            ),
            (r#"Bearer service="without a realm""#, vec![]),
            (r#"Bearer realm="unclosed"#, vec![bearer("unclosed", None, None)]),
            ("", vec![]),
            (",,=,", vec![]),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }
}
