//! Whole projects from files in memory: merge, extends, include, locating.

use crate::load::Files;
use crate::load::locate::Wishes;
use crate::project::{Project, ReadOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files in memory.
pub struct Memory(pub BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let content = self.0.get(path).map(|text| text.clone().into_bytes());
        content.ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

/// A project of files below `/p`.
pub fn files(all: &[(&str, &str)]) -> Memory {
    Memory(
        all.iter().map(|(path, text)| (Path::new("/p").join(path), (*text).to_owned())).collect(),
    )
}

/// A person in `/p`.
pub fn wishes() -> Wishes {
    let (here, home) = ("/p".into(), Some("/home/me".into()));
    Wishes { here, home, ..Wishes::default() }
}

pub fn read_as(wishes: &Wishes, all: &[(&str, &str)]) -> Result<Project, String> {
    let project = Project::read(wishes, ReadOptions::default(), &files(all));
    project.map_err(|error| error.to_string())
}

fn printed(all: &[(&str, &str)]) -> String {
    crate::print::yaml(&read_as(&wishes(), all).expect("reads").tree)
}

#[track_caller]
fn said(all: &[(&str, &str)]) -> String {
    read_as(&wishes(), all).expect_err("refused")
}

#[test]
fn a_small_project() {
    let text = printed(&[(
        "compose.yaml",
        "services:\n  web:\n    image: nginx:${TAG:-1}\n    ports: ['80:80']\n    volumes: [./a:/a, data:/d]\n    depends_on: [db]\n  db:\n    build: db\nvolumes:\n  data:\n",
    )]);
    let expected = "name: p
services:
  db:
    build:
      context: /p/db
      dockerfile: Dockerfile
    networks:
      default: null
  web:
    depends_on:
      db:
        condition: service_started
        required: true
    image: nginx:1
    networks:
      default: null
    ports:
      - mode: ingress
        target: 80
        published: \"80\"
        protocol: tcp
    volumes:
      - type: bind
        source: /p/a
        target: /a
        bind:
          create_host_path: true
      - type: volume
        source: data
        target: /d
        volume: {}
networks:
  default:
    name: p_default
volumes:
  data:
    name: p_data
";
    assert_eq!(text, expected);
    assert_eq!(printed(&[("compose.yaml", &text)]), text, "printing is stable");
}

#[test]
fn overrides_are_found_and_merged() {
    let text = printed(&[
        ("compose.yaml", "services: {a: {image: x, environment: [A=1]}}"),
        ("compose.override.yml", "services: {a: {environment: {B: 2}}, b: {image: y}}"),
    ]);
    assert!(text.contains("A: \"1\"\n      B: \"2\""), "{text}");
    assert!(text.contains("  b:\n"));
}

#[test]
fn extends_of_the_same_and_of_another_file() {
    let base = "services:\n  base:\n    build: ./ctx\n    env_file: b.env\n    volumes: [./v:/v]\n    extends: deeper\n  deeper: {cap_add: [NET_ADMIN], command: x}\n";
    let text = printed(&[
        (
            "compose.yaml",
            "services:\n  web:\n    extends: {file: sub/base.yaml, service: base}\n    command: y\n  two:\n    extends: web\n    image: i\n",
        ),
        ("sub/base.yaml", base),
        ("sub/b.env", "FROM=file\n"),
    ]);
    assert!(text.contains("context: /p/sub/ctx"), "{text}");
    assert!(text.contains("source: /p/sub/v"));
    assert!(text.contains("FROM: file"));
    assert_eq!(text.matches("- NET_ADMIN").count(), 2);
    assert!(text.contains("    command:\n      - \"y\"\n"), "{text}");
    assert!(!text.contains("extends"));
    let circle = said(&[(
        "compose.yaml",
        "services:\n  a: {extends: b, image: x}\n  b: {extends: a, image: x}\n",
    )]);
    assert!(circle.contains("circular reference: a -> b -> a"), "{circle}");
    let none = said(&[("compose.yaml", "services:\n  a: {extends: b, image: x}\n")]);
    assert!(
        none.contains("compose.yaml:2:7: cannot extend service \"a\": service \"b\" not found"),
        "{none}"
    );
}

#[test]
fn includes_have_their_own_place_and_variables() {
    let all = [
        ("compose.yaml", "include: [sub/compose.yaml]\nservices: {a: {image: x, depends_on: [b]}}"),
        (
            "sub/compose.yaml",
            "services: {b: {image: 'y:${TAG}', volumes: [./d:/d]}}\nvolumes: {v: }",
        ),
        ("sub/.env", "TAG=7\n"),
    ];
    let text = printed(&all);
    assert!(text.contains("image: \"y:7\"") || text.contains("image: y:7"), "{text}");
    assert!(text.contains("source: /p/sub/d"));
    let conflict = said(&[
        ("compose.yaml", "include:\n  - path: [sub.yaml]\nservices:\n  b: {image: x}\n"),
        ("sub.yaml", "services: {b: {image: y}}"),
    ]);
    assert!(conflict.ends_with("services.b conflicts with imported resource"), "{conflict}");
    let same = [
        (
            "compose.yaml",
            "include: [{path: [one.yaml, two.yaml], project_directory: other}]\nservices: {a: {image: x}}",
        ),
        ("one.yaml", "services: {b: {build: .}}"),
        ("two.yaml", "services: {b: {image: z}}"),
    ];
    let text = printed(&same);
    assert!(text.contains("context: /p/other\n"), "{text}");
    let circle = said(&[("compose.yaml", "include: [compose.yaml]\nservices: {a: {image: x}}")]);
    assert!(circle.contains("circular reference"), "{circle}");
}

#[test]
fn variables_come_from_outside_then_from_files() {
    let all = [
        (
            "compose.yaml",
            "services: {a: {image: 'x:${T}', environment: [A, B, 'C=${D:?none}', E, F], env_file: [e.env, {path: none.env, required: false}]}}",
        ),
        (".env", "T=1\nA=dot\nD=${OUT}d\n"),
        ("e.env", "B=file\nA=never\nE=file-e\n"),
    ];
    let mut wishes = wishes();
    wishes.variables.insert("OUT".into(), "o".into());
    let text = crate::print::yaml(&read_as(&wishes, &all).expect("reads").tree);
    assert!(
        text.contains("A: dot\n      B: file\n      C: od\n      E: file-e\n      F: null"),
        "{text}"
    );
    wishes.variables.insert("T".into(), "2".into());
    assert!(
        crate::print::yaml(&read_as(&wishes, &all).expect("reads").tree).contains("image: x:2")
    );
    let missing = said(&[("compose.yaml", "services: {a: {image: x, env_file: no.env}}")]);
    assert!(missing.contains("env file /p/no.env not found"), "{missing}");
    let raw = [
        ("compose.yaml", "services: {a: {image: x, env_file: [{path: r.env, format: raw}]}}"),
        ("r.env", "A='quoted' # kept\n"),
    ];
    assert!(printed(&raw).contains("A: '''quoted'' # kept'"), "{}", printed(&raw));
}

#[test]
fn names_come_in_order() {
    let one = |wishes: &Wishes, all: &[(&str, &str)]| {
        read_as(wishes, all).map(|project| project.name().to_owned())
    };
    let plain = [("compose.yaml", "services: {a: {image: x}}")];
    assert_eq!(one(&wishes(), &plain).as_deref(), Ok("p"));
    let named = [("compose.yaml", "name: ${N:-from-file}\nservices: {a: {image: x}}")];
    assert_eq!(one(&wishes(), &named).as_deref(), Ok("from-file"));
    let mut given = wishes();
    given.variables.insert("COMPOSE_PROJECT_NAME".into(), "from-env".into());
    assert_eq!(one(&given, &named).as_deref(), Ok("from-env"));
    given.name = Some("given".into());
    assert_eq!(one(&given, &named).as_deref(), Ok("given"));
    given.name = Some("Not Good".into());
    assert!(one(&given, &named).expect_err("bad").contains("must consist only of lowercase"));
    assert_eq!(crate::load::locate::name_of("My.App_1"), "myapp_1");
    assert_eq!(crate::load::locate::name_of("-_x"), "x");
}

#[test]
fn files_are_found_above_and_through_variables() {
    let all =
        [("compose.yaml", "services: {a: {image: x}}"), ("two.yaml", "services: {b: {image: y}}")];
    let mut below = wishes();
    below.here = "/p/deep/er".into();
    let project = read_as(&below, &all).expect("found above");
    assert_eq!(project.located.directory, Path::new("/p"));
    let mut by_variable = wishes();
    by_variable.variables.insert("COMPOSE_FILE".into(), "two.yaml:compose.yaml".into());
    let project = read_as(&by_variable, &all).expect("two files");
    assert_eq!(project.model.services.len(), 2);
    assert_eq!(said(&[]), "no configuration file provided: not found");
    let mut directory = wishes();
    directory.files = vec!["two.yaml".into()];
    directory.directory = Some("/elsewhere".into());
    let project = read_as(&directory, &all).expect("reads");
    assert_eq!(project.name(), "elsewhere");
}

#[test]
fn contradictions_are_refused() {
    let check = |text: &str, reason: &str| {
        let text = said(&[("compose.yaml", text)]);
        assert!(text.contains(reason), "{text}");
    };
    check(
        "services: {a: {ports: [80]}}",
        "service \"a\" has neither an image nor a build context specified",
    );
    check(
        "services: {a: {image: x, volumes: ['d:/d']}}",
        "service \"a\" refers to undefined volume d",
    );
    check("services: {a: {image: x, networks: [n]}}", "undefined network n");
    check("services: {a: {image: x, secrets: [s]}}", "undefined secret s");
    check("services: {a: {image: x, depends_on: [b]}}", "depends on undefined service \"b\"");
    check(
        "services: {a: {image: x, depends_on: [b]}, b: {image: x, links: [a]}}",
        "dependency cycle detected: a -> b -> a",
    );
    check(
        "services: {a: {image: x, network_mode: host, networks: [n]}}\nnetworks: {n: }",
        "mutually exclusive `network_mode` and `networks`",
    );
    check(
        "services: {a: {image: x, container_name: n, scale: 2}}",
        "container_name must be unique",
    );
    check(
        "services: {a: {image: x, scale: 2, deploy: {replicas: 3}}}",
        "can't set distinct values on 'scale' and 'deploy.replicas'",
    );
    check("services: {a: {image: x}}\nsecrets: {s: {}}", "secret \"s\" must be one of file");
    check(
        "services: {a: {image: x}}\nnetworks: {n: {external: true, driver: x}}",
        "conflicting parameters \"external\" and \"driver\"",
    );
    check("services: {a: {image: x}}\nservice: {}", "did you mean 'services'?");
    check(
        "services: {a: {image: '${X:?needed}'}}",
        "compose.yaml:1:16: services.a.image: required variable X is missing a value: needed",
    );
    check("services: {a: {image: '$'}}", "invalid interpolation format");
    check("- a\n", "must be a mapping, and is a list");
}

#[test]
fn unset_variables_are_told() {
    let project =
        read_as(&wishes(), &[("compose.yaml", "version: '3'\nservices: {a: {image: 'x$NONE'}}")])
            .expect("reads");
    assert_eq!(
        project.warnings[0],
        "The \"NONE\" variable is not set. Defaulting to a blank string."
    );
    assert!(project.warnings[1].contains("`version` is obsolete"));
}

#[test]
fn implied_dependencies_are_seen() {
    let project = read_as(&wishes(), &[(
        "compose.yaml",
        "services: {a: {image: x, links: ['b:l'], network_mode: 'service:c', volumes_from: ['d:ro', 'container:y']}, b: {image: x}, c: {image: x}, d: {image: x}}",
    )])
    .expect("reads");
    let names: Vec<&String> = project.model.services["a"].depends_on.keys().collect();
    assert_eq!(names, ["b", "c", "d"]);
    assert!(project.model.services["a"].depends_on["b"].restart);
}
