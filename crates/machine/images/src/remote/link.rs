//! `Link: <…>; rel="next"`: where the next page of a list is. RFC 8288, as far as registries use it.
//!
//! A pure parser of foreign bytes: it refuses what it does not understand and never follows anything.

/// Bytes of a header that are looked at.
const LIMIT_BYTES: usize = 8 << 10;

/// The target of the first link whose relation is `next`.
pub fn next(header: &str) -> Option<&str> {
    let mut rest = header.get(..header.len().min(LIMIT_BYTES))?;
    loop {
        let start = rest.find('<')?;
        let end = start + rest[start..].find('>')?;
        let target = &rest[start + 1..end];
        let (parameters, following) = until_comma(&rest[end + 1..]);
        if parameters.split(';').any(is_next) && !target.is_empty() {
            return Some(target);
        }
        rest = following;
    }
}

/// The parameters of one link, and what follows its comma; commas in quotes do not end it.
fn until_comma(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn links() {
        for (header, expected) in [
            (r#"</v2/_catalog?last=b&n=2>; rel="next""#, Some("/v2/_catalog?last=b&n=2")),
            (r#"</a>; rel=prev, </b>; rel=next"#, Some("/b")),
            (r#"</a>; title="x, y"; rel="up next""#, Some("/a")),
            (r#"<>; rel="next""#, None),
            (r#"</a>; rel="prev""#, None),
            ("nonsense", None),
            ("<unclosed; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }
}
