//! Links to what is behind a proxy, made to lead through it again: in `Location`, and in pages of HTML.
//!
//! A page is changed while it passes: what is held back is at most one tag of [`MAX_TAG_BYTES`]; a
//! longer one goes through as it is. Only the values of attributes that are links are touched, and
//! nothing is parsed that a browser would not parse: comments, scripts and styles stay as they are.

/// Bytes of a tag that is looked into.
const MAX_TAG_BYTES: usize = 8 << 10;

/// Attributes that are links, by element (HTML 4.01 and HTML 5).
const LINKS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Elements whose content is no markup, with how it ends.
const RAW: &[(&str, &str)] = &[
    ("script", "</script"),
    ("style", "</style"),
    ("textarea", "</textarea"),
    ("title", "</title"),
    ("xmp", "</xmp"),
];

/// Which links are changed, and how.
#[derive(Debug, Clone)]
pub struct Links {
    prefix: String,
    /// Hosts that are the one behind the proxy.
    hosts: Vec<String>,
}

impl Links {
    /// Under a prefix (`…/proxy`), of whom is behind it, and what the client calls this server.
    pub fn new(prefix: String, behind: String, host: Option<String>) -> Self {
        Self { prefix, hosts: [Some(behind), host].into_iter().flatten().collect() }
    }

    /// See there.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A link that leads through the proxy, if it is one that has to be changed for that.
    pub fn rewrite(&self, link: &str) -> Option<String> {
        let rest = match link.split_once("//") {
            Some(("" | "http:" | "https:", rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, rest) = rest.split_at(end);
                self.hosts.iter().any(|known| known == host).then_some(rest)?
            }
            // `/a//b` has two slashes, too.
            _ => link.strip_prefix('/').map(|_| link)?,
        };
        let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let is_there = path.strip_prefix(&*self.prefix);
        if is_there.is_some_and(|after| after.is_empty() || after.starts_with('/')) {
            return (rest.len() < link.len()).then(|| rest.to_owned());
        }
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(format!("{}{slash}{rest}", self.prefix))
    }
}

/// A page on its way.
#[derive(Debug)]
pub struct Page {
    links: Links,
    inside: Inside,
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Text,
    Comment,
    /// Until this comes.
    Raw(&'static str),
}

impl Page {
    /// From its beginning.
    pub fn new(links: Links) -> Self {
        Self { links, inside: Inside::Text, held: Vec::new() }
    }

    /// Takes bytes; gives those that are certain.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(bytes);
        let (mut out, mut at) = (Vec::with_capacity(rest.len() + 64), 0);
        while let Some(used) = self.step(&rest[at..], &mut out) {
            at += used;
        }
        self.held = rest.split_off(at);
        out
    }

    /// What is left at the end, as it is.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Writes something and says how many bytes it was; `None` where more has to come first.
    fn step(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        match self.inside {
            Inside::Comment => self.until(b"-->", rest, out),
            Inside::Raw(end) => self.until(end.as_bytes(), rest, out),
            Inside::Text => {
                let tag = rest.iter().position(|byte| *byte == b'<').unwrap_or(rest.len());
                if tag > 0 {
                    out.extend_from_slice(&rest[..tag]);
                    return Some(tag);
                }
                self.tag(rest, out)
            }
        }
    }

    /// Passes what is not looked into; what ends it is looked at next.
    fn until(&mut self, end: &[u8], rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let found = rest.windows(end.len()).position(|bytes| bytes.eq_ignore_ascii_case(end));
        let used = found.unwrap_or_else(|| (rest.len() + 1).saturating_sub(end.len()));
        if found.is_some() {
            self.inside = Inside::Text;
        }
        out.extend_from_slice(&rest[..used]);
        (found.is_some() || used > 0).then_some(used)
    }

    /// What begins with `<`.
    fn tag(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        const COMMENT: &[u8] = b"<!--";
        if rest.len() < COMMENT.len() && COMMENT.starts_with(rest) {
            return None;
        }
        if rest.starts_with(COMMENT) {
            self.inside = Inside::Comment;
            out.extend_from_slice(COMMENT);
            return Some(COMMENT.len());
        }
        let is_element = rest.get(1).is_some_and(u8::is_ascii_alphabetic);
        let end = if is_element { tag_end(rest) } else { Some(1) };
        let Some(end) = end else {
            if rest.len() <= MAX_TAG_BYTES {
                return None;
            }
            out.push(b'<');
            return Some(1);
        };
        let tag = &rest[..end];
        let name_end = 1 + tag[1..].iter().take_while(|byte| is_name(**byte)).count();
        let name = String::from_utf8_lossy(&tag[1..name_end]).to_ascii_lowercase();
        match LINKS.iter().find(|(known, _)| *known == name) {
            Some((_, attributes)) if is_element => self.element(tag, name_end, attributes, out),
            _ => out.extend_from_slice(tag),
        }
        if let Some((_, end)) = RAW.iter().find(|(known, _)| is_element && *known == name) {
            self.inside = Inside::Raw(end);
        }
        Some(end)
    }

    /// A tag with its links changed.
    fn element(&self, tag: &[u8], mut at: usize, attributes: &[&str], out: &mut Vec<u8>) {
        let mut written = 0;
        while at < tag.len() {
            let name_end = at + tag[at..].iter().take_while(|byte| is_name(**byte)).count();
            if name_end == at {
                at += 1;
                continue;
            }
            let name = String::from_utf8_lossy(&tag[at..name_end]).to_ascii_lowercase();
            let Some(value) = value(tag, name_end) else {
                at = name_end;
                continue;
            };
            at = value.end;
            if !attributes.contains(&&*name) {
                continue;
            }
            let link = std::str::from_utf8(&tag[value.clone()]).ok();
            if let Some(new) = link.and_then(|link| self.links.rewrite(link.trim())) {
                out.extend_from_slice(&tag[written..value.start]);
                out.extend_from_slice(new.as_bytes());
                written = value.end;
            }
        }
        out.extend_from_slice(&tag[written..]);
    }
}

