//! Each rule on a small input that breaks it, and on one that does not.

use super::source::{Function, Source, check as check_source};
use super::*;

fn source(name: &str, text: &str) -> Source {
    Source::new(name, text.to_owned())
}

const PRODUCT: &str = "crates/machine/x/src/y.rs";

/// Findings of a product file with a header.
fn product(text: &str) -> Vec<String> {
    check_source(&source(PRODUCT, &format!("//! What it is.\n{text}")), false)
}

fn check(text: &str, expected: &[&str]) {
    let found = product(text);
    assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} lacks {expected}");
    }
}

#[test]
fn headers() {
    assert_eq!(check_source(&source(PRODUCT, "use a;\n"), false).len(), 1);
    assert_eq!(check_source(&source(PRODUCT, "// A.\n"), true).len(), 1);
    check("use a;", &[]);
}

#[test]
fn what_product_code_must_not_have() {
    check("fn a() { b().unwrap(); }", &["y.rs:2: `.unwrap()`"]);
    check("fn a() { b().unwrap_or(1); }", &[]);
    check("fn a() { todo!() }", &["`todo!`"]);
    check("fn a() { println!(\"\"); eprint!(\"\"); }", &["println!", "eprint!"]);
    check("fn a() { std::process::exit(1) }", &["only `main`"]);
    check("// b().unwrap()\nconst A: &str = \"todo! println!\";", &[]);
    check("/// ```\n/// a().unwrap();\n/// ```\nfn a() {}", &[]);
    let front = source("crates/front/cli/src/a.rs", "//! A.\nfn a() { println!(\"\") }");
    assert!(check_source(&front, false).is_empty());
}

#[test]
fn tests_may() {
    let text = "#[cfg(test)]\nmod tests {\n fn a() { b().unwrap(); }\n}\nfn c() { d().unwrap() }";
    check(text, &["y.rs:6: `.unwrap()`"]);
    let file = source(PRODUCT, "//! A.\nfn a() { b().unwrap(); println!(\"\"); }");
    assert!(check_source(&file, true).is_empty());
}

#[test]
fn lints_are_expected_not_allowed() {
    check("#[allow(dead_code)]\nfn a() {}", &["y.rs:2: lints"]);
    check("#[expect(dead_code, reason = \"#[allow(\")]\nfn a() {}", &[]);
}

#[test]
fn unfinished_work() {
    let mark = ["TO", "DO"].concat();
    check(&format!("// {mark}: later"), &["unfinished"]);
    check(&format!("const A: &str = \"{mark}\";\n// {mark}S are words"), &[]);
}

#[test]
fn unsafe_code() {
    check("fn a() { unsafe { b() } }", &["belongs into `sys`"]);
    check("// unsafe\n#![forbid(unsafe_code)]", &[]);
    let sys = |text: &str| check_source(&source("crates/base/sys/src/a.rs", text), false).len();
    assert_eq!(sys("//! A.\nfn a() { unsafe { b() } }"), 1);
    assert_eq!(sys("//! A.\nfn a() {\n // SAFETY: b is.\n unsafe { b() } }"), 0);
    let root = |text: &str| check_source(&source("crates/spec/oci/src/lib.rs", text), false).len();
    assert_eq!(root("//! A.\n"), 1);
    assert_eq!(root("//! A.\n#![forbid(unsafe_code)]\n"), 0);
}

#[test]
fn functions_and_their_lengths() {
    let text = "fn a(b: [u8; 4], f: fn(u8) -> u8) -> u8\nwhere\n  u8: B,\n{\n  \"}\";\n  '}';\n}\n\
                trait T { fn b(&self); fn c(&self) { fn d() {} } }\nconst F: fn() = x;";
    let functions = source("a.rs", text).functions();
    let function = |name: &str, lines| Function { name: name.to_owned(), lines };
    assert_eq!(functions, [function("a", 7), function("c", 1), function("d", 1)]);
}

