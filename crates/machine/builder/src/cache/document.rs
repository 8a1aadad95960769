//! `application/vnd.buildkit.cacheconfig.v0`, as far as it is read and written here. Pure.
//!
//! ```text
//! {"layers":  [{"blob": digest, "parent": place, "annotations": {"diffID": …}}],
//!  "records": [{"digest": the step's key, "layers": [{"layer": place, "createdAt": time}]}]}
//! ```
//! In an image (`moby.buildkit.cache.v0`) there are only the records: places are those of its layers.

use serde::{Deserialize, Serialize};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// The document's media type.
pub const MEDIA_TYPE: &str = "application/vnd.buildkit.cacheconfig.v0";
/// A layer's annotation with the hash of its plain tar.
pub const UNCOMPRESSED: &str = "containerd.io/uncompressed";
/// A layer's annotation with its step.
pub const DESCRIPTION: &str = "buildkit/description";
/// A layer's annotation with when its step ran.
pub const CREATED: &str = "buildkit/createdat";
/// Steps of one cache.
const RECORD_LIMIT: usize = 100_000;

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheConfig {
    /// Layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// As it lies in the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// The place of the layer below; -1 for none, absent for the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub parent: i64,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<About>,
}

/// More about a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Hash of its plain tar.
    #[serde(rename = "diffID", default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it became.
    #[serde(rename = "layers", default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Outcome>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What a step became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The place of its layer.
    pub layer: usize,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_first(parent: &i64) -> bool {
    *parent == 0
}

/// A step that can be taken from a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its layer as it lies there.
    pub descriptor: Descriptor,
    /// Hash of the plain tar.
    pub diff_id: Digest,
    /// When it was made, RFC 3339.
    pub created: String,
}

impl Record {
    /// A step of this builder, with its layer's place.
    pub fn new(key: &str, layer: usize, created: &str) -> Option<Self> {
        let digest = format!("sha256:{key}").parse().ok()?;
        let results = vec![Outcome { layer, created_at: Some(created.to_owned()) }];
        Some(Self { results, digest: Some(digest) })
    }
}

/// Steps by key, with the layers that `layer` has at their places. What is incomplete is not there.
pub fn entries(
    records: Vec<Record>,
    layer: impl Fn(usize) -> Option<(Descriptor, Digest)>,
) -> impl Iterator<Item = (String, Entry)> {
    records.into_iter().take(RECORD_LIMIT).filter_map(move |record| {
        let key = record.digest?.hex().to_owned();
        let outcome = record.results.into_iter().next()?;
        let (descriptor, diff_id) = layer(outcome.layer)?;
        let created = outcome.created_at.or_else(|| descriptor.annotations.get(CREATED).cloned());
        Some((key, Entry { descriptor, diff_id, created: created.unwrap_or_default() }))
    })
}

impl CacheConfig {
    /// The layer at a place, of those that the manifest lists.
    pub fn layer(&self, place: usize, listed: &[Descriptor]) -> Option<(Descriptor, Digest)> {
        let layer = self.layers.get(place)?;
        let blob = layer.blob.as_ref()?;
        let descriptor = listed.iter().find(|descriptor| descriptor.digest == *blob)?;
        let noted = descriptor.annotations.get(UNCOMPRESSED).and_then(|text| text.parse().ok());
        let diff_id = noted.or_else(|| layer.annotations.as_ref()?.diff_id.clone())?;
        Some((descriptor.clone(), diff_id))
    }
}

#[cfg(test)]
mod tests {
    use super::{About, CREATED, CacheConfig, Layer, Record, UNCOMPRESSED, entries};
    use teu_oci::Digest;
    use teu_oci::image::Descriptor;
    use teu_oci::media;

    #[test]
    fn what_is_written_is_read() {
        let (blob, diff_id) = (Digest::sha256(b"packed"), Digest::sha256(b"plain"));
        let key = Digest::sha256(b"step").hex().to_owned();
        let config = CacheConfig {
            layers: vec![Layer {
                blob: Some(blob.clone()),
                parent: -1,
                annotations: Some(About { diff_id: Some(diff_id.clone()) }),
            }],
            records: vec![Record::new(&key, 0, "2026-01-01T00:00:00Z").unwrap()],
        };
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(r#""parent":-1"#) && text.contains(r#""layers":[{"layer":0,"#));
        let read: CacheConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config);
        let listed = [Descriptor::new(media::LAYER_GZIP, blob, 7)];
        let found: Vec<_> = entries(read.records.clone(), |n| read.layer(n, &listed)).collect();
        assert_eq!((found[0].0.as_str(), &found[0].1.diff_id), (key.as_str(), &diff_id));
        assert_eq!(found[0].1.created, "2026-01-01T00:00:00Z");
        assert_eq!(entries(read.records.clone(), |n| read.layer(n, &[])).count(), 0);
    }

    /// As BuildKit writes them: with inputs, without annotations, and steps without layers.
    #[test]
    fn foreign_ones_are_read_too() {
        let text = r#"{"layers":[{"blob":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","parent":-1},
            {"blob":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}],
            "records":[{"digest":"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"},
            {"layers":[{"layer":1,"createdAt":"2026-01-01T00:00:00Z"},{"layer":9}],
             "digest":"sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
             "inputs":[[{"selector":"x","link":0}]],"recordType":"merge"}]}"#;
        let config: CacheConfig = serde_json::from_str(text).unwrap();
        let mut listed =
            Descriptor::new(media::LAYER_GZIP, config.layers[1].blob.clone().unwrap(), 7);
        let plain = Digest::sha256(b"plain");
        listed.annotations.insert(UNCOMPRESSED.to_owned(), plain.to_string());
        listed.annotations.insert(CREATED.to_owned(), "2025-01-01T00:00:00Z".to_owned());
        let found: Vec<_> =
            entries(config.records.clone(), |n| config.layer(n, &[listed.clone()])).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].0.starts_with("dddd") && found[0].1.diff_id == plain);
    }
}
