//! Files that change under a running server, in every way in which that is done.

use crate::world::World;
use std::path::Path;
use std::sync::{Arc, Mutex};
use teu_server::reload::{self, Watched};
use tokio::sync::mpsc;

#[test]
fn a_file_is_seen_however_it_is_changed_and_only_then() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("written");
    // A mounted secret is a link to a link that is swapped.
    for (version, text) in [("v1", "first"), ("v2", "linked")] {
        std::fs::create_dir(at(version)).expect("a folder");
        write(&at(version).join("file"), text);
    }
    let link = |from: &str, to: &Path| std::os::unix::fs::symlink(from, to).expect("a link");
    link("v1", &at("data"));
    link("data/file", &at("mounted"));
    write(&at("plain"), "first");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watched = |name: &str| {
        let (path, seen, name) = (at(name), Arc::clone(&seen), name.to_owned());
        let own = path.clone();
        let take = move || {
            let text = std::fs::read_to_string(&own).map_err(|error| error.to_string())?;
            seen.lock().expect("unharmed").push(format!("{name} {text}"));
            if text == "broken" { Err("it is broken".to_owned()) } else { Ok(()) }
        };
        Watched { what: "test", path, take: Arc::new(take) }
    };
    let (told, mut heard) = mpsc::channel(16);
    let (files, api) = (vec![watched("plain"), watched("mounted")], Arc::clone(&world.api));
    world.run(async {
        tokio::spawn(reload::run(files, told, api));
    });
    let mut next = || world.run(async { heard.recv().await.expect("a file") });
    // Whatever happens beside it is nothing, so what comes first is what is meant. It may not listen yet:
    // written again until it was heard.
    let begun = std::time::Instant::now();
    while seen.lock().expect("unharmed").is_empty() {
        assert!(begun.elapsed() < crate::world::PATIENCE, "nothing is heard");
        write(&at("other"), "x");
        write(&at("plain"), &format!("{:?}", begun.elapsed()));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(next().trouble, None);
    // By a rename, as editors do it. What was heard before may be among what comes.
    let mut until = |wanted: &str, trouble: Option<&str>| loop {
        let one = next();
        let last = seen.lock().expect("unharmed").last().cloned().unwrap_or_default();
        if last == wanted {
            assert_eq!(one.trouble.as_deref(), trouble);
            break;
        }
    };
    write(&at("beside"), "renamed");
    std::fs::rename(at("beside"), at("plain")).expect("renamed");
    until("plain renamed", None);
    write(&at("plain"), "broken");
    until("plain broken", Some("it is broken"));
    link("v2", &at("data.new"));
    std::fs::rename(at("data.new"), at("data")).expect("swapped");
    until("mounted linked", None);
    let metrics = world.get("/metrics").text;
    let failed = "apiserver_test_config_controller_automatic_reloads_total{status=\"failure\"} 1";
    assert!(metrics.contains(failed), "{metrics}");
}
