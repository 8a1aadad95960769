//! What instructions do to a configuration.

use super::{Scope, StageState, Step};
use crate::dockerfile::Dockerfile;
use teu_oci::Platform;
use teu_oci::image::Config;

fn apply(text: &str, given: &[(&str, &str)]) -> Result<StageState, String> {
    let file = Dockerfile::parse("Dockerfile", text.as_bytes()).map_err(|e| e.to_string())?;
    let given: Vec<_> = given.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let host = Platform::linux("amd64");
    let mut scope = Scope::new(&given, '\\', &host, &host);
    for located in &file.global_args {
        if let crate::dockerfile::instruction::Instruction::Arg(args) = &located.instruction {
            for (name, value) in args {
                scope.declare_global(name, value.clone());
            }
        }
    }
    let mut state = StageState::scratch(scope.stage(), &host);
    for located in &file.stages[0].instructions {
        state.apply(located).map_err(|e| e.to_string())?;
    }
    Ok(state)
}

fn config(text: &str) -> Config {
    apply(&format!("FROM scratch\n{text}"), &[])
        .unwrap_or_else(|e| panic!("{text}: {e}"))
        .image
        .config
}

fn last_history(text: &str) -> String {
    let state = apply(&format!("FROM scratch\n{text}"), &[]).expect(text);
    state.image.history.last().and_then(|h| h.created_by.clone()).expect("a line")
}

#[test]
fn builds_configurations() {
    assert_eq!(config("ENV a=1 b=$a\nENV c=$a").env[1..], ["a=1", "b=", "c=1"]);
    assert_eq!(config("ENV a=1\nENV a=2\nENV PATH=/x:$PATH").env[1..], ["a=2"]);
    assert_eq!(config("ENV PATH=/x").env, ["PATH=/x"]);
    assert_eq!(config("WORKDIR /a\nWORKDIR b\nWORKDIR ../c").working_dir, "/a/c");
    assert_eq!(config("ENV d=/x\nWORKDIR $d/y").working_dir, "/x/y");
    assert_eq!(config("CMD a b").cmd.expect("cmd"), ["/bin/sh", "-c", "a b"]);
    assert_eq!(
        config("SHELL [\"/bin/bash\",\"-ec\"]\nCMD a").cmd.expect("cmd"),
        ["/bin/bash", "-ec", "a"]
    );
    assert_eq!(config("CMD [\"a\",\"b\"]").cmd.expect("cmd"), ["a", "b"]);
    assert_eq!(config("CMD a\nENTRYPOINT [\"b\"]").cmd.expect("cmd"), ["/bin/sh", "-c", "a"]);
    assert_eq!(config("USER $u:g").user, ":g");
    let ports = config("ENV p=81\nEXPOSE 80 $p/udp 90-92").exposed_ports;
    assert_eq!(
        ports.keys().collect::<Vec<_>>(),
        ["80/tcp", "81/udp", "90/tcp", "91/tcp", "92/tcp"]
    );
    assert_eq!(config("LABEL a=\"b c\" d=e").labels["a"], "b c");
    assert_eq!(config("VOLUME /a /b").volumes.len(), 2);
    assert_eq!(config("STOPSIGNAL SIGRTMIN+3").stop_signal.as_deref(), Some("SIGRTMIN+3"));
    assert_eq!(
        config("HEALTHCHECK CMD a b").healthcheck.expect("check").test,
        ["CMD-SHELL", "a b"]
    );
    assert_eq!(config("HEALTHCHECK CMD [\"a\"]").healthcheck.expect("check").test, ["CMD", "a"]);
    assert_eq!(config("HEALTHCHECK NONE").healthcheck.expect("check").test, ["NONE"]);
    assert_eq!(
        config("ONBUILD RUN a\nONBUILD ENV b=c").on_build.expect("triggers"),
        ["RUN a", "ENV b=c"]
    );
}

#[test]
fn forgets_the_base_command() {
    let host = Platform::linux("amd64");
    let scope = Scope::new(&[], '\\', &host, &host);
    let mut base = StageState::scratch(scope.clone(), &host);
    base.image.config.cmd = Some(vec!["old".to_owned()]);
    let file = Dockerfile::parse("D", b"FROM a\nENTRYPOINT [\"new\"]\n").expect("parses");
    let mut state = StageState::over(base.image, Vec::new(), scope);
    state.apply(&file.stages[0].instructions[0]).expect("applies");
    assert_eq!(state.image.config.cmd, None);
}

