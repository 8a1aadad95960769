//! Compose files: whatever the bytes, reading ends, errors can be shown; what is read is printed, and
//! what was printed is read as the same project with the same hashes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::path::Path;
use teu_compose::load::Files;
use teu_compose::load::locate::Wishes;
use teu_compose::print::{doubled, json, service_hash, yaml};
use teu_compose::project::{Project, ReadOptions};

struct One<'a>(&'a [u8]);

impl Files for One<'_> {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match self.exists(path) {
            true => Ok(self.0.to_vec()),
            false => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
    fn exists(&self, path: &Path) -> bool {
        path == Path::new("/p/compose.yaml")
    }
}

fn read(bytes: &[u8]) -> Result<Project, String> {
    let wishes = Wishes {
        here: "/p".into(),
        home: Some("/home/me".into()),
        name: Some("p".to_owned()),
        variables: BTreeMap::from([("A".to_owned(), "a $b".to_owned())]),
        ..Wishes::default()
    };
    let project = Project::read(&wishes, ReadOptions::default(), &One(bytes));
    project.map_err(|error| error.to_string())
}

fuzz_target!(|data: &[u8]| {
    let mut project = match read(data) {
        Ok(project) => project,
        Err(said) => {
            assert!(!said.is_empty());
            return;
        }
    };
    let _ = json(&project.tree);
    let text = doubled(&yaml(&project.tree));
    let again = read(text.as_bytes()).unwrap_or_else(|said| panic!("{said}\n{text}"));
    assert_eq!(doubled(&yaml(&again.tree)), text);
    for name in project.model.services.keys() {
        let hash = |project: &Project| project.service_tree(name).map(service_hash);
        assert_eq!(hash(&project), hash(&again));
    }
    let _ = project.apply_profiles(&[]);
    let _ = teu_compose::convert::ecs::convert(&project);
    let gone = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let _ = teu_compose::convert::kubernetes::convert(&project, &gone);
});
