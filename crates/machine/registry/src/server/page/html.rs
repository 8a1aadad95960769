//! What was gathered, as HTML: pure. What clients have written (media types, artifact types,
//! platforms) is escaped; names, tags and digests can hold nothing that must be.

use std::collections::HashSet;
use std::fmt::Write;
use teu_oci::image::Descriptor;

/// Layers that are shown of one image.
const LAYERS: usize = 200;

/// A repository in the list.
#[derive(Debug, Clone, Default)]
pub(super) struct RepositoryRow {
    pub(super) name: String,
    pub(super) tags: usize,
    pub(super) bytes: u64,
    /// When the last manifest came, seconds since 1970.
    pub(super) at: Option<u64>,
    /// Where it comes from, if it was not pushed.
    pub(super) from: Option<String>,
}

/// A tag, or a manifest without one.
#[derive(Debug, Clone)]
pub(super) struct TagRow {
    pub(super) tag: Option<String>,
    pub(super) digest: String,
    pub(super) media_type: String,
    pub(super) at: Option<u64>,
    /// The image, or those of the index.
    pub(super) images: Vec<ImageRow>,
    /// Images that are not shown.
    pub(super) more: usize,
}

/// An image.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageRow {
    pub(super) platform: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) digest: String,
    pub(super) bytes: u64,
    pub(super) layers: Vec<(String, u64)>,
    pub(super) is_here: bool,
}

impl ImageRow {
    /// One of which only its descriptor is known.
    pub(super) fn elsewhere(of: &Descriptor) -> Self {
        Self {
            platform: of.platform.as_ref().map(ToString::to_string),
            artifact: of.artifact_type.clone(),
            digest: of.digest.to_string(),
            ..Self::default()
        }
    }
}

/// The list of repositories.
pub(super) fn repositories(rows: &[RepositoryRow], host: &str, more: Option<&str>) -> String {
    let mut page = head("Registry", "<h1>Repositories</h1>");
    if rows.is_empty() {
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "<p>There is nothing yet.</p><pre>docker tag APP {host}/APP\ndocker push {host}/APP</pre>"
        );
        return end(page, None);
    }
    page.push_str(
        "<table><thead><tr><th>Name<th class=number>Tags<th class=number>Size\
         <th class=number>Last change</tr></thead><tbody>\n",
    );
    for row in rows {
        let name = &row.name;
        let from = row.from.as_deref().map(badge).unwrap_or_default();
        let at = row.at.map(date).unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td><a href=\"/?repository={}\"><b>{name}</b></a>{from}<td class=number>{}\
             <td class=number>{}<td class=\"number soft\">{at}</tr>",
            crate::link::encode(name),
            row.tags,
            human(row.bytes)
        );
    }
    page.push_str("</tbody></table>\n");
    end(page, more)
}

/// What is in one repository.
pub(super) fn tags(name: &str, rows: &[TagRow], host: &str, more: Option<&str>) -> String {
    let title = format!("<h1><a href=\"/\">Repositories</a> / {name}</h1>");
    let mut page = head(name, &title);
    // The only one there is need not be opened first.
    let open = if rows.len() == 1 { " open" } else { "" };
    for row in rows {
        write_tag(&mut page, (name, host), row, open);
    }
    end(page, more)
}

/// No such repository, or not for this person.
pub(super) fn nothing(name: &str) -> String {
    let mut page = head("Registry", "<h1><a href=\"/\">Repositories</a></h1>");
    let shown: String = name.chars().take(200).collect();
    let _ = writeln!(page, "<p>There is no repository <b>{}</b>.</p>", escaped(&shown));
    end(page, None)
}

fn write_tag(page: &mut String, (name, host): (&str, &str), row: &TagRow, open: &str) {
    let bytes = bytes_of(&row.images);
    let title = match &row.tag {
        Some(tag) => format!("<b>{tag}</b>"),
        None => "<span class=soft>no tag</span>".to_owned(),
    };
    let kinds = row
        .images
        .iter()
        .filter_map(|image| image.platform.as_deref().or(image.artifact.as_deref()).map(badge));
    let _ = writeln!(
        page,
        "<details{open}><summary>{title}<span>{}</span><code class=soft>{}</code>\
         <span class=end>{}</span></summary><div class=inside>",
        kinds.take(6).collect::<String>(),
        short(&row.digest),
        human(bytes)
    );
    let reference = match &row.tag {
        Some(tag) => format!("{name}:{tag}"),
        None => format!("{name}@{}", row.digest),
    };
    let _ = writeln!(page, "<pre>docker pull {host}/{reference}</pre>");
    let at = row.at.map(|at| format!(", since {}", date(at))).unwrap_or_default();
    let kind = escaped(&row.media_type);
    let _ = writeln!(
        page,
        "<p class=soft>{kind}{at}</p><p class=digest><code>{}</code></p>",
        row.digest
    );
    let is_index = row.images.len() > 1 || row.images.iter().any(|i| i.digest != row.digest);
    for image in &row.images {
        write_image(page, image, is_index);
    }
    if row.more > 0 {
        let _ = writeln!(page, "<p class=soft>and {} more images</p>", row.more);
    }
    page.push_str("</div></details>\n");
}

