//! When a key is looked at, and how often.

use super::*;

fn key(text: &str) -> Key {
    text.into()
}

#[test]
fn a_key_is_looked_at_once_at_a_time() {
    let mut state = State::default();
    state.add(key("a"));
    state.add(key("a"));
    state.add(key("b"));
    assert_eq!(state.take(0), Ok(key("a")));
    state.add(key("a"));
    assert_eq!(state.take(0), Ok(key("b")));
    assert_eq!(state.take(0), Err(None));
    assert!(state.running[&key("a")]);
}

#[test]
fn the_earlier_time_counts() {
    let mut state = State::default();
    state.add_at(key("a"), 50);
    state.add_at(key("a"), 70);
    assert_eq!(state.take(10), Err(Some(40)));
    state.add_at(key("a"), 20);
    assert_eq!(state.take(10), Err(Some(10)));
    assert_eq!(state.take(20), Ok(key("a")));
    assert_eq!(state.take(100), Err(None));
}
