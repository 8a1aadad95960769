//! The expectations of this crate, met by Debian's runc: that the field does what is expected of us
//! here stays true only as long as somebody looks.

use crate::world::subject;
use std::path::Path;
use std::process::Command;

/// What asks the subject; the rest asks the library.
const MODULES: [&str; 6] =
    ["attacks::", "exec::", "lifecycle::", "mounts::", "namespaces::", "process::"];

#[test]
fn runc_does_the_same() {
    if subject() == Path::new("runc") {
        return;
    }
    if !Path::new("/usr/sbin/runc").exists() {
        eprintln!("not run: needs Debian's runc");
        return;
    }
    let own = std::env::current_exe().expect("own path");
    let output = Command::new(own).args(MODULES).env("SUBJECT", "runc").output().expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("0 failed") && !said.contains("running 0 tests"), "{said}");
}
