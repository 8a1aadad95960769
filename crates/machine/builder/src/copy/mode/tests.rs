//! `--chmod`, value by value.

use super::ModeChange;

#[test]
fn changes_modes() {
    for (change, mode, directory, expected) in [
        ("755", 0o600, false, 0o755),
        ("0644", 0o777, true, 0o644),
        ("4755", 0o600, false, 0o4755),
        ("+x", 0o644, false, 0o755),
        ("a+x", 0o600, false, 0o711),
        ("u+x", 0o644, false, 0o744),
        ("go-rwx", 0o755, false, 0o700),
        ("u=rwX,go=rX", 0o600, false, 0o644),
        ("u=rwX,go=rX", 0o600, true, 0o755),
        ("u=rwX,go=rX", 0o700, false, 0o755),
        ("g+s", 0o755, true, 0o2755),
        ("o+t", 0o777, true, 0o1777),
        ("u+r-w", 0o600, false, 0o400),
        ("a=", 0o777, false, 0),
    ] {
        let parsed = ModeChange::parse(change).unwrap_or_else(|| panic!("{change}"));
        assert_eq!(parsed.apply(mode, directory), expected, "{change} of {mode:o}");
    }
    for wrong in ["8", "99999", "x", "u", "q+x", "u+q", "u=rw,"] {
        assert_eq!(ModeChange::parse(wrong), None, "{wrong}");
    }
}
