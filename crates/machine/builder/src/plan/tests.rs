//! Which stages are needed.

use super::{Origin, plan};
use crate::dockerfile::Dockerfile;
use crate::stage::Scope;
use teu_oci::Platform;

fn needed(text: &str, target: Option<&str>) -> Result<Vec<usize>, String> {
    let file = Dockerfile::parse("Dockerfile", text.as_bytes()).map_err(|e| e.to_string())?;
    let host = Platform::linux("amd64");
    let mut scope = Scope::new(&[], '\\', &host, &host);
    scope.declare_global("v", Some("1".to_owned()));
    plan(&file, target, &scope, &["ctx"])
        .map(|plan| plan.needed.into_iter().collect())
        .map_err(|e| e.to_string())
}

#[test]
fn builds_only_what_is_needed() {
    let file = "FROM a AS one\nFROM b AS two\nRUN x\nFROM c AS three\nCOPY --from=one x y\nFROM two\nRUN --mount=from=three,target=/t z\n";
    assert_eq!(needed(file, None), Ok(vec![0, 1, 2, 3]));
    assert_eq!(needed(file, Some("three")), Ok(vec![0, 2]));
    assert_eq!(needed(file, Some("two")), Ok(vec![1]));
    assert_eq!(needed(file, Some("TWO")), Ok(vec![1]));
    assert_eq!(needed(file, Some("0")), Ok(vec![0]));
    assert_eq!(needed("FROM a\nFROM b\nCOPY --from=0 x y", None), Ok(vec![0, 1]));
    let error = needed(file, Some("tow")).expect_err("no such target");
    assert!(error.contains("did you mean two?"), "{error}");
}

#[test]
fn finds_origins() {
    let host = Platform::linux("amd64");
    let mut scope = Scope::new(&[], '\\', &host, &host);
    scope.declare_global("v", Some("1".to_owned()));
    let file = Dockerfile::parse(
        "D",
        b"FROM scratch AS a\nFROM img:$v AS b\nFROM A\nFROM ctx\nFROM $TARGETOS\n",
    )
    .expect("parses");
    let plan = plan(&file, None, &scope, &["ctx"]).expect("plans");
    let image = |name: &str| Origin::Image(name.to_owned());
    let expected =
        [Origin::Scratch, image("img:1"), Origin::Stage(0), Origin::Context(0), image("linux")];
    assert_eq!(plan.bases, expected);
}

#[test]
fn refuses_what_leads_nowhere() {
    for (file, expected) in [
        ("FROM a AS x\nCOPY --from=x a b", "circular"),
        ("FROM a\nCOPY --from=0 a b", "circular"),
        ("FROM a\nCOPY --from=3 a b", "stage \"3\" not found"),
        ("FROM $nope\n", "should not be blank"),
        ("FROM a\nRUN --mount=from=$x,target=/y z", "variable expansion is not supported"),
    ] {
        let error = needed(file, None).expect_err(file);
        assert!(error.contains(expected), "{file}: {error}");
    }
}
