//! `--annotation [LEVEL[,LEVEL]:]KEY=VALUE`: which document is annotated.
//!
//! A colon belongs to the key unless all before it are levels, as buildx reads it.

use super::BuildRequest;
use crate::error::RequestProblem;
use teu_images::Annotations;

const LEVELS: [&str; 4] = ["index", "manifest", "index-descriptor", "manifest-descriptor"];

impl BuildRequest {
    /// The annotations by the document they are for.
    pub fn levels(&self) -> Result<Annotations, RequestProblem> {
        let mut annotations = Annotations::default();
        for (typed, value) in &self.annotations {
            let is_level = |word: &str| LEVELS.contains(&word.split('[').next().unwrap_or(word));
            let (levels, key) = match typed.split_once(':') {
                Some((levels, key)) if levels.split(',').all(is_level) => (levels, key),
                _ => ("manifest", typed.as_str()),
            };
            for level in levels.split(',') {
                let of = match level {
                    "manifest" => &mut annotations.manifest,
                    "index" => &mut annotations.index,
                    other => return Err(RequestProblem::AnnotationLevel(other.to_owned())),
                };
                of.insert(key.to_owned(), value.clone());
            }
        }
        Ok(annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let of = |typed: &str| {
            let annotations = [(typed.to_owned(), "v".to_owned())].into();
            BuildRequest { annotations, ..BuildRequest::default() }.levels().map(|found| {
                let keys = |map: std::collections::BTreeMap<String, String>| {
                    map.into_keys().collect::<Vec<_>>().join(" ")
                };
                format!("manifest[{}] index[{}]", keys(found.manifest), keys(found.index))
            })
        };
        for (typed, expected) in [
            ("org.x", Ok("manifest[org.x] index[]")),
            ("manifest:org.x", Ok("manifest[org.x] index[]")),
            ("index:org.x", Ok("manifest[] index[org.x]")),
            ("index,manifest:org.x", Ok("manifest[org.x] index[org.x]")),
            ("a:b", Ok("manifest[a:b] index[]")),
            ("manifest-descriptor:x", Err("manifest-descriptor")),
            ("manifest[linux/arm64]:x", Err("manifest[linux/arm64]")),
        ] {
            match (of(typed), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{typed}"),
                (Err(RequestProblem::AnnotationLevel(level)), Err(expected)) => {
                    assert_eq!(level, expected);
                }
                (found, _) => panic!("{typed}: {found:?}"),
            }
        }
    }
}
