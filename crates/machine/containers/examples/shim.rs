//! The part of the `teu` binary that shims are started from, for this crate's own tests.

/// As `teu` does: `teu shim …`, or as the init of a container.
fn main() {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if std::path::Path::new(&name).file_name().is_some_and(|name| name == "docker-init") {
        std::process::exit(teu_containers::shim::init(arguments));
    }
    if arguments.next().is_some_and(|command| command == "shim") {
        std::process::exit(teu_containers::shim::main(arguments));
    }
    std::process::exit(125);
}
