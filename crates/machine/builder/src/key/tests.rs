//! Inputs do not run into each other.

use super::Key;
use std::collections::BTreeSet;

#[test]
fn tells_inputs_apart() {
    let keys = [
        Key::new("run").hex(),
        Key::new("copy").hex(),
        Key::new("run").field("a", "b").hex(),
        Key::new("run").field("ab", "").hex(),
        Key::new("run").field("a", "").field("b", "").hex(),
        Key::new("run").optional("a", None::<&str>).hex(),
        Key::new("run").list("a", ["b", "c"]).hex(),
        Key::new("run").list("a", ["bc"]).hex(),
        Key::new("run").list("a", ["b"]).list("a", ["c"]).hex(),
        Key::new("run").list("a", [""; 0]).hex(),
        Key::new("run").list("a", [""]).hex(),
        Key::new("run").number("a", 1).hex(),
        Key::new("run").number("a", -1).hex(),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    assert_eq!(Key::new("run").field("a", "b").hex(), Key::new("run").field("a", "b").hex());
}