fn is_name(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'>' | b'/' | b'"' | b'\'' | b'<')
}

/// Where a tag ends; a `>` in quotes does not end it.
fn tag_end(rest: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.iter().enumerate().take(MAX_TAG_BYTES) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Where the value of an attribute is whose name ends here; `None` if it has none.
fn value(tag: &[u8], name_end: usize) -> Option<std::ops::Range<usize>> {
    let blanks = |at: usize| at + tag[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let equals = blanks(name_end);
    if tag.get(equals) != Some(&b'=') {
        return None;
    }
    let start = blanks(equals + 1);
    match tag.get(start)? {
        quote @ (b'"' | b'\'') => {
            let length = tag[start + 1..].iter().position(|byte| byte == quote)?;
            Some(start + 1..start + 1 + length)
        }
        _ => {
            let plain = |byte: &&u8| !byte.is_ascii_whitespace() && **byte != b'>';
            Some(start..start + tag[start..].iter().take_while(plain).count())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        Links::new("/p/proxy".to_owned(), "10.0.0.1:80".to_owned(), Some("api".to_owned()))
    }

    #[test]
    fn links_lead_through() {
        let check = |link: &str, wanted: Option<&str>| {
            assert_eq!(links().rewrite(link).as_deref(), wanted, "{link}");
        };
        check("/a?b=/c#d", Some("/p/proxy/a?b=/c#d"));
        check("/", Some("/p/proxy/"));
        check("http://10.0.0.1:80/a//b", Some("/p/proxy/a//b"));
        check("http://10.0.0.1:80", Some("/p/proxy/"));
        check("https://api/a", Some("/p/proxy/a"));
        check("//api/p/proxy/a", Some("/p/proxy/a"));
        check("/a//b", Some("/p/proxy/a//b"));
        check("/p/proxyx", Some("/p/proxy/p/proxyx"));
        for same in [
            "a/b",
            "",
            "#x",
            "?q",
            "/p/proxy/a",
            "/p/proxy?x",
            "http://other/a",
            "//x/a",
            "mailto:a@b",
            "data:x//y",
        ] {
            check(same, None);
        }
    }

    #[test]
    fn pages_are_changed_the_same_in_any_pieces() {
        let check = |page: &str, wanted: &str| {
            for size in [1, 2, 3, 7, page.len().max(1)] {
                let mut passing = Page::new(links());
                let mut out = Vec::new();
                for piece in page.as_bytes().chunks(size) {
                    out.extend(passing.push(piece));
                }
                out.extend(passing.finish());
                assert_eq!(String::from_utf8_lossy(&out), wanted, "in pieces of {size}");
            }
        };
        check(r#"<a href="/rewriteme">test</a>"#, r#"<a href="/p/proxy/rewriteme">test</a>"#);
        check("<A\nHREF = '/x' title='>'>", "<A\nHREF = '/p/proxy/x' title='>'>");
        check("<img src=/x.png><br/>", "<img src=/p/proxy/x.png><br/>");
        check("<video poster=/a src=\"/b\">", "<video poster=/p/proxy/a src=\"/p/proxy/b\">");
        check("<p href='/x'>/y < z", "<p href='/x'>/y < z");
        check("<!-- <a href='/x'> --><a href='/y'>", "<!-- <a href='/x'> --><a href='/p/proxy/y'>");
        check(
            "<script src='/s'>'<a href=\"/x\">'</SCRIPT><a href='/y'>",
            "<script src='/p/proxy/s'>'<a href=\"/x\">'</SCRIPT><a href='/p/proxy/y'>",
        );
        for broken in
            ["<a href=\"/x", "<a href", "<", "<!-", "<script><a href='/x'>", "<a =\"/x\">"]
        {
            check(broken, broken);
        }
        let long = format!("<a title='{}' href='/x'><a href='b'>", "y".repeat(MAX_TAG_BYTES));
        check(&long, &long);
    }

    /// Whatever the page and however it comes, the same comes out, and without links it is untouched.
    #[test]
    fn any_page_in_any_pieces() {
        const PARTS: [&str; 16] = [
            "<a ",
            "<",
            ">",
            "href=",
            "\"",
            "'",
            "/x",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "é",
            " ",
            "=",
            "<img src=/y>",
            "//api/z",
        ];
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % below as u64).expect("small")
        };
        let pass = |page: &[u8], mut size: Box<dyn FnMut() -> usize + '_>| {
            let (mut passing, mut out, mut rest) = (Page::new(links()), Vec::new(), page);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(size().min(rest.len()));
                out.extend(passing.push(piece));
                rest = after;
            }
            out.extend(passing.finish());
            out
        };
        for _ in 0..3000 {
            let count = random(30);
            let page: String = (0..count).map(|_| PARTS[random(PARTS.len())]).collect();
            let whole = pass(page.as_bytes(), Box::new(|| usize::MAX));
            let pieces = pass(page.as_bytes(), Box::new(|| random(5) + 1));
            assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&pieces), "{page}");
            let added = "/p/proxy".len();
            assert!(whole.len() <= page.len() + added * page.matches('/').count(), "{page}");
        }
    }
}
