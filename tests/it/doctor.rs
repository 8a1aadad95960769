//! `teu doctor`: it looks and changes nothing, for programs and for people.

use crate::world::World;

#[test]
fn what_is_lacking_is_said_with_what_to_do() {
    let world = World::empty();
    let said = world.line("doctor --format json").ok();
    let mut names = Vec::new();
    for line in said.lines() {
        let check: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("Verdict") == "ok", text("Advice").is_empty(), "{line}");
        names.push(text("Name"));
    }
    for name in ["kernel", "control groups", "nftables", "disk"] {
        assert!(names.iter().any(|other| other == name), "{name} in {names:?}");
    }
    let report = world.line("doctor").ok();
    assert!(report.starts_with("kernel"), "{report}");
    assert!(!world.root().join("images").exists(), "nothing is made by looking");
}