#[test]
fn knows_arguments() {
    let value = |text: &str, given: &[(&str, &str)]| {
        let state = apply(text, given).unwrap_or_else(|e| panic!("{text}: {e}"));
        state.image.config.labels["v"].clone()
    };
    let tail = "LABEL v=$a";
    for (text, given, expected) in [
        (format!("FROM x\nARG a=1\n{tail}"), &[][..], "1"),
        (format!("FROM x\nARG a=1\n{tail}"), &[("a", "2")], "2"),
        (format!("FROM x\nARG a\n{tail}"), &[("a", "2")], "2"),
        (format!("FROM x\nARG a\n{tail}"), &[], ""),
        (format!("FROM x\n{tail}"), &[("a", "2")], ""),
        (format!("ARG a=g\nFROM x\n{tail}"), &[], ""),
        (format!("ARG a=g\nFROM x\nARG a\n{tail}"), &[], "g"),
        (format!("ARG a=g\nFROM x\nARG a=s\n{tail}"), &[], "s"),
        (format!("ARG a=g\nFROM x\nARG a\n{tail}"), &[("a", "2")], "2"),
        (format!("FROM x\nENV a=e\nARG a=1\n{tail}"), &[("a", "2")], "e"),
        (format!("FROM x\nARG a=1\nENV a=e\n{tail}"), &[("a", "2")], "e"),
        (format!("FROM x\nARG b=1\nARG a=${{b}}2\n{tail}"), &[], "12"),
        ("FROM x\nARG TARGETARCH\nLABEL v=$TARGETARCH".to_owned(), &[], "amd64"),
        ("FROM x\nLABEL v=$TARGETARCH".to_owned(), &[], ""),
        ("FROM x\nARG BUILDPLATFORM\nLABEL v=$BUILDPLATFORM".to_owned(), &[], "linux/amd64"),
        ("FROM x\nARG a=1 b=2\nLABEL v=$a$b".to_owned(), &[], "12"),
    ] {
        assert_eq!(value(&text, given), expected, "{text} {given:?}");
    }
}

#[test]
fn gives_arguments_to_runs() {
    let state = apply(
        "FROM x\nARG a=1\nARG b\nARG c=3\nENV c=4\nRUN x",
        &[("http_proxy", "p"), ("z", "1")],
    )
    .expect("applies");
    assert_eq!(state.scope.run_args(), [("a".to_owned(), "1".to_owned())]);
    assert_eq!(state.scope.proxies(), [("http_proxy".to_owned(), "p".to_owned())]);
}

#[test]
fn writes_history_like_buildkit() {
    for (text, expected) in [
        ("ENV a=1 b=2", "ENV a=1 b=2"),
        ("LABEL a=\"b c\"", "LABEL a=b c"),
        ("CMD [\"nginx\", \"-g\", \"daemon off;\"]", "CMD [\"nginx\" \"-g\" \"daemon off;\"]"),
        ("ENTRYPOINT a", "ENTRYPOINT [\"/bin/sh\" \"-c\" \"a\"]"),
        ("EXPOSE 80", "EXPOSE [80/tcp]"),
        ("VOLUME /a", "VOLUME [/a]"),
        ("USER a", "USER a"),
        ("ARG a=1", "ARG a=1"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM"),
        ("SHELL [\"a\",\"b\"]", "SHELL [a b]"),
        ("MAINTAINER me", "MAINTAINER me"),
        (
            "HEALTHCHECK --interval=30s --timeout=3s CMD curl -f x",
            "HEALTHCHECK &{[\"CMD-SHELL\" \"curl -f x\"] \"30s\" \"3s\" \"0s\" \"0s\" '\\x00'}",
        ),
    ] {
        assert_eq!(last_history(text), expected);
    }
}

#[test]
fn refuses_nonsense_once_expanded() {
    let huge = format!("ENV a={}\n{}", "x".repeat(500_000), "ENV b$c=$a\n".repeat(100));
    for (text, expected) in [
        ("EXPOSE 80/icmp", "invalid port"),
        ("EXPOSE 99999", "invalid port"),
        ("EXPOSE 5-1", "invalid port"),
        ("STOPSIGNAL SIGNOPE", "invalid signal"),
        ("ENV $x=1", "ENV names can not be blank"),
        ("LABEL a=\"${b:?need b}\"", "b: need b"),
        ("VOLUME $x", "can not be an empty string"),
        (&huge, "beyond 6 MiB"),
    ] {
        let error = apply(&format!("FROM x\n{text}"), &[]).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn hands_out_steps() {
    let file = Dockerfile::parse("D", b"FROM a\nENV d=/e\nCOPY --chown=$d a$d $d/\nRUN $d\n")
        .expect("parses");
    let host = Platform::linux("amd64");
    let mut state = StageState::scratch(Scope::new(&[], '\\', &host, &host), &host);
    let steps = &file.stages[0].instructions;
    assert!(state.apply(&steps[0]).expect("applies").is_none());
    let Some(Step::Copy(copy)) = state.apply(&steps[1]).expect("applies") else {
        panic!("no copy")
    };
    assert_eq!((copy.sources[0].as_str(), copy.destination.as_str()), ("a/e", "/e/"));
    assert!(matches!(state.apply(&steps[2]), Ok(Some(Step::Run(_)))));
}