#[test]
fn the_ratchet_only_turns_one_way() {
    let sizes = |text: &str| parse_sizes(text).unwrap();
    let allowed = sizes("# head\na.rs 600\na.rs::f 80\n");
    assert!(compare(&allowed, &allowed).is_empty());
    assert_eq!(
        compare(&allowed, &sizes("a.rs 601\na.rs::f 80"))[0],
        "a.rs: grew from 600 to 601 lines"
    );
    assert!(compare(&allowed, &sizes("a.rs 600"))[0].contains("shrunk"));
    assert!(compare(&allowed, &sizes("a.rs 550\na.rs::f 80"))[0].contains("shrunk"));
    let new = compare(&sizes(""), &sizes("b.rs::g 71\nb.rs 501"));
    assert_eq!(
        new,
        ["b.rs: 501 lines, at most 500 are allowed", "b.rs::g: 71 lines, at most 70 are allowed"]
    );
    assert_eq!(parse_sizes(&print_sizes(&allowed)).unwrap(), allowed);
    assert!(parse_sizes("nonsense").is_err());
    let long = format!("//! A.\nfn a() {{\n{}}}\n", "b();\n".repeat(600));
    let found = too_large(&source("c.rs", &long));
    assert_eq!(found, sizes("c.rs 603\nc.rs::a 602"));
}

#[test]
fn imports_go_down() {
    let check = |path: &str, imports: &[&str]| {
        let mut manifest = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n".to_owned();
        manifest.push_str("[dependencies]\nserde.workspace = true\n");
        for import in imports {
            manifest.push_str(&format!("teu-{import}.workspace = true\n"));
        }
        storeys::check(path, &manifest).len()
    };
    assert_eq!(check("crates/machine/builder/Cargo.toml", &["containers", "images", "sys"]), 0);
    assert_eq!(check("crates/machine/containers/Cargo.toml", &["builder"]), 1);
    assert_eq!(check("crates/machine/images/Cargo.toml", &["runtime", "oci"]), 1);
    assert_eq!(check("crates/base/sys/Cargo.toml", &["oci"]), 1);
    assert_eq!(check("crates/spec/oci/Cargo.toml", &["cli"]), 1);
    assert_eq!(check("crates/front/cli/Cargo.toml", &["builder", "unknown"]), 1);
    assert_eq!(check("crates/machine/strange/Cargo.toml", &[]), 1);
    assert_eq!(check("tests/Cargo.toml", &["builder"]), 0);
    let dev = "[lints]\nworkspace = true\n[dev-dependencies]\nteu-cli = { path = \"..\" }\n";
    assert_eq!(storeys::check("crates/machine/dns/Cargo.toml", dev).len(), 1);
    assert_eq!(storeys::check("crates/machine/dns/Cargo.toml", "[dependencies]\n").len(), 1);
}

#[test]
fn files_that_nobody_declares() {
    let test = "//! A.\n#[test]\nfn a() {}";
    let files = [
        source("crates/base/sys/src/lib.rs", "//! A.\nmod a;\n#[cfg(test)]\nmod tests;"),
        source("crates/base/sys/src/a.rs", "//! A.\n#[cfg(test)]\nmod tests;\npub mod b;"),
        source("crates/base/sys/src/a/b.rs", "//! A."),
        source("crates/base/sys/src/a/tests.rs", test),
        source("crates/base/sys/src/tests.rs", "//! A.\nmod more;"),
        source("crates/base/sys/src/tests/more.rs", test),
        source("crates/base/sys/tests/it/main.rs", "//! A.\nmod c;"),
        source("crates/base/sys/tests/it/c.rs", test),
    ];
    assert_eq!(modules::check(&files), Vec::<String>::new());
    let tests = modules::test_files(&files);
    assert_eq!(tests.len(), 5, "{tests:?}");
    assert!(!tests.contains("crates/base/sys/src/a/b.rs"));
    let lost = [
        source("crates/base/sys/src/lib.rs", "//! A.\n// mod tests;"),
        source("crates/base/sys/src/tests.rs", test),
        source("crates/base/sys/src/mod.rs", "//! A."),
        source("crates/base/sys/src/utils.rs", "//! A."),
    ];
    assert_eq!(modules::check(&lost).len(), 4);
}
