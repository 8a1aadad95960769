//! The page on `/`, in a browser: issue 3, section 2.

use super::cache::{cache, hub};
use crate::browser::Browser;
use crate::distribution::http::Request;
use crate::distribution::server::{Registry, wait_for};
use crate::distribution::{INDEX, MANIFEST, digest, manifest, push_blob, push_image, put_manifest};
use crate::world::image_archive;

/// An index of two platforms whose layers have different sizes.
fn push_index(registry: &Registry, name: &str, tag: &str) {
    let mut entries = Vec::new();
    for (architecture, bytes) in [("amd64", 7_000_000), ("arm64", 2_500)] {
        let config = format!(r#"{{"architecture":"{architecture}","os":"linux"}}"#);
        let layer = vec![b'x'; bytes];
        push_blob(registry, name, config.as_bytes());
        push_blob(registry, name, &layer);
        let manifest = manifest(config.as_bytes(), &layer, "");
        put_manifest(registry, name, &digest(&manifest), (MANIFEST, &manifest)).expect(201);
        entries.push(format!(
            r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":{},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#,
            digest(&manifest),
            manifest.len()
        ));
    }
    let entries = entries.join(",");
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}]}}"#);
    put_manifest(registry, name, tag, (INDEX, index.as_bytes())).expect(201);
}

#[test]
fn a_browser_finds_repositories_tags_layers_and_sizes() {
    let upstream = Registry::start();
    push_image(&upstream, "library/far", "v3", "");
    let (_dir, registry) = cache(&[&hub(&upstream.address, "")], &["--serve-local"]);
    let browser = Browser::start();
    let home = format!("http://{}/", registry.address);
    let sees = |text: &str| {
        wait_for(|| browser.text().contains(text).then_some(()));
        browser.text()
    };
    browser.open(&home);
    sees("There is nothing yet.");
    push_index(&registry, "team/app", "2.0");
    push_image(&registry, "team/app", "old", "");
    registry.ask(Request::get("/v2/hub/library/far/manifests/v3")).expect(200);
    registry.teu(&["load", "-q", "-i", &image_archive("busybox").display().to_string()]);
    browser.open(&home);
    let text = sees("team/app");
    let line = text.lines().find(|line| line.contains("team/app")).expect("a line");
    assert!(line.contains("7.0 MB"), "{text}");
    assert!(text.contains("cache of docker.io") && text.contains("local images"), "{text}");
    assert_eq!(text.matches("busybox").count(), 1, "{text}");
    browser.click("a[href='/?repository=team/app']");
    let text = sees("2.0");
    assert!(text.contains("linux/arm64") && !text.contains("2.5 kB"), "{text}");
    browser.click("details summary");
    let text = sees("2.5 kB");
    let pull = format!("docker pull {}/team/app:2.0", registry.address);
    assert!(text.contains("7.0 MB") && text.contains(&pull), "{text}");
    browser.click("header a");
    sees("Last change");
    browser.click("a[href='/?repository=busybox']");
    // The only tag is open already.
    assert!(sees("Layer").contains("latest"));
}

#[test]
fn what_one_may_not_see_is_as_if_it_were_not_there() {
    let registry = Registry::start();
    push_image(&registry, "a", "v1", "");
    registry.ask(Request::get("/?repository=a")).expect(200);
    for wrong in ["b", "a/b", "%3Cscript%3E", "..%2Fa", ""] {
        let answer = registry.ask(Request::get(&format!("/?repository={wrong}"))).expect(404);
        assert!(!answer.text().contains("<script"), "{}", answer.text());
    }
}
