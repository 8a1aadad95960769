//! Commands and where they are looked for.

use super::*;

#[track_caller]
fn check(command: &str, environment: &[&str], expected: &[&str]) {
    let environment: Vec<_> = environment.iter().map(|entry| (*entry).to_owned()).collect();
    let found = candidates(command, &environment).expect("candidates");
    let found: Vec<_> = found.iter().map(|path| path.to_str().expect("text")).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_containers_path_decides() {
    check("/bin/x", &["PATH=/a"], &["/bin/x"]);
    check("./x", &["PATH=/a"], &["./x"]);
    check("x", &["PATH=/a:/b"], &["/a/x", "/b/x"]);
    check("x", &["PATH=/a", "PATH=/c"], &["/c/x"]);
    check("x", &["PATH=:/b"], &["./x", "/b/x"]);
}