/// Bytes of all of them; layers that they share count once.
fn bytes_of(images: &[ImageRow]) -> u64 {
    let mut seen = HashSet::new();
    let mut own = |image: &ImageRow| {
        let again = image.layers.iter().filter(|(digest, _)| !seen.insert(digest.clone()));
        let again = again.fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        image.bytes.saturating_sub(again)
    };
    images.iter().fold(0u64, |sum, image| sum.saturating_add(own(image)))
}

fn write_image(page: &mut String, image: &ImageRow, is_index: bool) {
    if is_index {
        let kind = image.platform.as_deref().or(image.artifact.as_deref()).unwrap_or("image");
        let size = if image.is_here { human(image.bytes) } else { "not here".to_owned() };
        let _ = writeln!(
            page,
            "<h2>{} <span class=soft>{size} <code>{}</code></span></h2>",
            escaped(kind),
            short(&image.digest)
        );
    }
    if image.layers.is_empty() {
        return;
    }
    let largest = image.layers.iter().map(|(_, size)| *size).max().unwrap_or(1).max(1);
    page.push_str(
        "<table class=layers><thead><tr><th>Layer<th class=number>Size<th></tr></thead>\n",
    );
    for (digest, size) in image.layers.iter().take(LAYERS) {
        let percent = (u128::from(*size) * 100 / u128::from(largest)).max(1);
        let _ = writeln!(
            page,
            "<tr><td><code title=\"{digest}\">{}</code><td class=number>{}\
             <td class=bar><i style=\"width:{percent}%\"></i></tr>",
            short(digest),
            human(*size)
        );
    }
    page.push_str("</table>\n");
    if image.layers.len() > LAYERS {
        let _ = writeln!(page, "<p class=soft>and {} more layers</p>", image.layers.len() - LAYERS);
    }
}

fn head(title: &str, header: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title} · Teu</title>\
         <style>\n{}</style></head><body><header>{header}</header><main>\n",
        include_str!("style.css")
    )
}

fn end(mut page: String, more: Option<&str>) -> String {
    if let Some(more) = more {
        let _ = writeln!(page, "<p><a href=\"{}\">More →</a></p>", escaped(more));
    }
    page.push_str("</main></body></html>\n");
    page
}

fn badge(text: &str) -> String {
    format!("<span class=badge>{}</span>", escaped(text))
}

fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.chars().take(12).collect()
}

fn date(seconds: u64) -> String {
    let text = teu_images::time::format_rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX), 0);
    text.get(..16).unwrap_or(&text).replace('T', " ")
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
        assert_eq!(date(1_700_000_000), "2023-11-14 22:13");
    }

    #[test]
    fn nothing_that_a_client_wrote_is_markup() {
        let evil = "<b onclick=\"x\">'&";
        let image = ImageRow {
            platform: Some(evil.to_owned()),
            artifact: Some(evil.to_owned()),
            layers: vec![("sha256:0".to_owned(), 1)],
            ..ImageRow::default()
        };
        let row = TagRow {
            tag: None,
            digest: "sha256:1".to_owned(),
            media_type: evil.to_owned(),
            at: Some(0),
            images: vec![image.clone(), ImageRow { platform: None, ..image }],
            more: 1,
        };
        let repository = RepositoryRow { from: Some(evil.to_owned()), ..RepositoryRow::default() };
        for page in [
            tags("a/b", &[row], "host:1", Some("/?repository=a/b&last=\"x")),
            repositories(&[repository], "host:1", None),
            nothing(evil),
        ] {
            assert!(!page.contains("onclick=\""), "{page}");
            assert!(page.contains("&lt;b onclick=&quot;"), "{page}");
        }
    }
}
