//! `GET /images/json`

use super::find;
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::version::Version;
use teu_docker::summary::Image as Line;
use teu_images::{Image, Published};
use teu_oci::Reference;

/// Seconds since the epoch.
pub(crate) fn seconds(created: Option<&str>) -> i64 {
    created
        .and_then(teu_containers::time::parse_rfc3339)
        .map_or(0, |ns| ns.div_euclid(1_000_000_000))
}

/// Its names that have tags.
pub(crate) fn tags(image: &Image) -> Vec<String> {
    image.names.iter().filter(|name| name.tag.is_some()).map(Reference::familiar).collect()
}

/// Its line.
pub(crate) fn summary(image: &Image, published: &Published, version: Version) -> Line {
    let labels = &image.config.config.labels;
    Line {
        containers: -1,
        created: seconds(image.created.as_deref()),
        id: image.id.to_string(),
        labels: Some(labels.clone()).filter(|labels| !labels.is_empty()),
        parent_id: String::new(),
        repo_digests: published.repo_digests(image),
        repo_tags: tags(image),
        shared_size: -1,
        size: image.size_bytes,
        virtual_size: (version.0 < 44).then_some(image.size_bytes),
    }
}

/// One line an image: it may lie here under several manifests, as it was built and as it was pulled.
fn merged(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        let Some(known) = merged.iter_mut().find(|known| known.id == line.id) else {
            merged.push(line);
            continue;
        };
        known.repo_tags.extend(line.repo_tags);
        known.repo_digests.extend(line.repo_digests);
        known.repo_digests.sort();
        known.repo_digests.dedup();
    }
    merged
}

/// Lists.
pub fn list(engine: &Engine, call: &Call) -> Result<Answer> {
    let mut filter = Filter::read(engine, call)?;
    // What old clients send.
    filter.patterns.extend(call.query.nonempty("filter").map(str::to_owned));
    let mut all = engine.containers().images().list()?;
    all.retain(|image| filter.fits(image));
    let published = engine.containers().images().published()?;
    let lines = all.iter().map(|image| summary(image, &published, call.version));
    let mut lines = merged(lines);
    if !filter.patterns.is_empty() {
        for line in &mut lines {
            line.repo_tags.retain(|tag| filter.names(tag));
            let names: Vec<&str> =
                line.repo_tags.iter().filter_map(|tag| Some(tag.rsplit_once(':')?.0)).collect();
            line.repo_digests.retain(|digest| {
                digest.split_once('@').is_some_and(|(name, _)| names.contains(&name))
            });
        }
    }
    if call.query.flag("shared-size") {
        let usage = engine.containers().images().usage()?;
        for line in &mut lines {
            if let Some(known) = usage.images.iter().find(|known| known.id.as_str() == line.id) {
                line.shared_size = i64::try_from(known.shared_bytes).unwrap_or(i64::MAX);
            }
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.created));
    Answer::ok(&lines)
}

#[derive(Debug, Default)]
struct Filter {
    dangling: Option<bool>,
    labels: Vec<String>,
    before: Option<i64>,
    since: Option<i64>,
    patterns: Vec<String>,
}

impl Filter {
    fn read(engine: &Engine, call: &Call) -> Result<Self> {
        let mut filter = Self::default();
        let created =
            |name: &str| -> Result<i64> { Ok(seconds(find(engine, name)?.created.as_deref())) };
        for (key, value) in call.query.filters()? {
            match key.as_str() {
                "dangling" => {
                    filter.dangling = Some(match value.as_str() {
                        "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err(Error::bad(format!("invalid filter 'dangling={value}'"))),
                    });
                }
                "label" => filter.labels.push(value),
                "before" => filter.before = Some(created(&value)?),
                "since" => filter.since = Some(created(&value)?),
                "until" => {
                    let now = teu_containers::time::now_ns();
                    let ns = teu_containers::time::parse(&value, now)?;
                    filter.before = Some(ns.div_euclid(1_000_000_000));
                }
                "reference" => filter.patterns.push(value),
                other => return Err(Error::bad(format!("invalid filter '{other}'"))),
            }
        }
        Ok(filter)
    }

    fn names(&self, tag: &str) -> bool {
        let bare = tag.rsplit_once(':').map_or(tag, |(name, _)| name);
        self.patterns.iter().any(|pattern| glob(pattern, tag) || glob(pattern, bare))
    }

    fn fits(&self, image: &Image) -> bool {
        let created = seconds(image.created.as_deref());
        let labels = &image.config.config.labels;
        let has = |text: &String| match text.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(text),
        };
        self.dangling.is_none_or(|dangling| dangling == image.names.is_empty())
            && self.before.is_none_or(|before| created < before)
            && self.since.is_none_or(|since| created > since)
            && self.labels.iter().all(has)
            && (self.patterns.is_empty() || tags(image).iter().any(|tag| self.names(tag)))
    }
}

/// Go's `path.Match` without classes: `*` and `?` do not cross a slash.
fn glob(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                let longest = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
                (0..=longest).any(|taken| fits(rest, &text[taken..]))
            }
            (Some((b'?', rest)), Some((byte, text))) => *byte != b'/' && fits(rest, text),
            (Some((wanted, rest)), Some((byte, text))) => wanted == byte && fits(rest, text),
            _ => false,
        }
    }
    // Longer patterns have no use, and would take time.
    pattern.len() <= 256
        && pattern.bytes().filter(|byte| *byte == b'*').count() <= 8
        && fits(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("busy*:l?test", "busybox:latest", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("", "a", false),
        ] {
            assert_eq!(super::glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
