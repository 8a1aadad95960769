//! What clients of the registry write into paths, queries and headers: names, routes, ranges, pages,
//! manifests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_registry::link::{Page, Plus, Query, decode, encode};
use teu_registry::manifest::examine;
use teu_registry::name::{Name, is_tag};
use teu_registry::range::{Wanted, parse_content_range, parse_range};
use teu_registry::route::{Reference, Route};

fuzz_target!(|text: &str| {
    if let Some(name) = Name::parse(text) {
        let file = name.file();
        assert!(!file.contains('/') && !file.starts_with('.') && !file.contains(".."));
        assert_eq!(Name::from_file(&file), Some(name));
    }
    if is_tag(text) {
        assert!(!text.contains(['/', ':']) && !text.starts_with('.'));
    }
    if let Ok(Route::Manifest(name, Reference::Tag(tag))) = Route::parse(text) {
        assert!(Name::parse(name.as_str()).is_some() && is_tag(&tag));
    }
    for size in [0, 1, 1000, u64::MAX] {
        if let Wanted::Part(range) = parse_range(text, size) {
            assert!(range.start < range.end && range.end <= size);
        }
    }
    if let Some(range) = parse_content_range(text) {
        assert!(range.start < range.end);
    }
    if let Some(page) = Page::of(&Query::parse(text)) {
        let link = page.next("/v2/a/tags/list", text);
        assert!(link.is_ascii() && !link.contains(['\r', '\n']));
    }
    assert_eq!(decode(&encode(text), Plus::IsSpace).as_deref(), Some(text));
    let _ = examine(Some("application/vnd.oci.image.manifest.v1+json"), text.as_bytes());
    let _ = examine(None, text.as_bytes());
});
