//! Paths that clients really ask for.

use super::*;

#[test]
fn paths() {
    use ContainerRoute as C;
    use ImageRoute as I;
    let id = || "x".to_owned();
    for (method, path, expected) in [
        ("HEAD", "/_ping", Some(Route::Ping)),
        ("GET", "/v1.44/version", Some(Route::Version)),
        ("PUT", "/version", None),
        ("GET", "/nothing", None),
        ("GET", "/containers/json", Some(Route::Container(C::List))),
        ("GET", "/v1.44/containers/x/json", Some(Route::Container(C::Inspect(id())))),
        ("POST", "/containers/x/attach", Some(Route::Container(C::Attach(id())))),
        ("GET", "/containers/x/attach/ws", Some(Route::Container(C::AttachWebSocket(id())))),
        ("DELETE", "/containers/x", Some(Route::Container(C::Remove(id())))),
        ("DELETE", "/containers/x/checkpoints/c", Some(Route::Container(C::Checkpoint(id())))),
        ("POST", "/containers/x/fly", None),
        ("GET", "/containers//json", None),
        (
            "GET",
            "/images/localhost:5000/a/b:c/json",
            Some(Route::Image(I::Inspect("localhost:5000/a/b:c".to_owned()))),
        ),
        ("DELETE", "/images/a/b", Some(Route::Image(I::Remove("a/b".to_owned())))),
        ("GET", "/images/get", Some(Route::Image(I::SaveMany))),
        ("GET", "/images/json", Some(Route::Image(I::List))),
        ("GET", "/networks", Some(Route::Network(NetworkRoute::List))),
        ("GET", "/volumes/", Some(Route::Volume(VolumeRoute::List))),
        ("GET", "/volumes/a/b", None),
        ("POST", "/exec/x/start", Some(Route::Exec(ExecRoute::Start(id())))),
        ("GET", "/distribution/a/b/json", Some(Route::Distribution("a/b".to_owned()))),
        ("GET", "/services", Some(Route::Off(Off::Swarm))),
        ("POST", "/build", Some(Route::Build(BuildRoute::Build))),
    ] {
        assert_eq!(route(method, path).unwrap().route, expected, "{method} {path}");
    }
    assert!(route("GET", "/v1.9/info").unwrap_err().contains("too old"));
}
