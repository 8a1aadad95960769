//! `convert --to kubernetes` and `--to ecs`: what comes out is what the schemas of Kubernetes and the
//! model of ECS take (kubernetes-validate and botocore, from PyPI: `scripts/clients`).

use super::Compose;
use crate::world::World;
use std::path::Path;
use std::process::Command;

/// Everything that has a counterpart somewhere, and names that have none.
const ODD: &str = include_str!("odd.yaml");

fn is_valid(compose: &Compose<'_>, system: &str) {
    let text = compose.teu_ok(&format!("convert --to {system}"));
    compose.write("converted", &text);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../.cache/clients/python/bin/python");
    assert!(python.exists(), "{} is missing: scripts/clients", python.display());
    let script = here.join("it/compose/validate.py");
    let output = Command::new(python)
        .arg(script)
        .arg(system)
        .arg(compose.folder.join("converted"))
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim_end(), "all is well", "{system}: {error}\n{text}");
}

#[test]
fn schemas_take_what_is_converted() {
    let world = World::empty();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/compose-shop");
    let shop = std::fs::read_to_string(example.join("compose.yaml")).expect("the example");
    for file in [shop.as_str(), include_str!("full.yaml"), ODD] {
        let mut compose = Compose::of(&world, file);
        for (name, value) in [("TAG", "1"), ("SHOP_TOKEN", "abc")] {
            compose.set(name, value);
        }
        for (name, text) in [("e.env", "A=1\n"), ("s.txt", "hush\n")] {
            compose.write(name, text);
        }
        is_valid(&compose, "kubernetes");
        is_valid(&compose, "ecs");
    }
}
