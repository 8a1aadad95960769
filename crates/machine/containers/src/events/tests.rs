//! What a line holds.

use super::*;

#[test]
fn a_long_line_keeps_what_programs_look_for() {
    let root = std::env::temp_dir().join(format!("teu-events-{}", std::process::id()));
    fs::create_dir_all(root.join("events")).unwrap();
    let home = Home { data: root.clone(), run: root.join("run") };
    let labels = BTreeMap::from([("label".to_owned(), "x".repeat(5000))]);
    let action = format!("exec_start: {}", "\u{e9}".repeat(100_000));
    for action in ["exec_die", &action] {
        let event = Event::new("container", action, "id", labels.clone());
        append(&home, &event.with("execID", "42").with("exitCode", "3")).unwrap();
    }
    let text = fs::read_to_string(root.join("events/journal")).unwrap();
    fs::remove_dir_all(&root).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(text.lines().all(|line| line.len() < LINE_LIMIT_BYTES), "{}", text.len());
    assert_eq!(events.len(), 2);
    assert!(events[1].action.starts_with("exec_start: \u{e9}"));
    for event in events {
        let expected = [("execID", "42"), ("exitCode", "3")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(event.attributes, expected.into());
    }
}
