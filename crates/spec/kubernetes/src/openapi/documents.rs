//! Documents kept: each made when it is first asked, compressed, with the hash that its address carries.
//!
//! A server makes a new one of these when its resources change; what was made of a group and version
//! that did not change is taken over, so a new custom resource costs only its own document.

use super::{Described, Dialect, document, gnostic};
use crate::resource::Resource;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

/// A document's bytes.
#[derive(Debug, Clone)]
pub struct Body {
    /// Compressed with gzip, as it is kept.
    pub gzip: Arc<[u8]>,
    /// Of the bytes uncompressed: for an `ETag`, and for the address of a version 3 document.
    pub hash: Arc<str>,
}

impl Body {
    fn of(bytes: &[u8]) -> Self {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let gzip = out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default();
        Self { gzip: gzip.into(), hash: hash(bytes).into() }
    }

    /// Uncompressed.
    pub fn plain(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Bytes that were compressed above.
        let _ = GzDecoder::new(&*self.gzip).read_to_end(&mut out);
        out
    }
}

fn hash(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(out, "{byte:02X}");
    }
    out
}

/// A resource and, of a custom one, its schema.
pub type Owned = (Arc<Resource>, Option<Arc<Value>>);

/// Documents of a set of resources.
#[derive(Debug)]
pub struct Documents {
    release: String,
    /// By `api/v1` and `apis/<group>/<version>`.
    sets: BTreeMap<String, Arc<Set>>,
    v2: OnceLock<Body>,
    v2_protobuf: OnceLock<Body>,
}

#[derive(Debug)]
struct Set {
    resources: Vec<Owned>,
    v3: OnceLock<Body>,
    hash: OnceLock<String>,
}

impl Documents {
    /// Of these resources; `release` is the server's version, such as `v1.36.0`. What `before` had made
    /// of unchanged groups is kept.
    pub fn new(
        release: &str,
        resources: impl IntoIterator<Item = Owned>,
        before: Option<&Self>,
    ) -> Self {
        let mut sets: BTreeMap<String, Vec<Owned>> = BTreeMap::new();
        for each in resources {
            let set = match &*each.0.group {
                "" => format!("api/{}", each.0.version),
                group => format!("apis/{group}/{}", each.0.version),
            };
            sets.entry(set).or_default().push(each);
        }
        let sets = sets.into_iter().map(|(name, resources)| {
            let known = before.and_then(|before| before.sets.get(&name));
            let set = match known.filter(|known| same(&known.resources, &resources)) {
                Some(known) => known.clone(),
                None => Arc::new(Set { resources, v3: OnceLock::new(), hash: OnceLock::new() }),
            };
            (name, set)
        });
        Self {
            release: release.to_owned(),
            sets: sets.collect(),
            v2: OnceLock::new(),
            v2_protobuf: OnceLock::new(),
        }
    }

    /// `/openapi/v3`: where each document is. The hash there is one of what the document is made of, so
    /// asking for the index makes no document.
    pub fn index(&self) -> Value {
        let mut paths = Map::new();
        for (name, set) in &self.sets {
            let hash = self.set_hash(set);
            let address = format!("/openapi/v3/{name}?hash={hash}");
            paths.insert(name.clone(), json!({ "serverRelativeURL": address }));
        }
        json!({ "paths": paths })
    }

    /// The hash that the index names for a document; none for one that is not there.
    pub fn hash(&self, name: &str) -> Option<&str> {
        self.sets.get(name).map(|set| self.set_hash(set))
    }

    fn set_hash<'a>(&self, set: &'a Set) -> &'a str {
        set.hash.get_or_init(|| {
            let mut text = format!("{} {}", self.release, env!("CARGO_PKG_VERSION"));
            for (resource, schema) in &set.resources {
                let _ = write!(text, "\n{resource:?} {schema:?}");
            }
            hash(text.as_bytes())
        })
    }

    /// `/openapi/v3/<name>`, such as `apis/apps/v1`.
    pub fn v3(&self, name: &str) -> Option<&Body> {
        let set = self.sets.get(name)?;
        Some(set.v3.get_or_init(|| {
            let document = document(Dialect::V3, &self.release, &described(&set.resources));
            Body::of(document.to_string().as_bytes())
        }))
    }

    /// `/openapi/v2` as JSON.
    pub fn v2(&self) -> &Body {
        self.v2.get_or_init(|| Body::of(self.whole().to_string().as_bytes()))
    }

    /// `/openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`.
    pub fn v2_protobuf(&self) -> &Body {
        self.v2_protobuf.get_or_init(|| Body::of(&gnostic(&self.whole())))
    }

    fn whole(&self) -> Value {
        let all: Vec<Described<'_>> =
            self.sets.values().flat_map(|set| described(&set.resources)).collect();
        document(Dialect::V2, &self.release, &all)
    }
}

fn described(resources: &[Owned]) -> Vec<Described<'_>> {
    resources
        .iter()
        .map(|(resource, schema)| Described { resource, schema: schema.as_deref() })
        .collect()
}

/// Whether two sets are made of the same: the same memory, or the same words.
fn same(one: &[Owned], two: &[Owned]) -> bool {
    let equal = |one: &Option<Arc<Value>>, two: &Option<Arc<Value>>| match (one, two) {
        (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
        (None, None) => true,
        _ => false,
    };
    one.len() == two.len()
        && one.iter().zip(two).all(|(one, two)| {
            (Arc::ptr_eq(&one.0, &two.0) || one.0 == two.0) && equal(&one.1, &two.1)
        })
}
