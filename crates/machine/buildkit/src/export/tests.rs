//! Exporters as clients send them.

use super::*;

fn request(kind: &str, attrs: &[(&str, &str)]) -> SolveRequest {
    let attrs = attrs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let exporters = vec![Exporter { kind: kind.to_owned(), attrs }];
    SolveRequest { exporters, ..SolveRequest::default() }
}

fn planned(request: &SolveRequest) -> Result<(Exports, BuildRequest), Status> {
    let state = tempfile::tempdir().expect("a directory");
    let outbox = Outbox::new(state.path()).expect("an outbox");
    let mut build = BuildRequest::default();
    plan(request, &outbox, &mut build).map(|exports| (exports, build))
}

#[test]
fn an_image_stays_and_files_are_delivered() {
    let (exports, build) = planned(&request("moby", &[("name", "a:1,b")])).expect("planned");
    assert_eq!(build.outputs, [Output::Image { name: None }]);
    assert_eq!(build.tags.len(), 2);
    assert!(exports.deliveries.is_empty() && !build.push);
    let (_, build) = planned(&request("image", &[("push", "true")])).expect("planned");
    assert!(build.push);
    let (exports, build) = planned(&request("local", &[])).expect("planned");
    assert!(matches!(build.outputs[0], Output::Local { .. }));
    assert!(matches!(exports.deliveries[0].kind, DeliveryKind::Directory(_)));
    let (_, build) = planned(&SolveRequest::default()).expect("planned");
    assert_eq!(build.outputs, [Output::CacheOnly]);
}

#[test]
fn the_one_exporter_of_old_clients_counts() {
    let old = SolveRequest { exporter: "tar".to_owned(), ..SolveRequest::default() };
    let (exports, _) = planned(&old).expect("planned");
    assert!(matches!(exports.deliveries[0].kind, DeliveryKind::File(_)));
}

#[test]
fn what_cannot_be_exported_is_refused() {
    for (kind, attrs, expected) in [
        ("nowhere", &[][..], "could not be found"),
        ("oci", &[("tar", "false")], "tar=false"),
        ("moby", &[("name", "A:1")], "must be lowercase"),
    ] {
        let status = planned(&request(kind, attrs)).expect_err("refused");
        assert!(status.message.contains(expected), "{}", status.message);
    }
}
