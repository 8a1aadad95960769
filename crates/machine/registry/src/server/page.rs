//! The page on `/`: repositories, tags, layers, sizes, for people with a browser.
//!
//! It is one document without scripts and without anything from elsewhere, made from what is in
//! memory. What clients have written (media types) is escaped; who may see what is asked of the gate.

use super::{Answer, Ask, Registry, now, set};
use crate::name::Name;
use crate::records::{ManifestRecord, State};
use http::StatusCode;
use std::fmt::Write;
use teu_oci::Digest;
use teu_web::{Body, respond};

/// Repositories of one page.
const REPOSITORIES: usize = 100;
/// Tags that are shown of one repository.
const TAGS: usize = 200;
/// Layers that are shown of one manifest, and manifests of one index.
const PARTS: usize = 200;

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Teu registry</title><style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } summary { cursor: pointer }
details details { margin-left: 1.2rem } ul { margin: .2rem 0 .6rem 1.2rem; padding: 0 }
li { list-style: none } code { font-size: .85em } .size { opacity: .7; margin-left: .5rem }
</style></head><body><h1>Repositories</h1>
"#;

impl Registry {
    pub(super) async fn page(&self, ask: &mut Ask) -> Answer {
        ask.who = self.0.gate.identify(&ask.door(), now()).await?;
        let last = ask.query.get("last");
        let mut names = self.0.records.names_after(last);
        names.retain(|name| self.is_shown(ask, name));
        if names.is_empty() && last.is_none() {
            self.0.gate.demand_name(&ask.who)?;
        }
        let has_more = names.len() > REPOSITORIES;
        names.truncate(REPOSITORIES);
        let mut page = HEAD.to_owned();
        if names.is_empty() {
            page.push_str(
                "<p>There is nothing yet. <code>docker push HOST/NAME</code> brings it.</p>",
            );
        }
        for name in &names {
            if let Some(repository) = self.0.records.get(name) {
                write_repository(&mut page, name, &repository.read());
            }
        }
        if let (true, Some(last)) = (has_more, names.last()) {
            let last = crate::link::encode(last.as_str());
            // Writing to a String does not fail.
            let _ = writeln!(page, "<p><a href=\"/?last={last}\">More</a></p>");
        }
        page.push_str("</body></html>\n");
        let kind = Some("text/html; charset=utf-8");
        let mut response = respond::with(StatusCode::OK, kind, Body::from(page));
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        set(&mut response, "content-security-policy", policy);
        set(&mut response, "cache-control", "no-store");
        Ok(response)
    }
}

fn write_repository(page: &mut String, name: &Name, state: &State) {
    let size = human(state.bytes);
    let _ = writeln!(
        page,
        "<details open><summary><b>{name}</b><span class=size>{size}, {} tags, {} \
         manifests</span></summary>",
        state.tags.len(),
        state.manifests.len()
    );
    for (tag, digest) in state.tags.iter().take(TAGS) {
        if let Some(record) = state.manifests.get(digest) {
            write_manifest(page, tag, (digest, record), state);
        }
    }
    if state.tags.len() > TAGS {
        let _ = writeln!(page, "<p>… and {} more tags</p>", state.tags.len() - TAGS);
    }
    page.push_str("</details>\n");
}

fn write_manifest(
    page: &mut String,
    title: &str,
    (digest, record): (&Digest, &ManifestRecord),
    state: &State,
) {
    let size = human(size_of(record, state, 0));
    let _ = writeln!(
        page,
        "<details><summary>{title}<span class=size>{size}</span> <code>{}</code></summary><ul>",
        digest.short()
    );
    let _ = writeln!(page, "<li>{} <code>{digest}</code></li>", escaped(&record.media_type));
    for blob in record.blobs.iter().take(PARTS) {
        let size = state.blobs.get(blob).map_or_else(|| "deleted".to_owned(), |b| human(b.0));
        let _ = writeln!(page, "<li><code>{blob}</code><span class=size>{size}</span></li>");
    }
    page.push_str("</ul>");
    for child in record.manifests.iter().take(PARTS) {
        // An index within an index is shown by its digest alone.
        if let Some(found) = state.manifests.get(child).filter(|found| found.manifests.is_empty()) {
            write_manifest(page, "manifest", (child, found), state);
        }
    }
    page.push_str("</details>\n");
}

/// Bytes of a manifest with all it needs.
fn size_of(record: &ManifestRecord, state: &State, depth: usize) -> u64 {
    let blobs = record.blobs.iter().filter_map(|blob| state.blobs.get(blob));
    let own = blobs.fold(record.size, |sum, (size, _)| sum.saturating_add(*size));
    if depth > 2 {
        return own;
    }
    let children = record.manifests.iter().filter_map(|child| state.manifests.get(child));
    children.fold(own, |sum, child| sum.saturating_add(size_of(child, state, depth + 1)))
}

fn human(bytes: u64) -> String {
    let (mut whole, mut rest, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1000, whole % 1000 / 100, unit + 1);
    }
    match unit {
        0 => format!("{whole} B"),
        _ => format!("{whole}.{rest} {}", UNITS[unit]),
    }
}

const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_escapes() {
        let check = |bytes: u64, expected: &str| assert_eq!(human(bytes), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1500, "1.5 kB");
        check(12_345_678, "12.3 MB");
        check(u64::MAX, "18446744.0 TB");
        assert_eq!(escaped("<script src='x'>&\""), "&lt;script src=&#39;x&#39;&gt;&amp;&quot;");
    }
}
