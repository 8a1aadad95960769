//! Whole Dockerfiles: what instructions become, and what people are told.

use super::Dockerfile;
use super::instruction::{CommandLine, Health, Instruction, Script};
use super::mount::{Mount, MountKind, MountProblem, Sharing};

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse("Dockerfile", text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn one(text: &str) -> Instruction {
    let file = parse(&format!("FROM a\n{text}\n"));
    file.stages[0].instructions[0].instruction.clone()
}

fn error(text: &str) -> String {
    let file = format!("FROM a\n{text}\n");
    match Dockerfile::parse("Dockerfile", file.as_bytes()) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn reads_commands() {
    let shell = |text: &str| CommandLine { words: strings(&[text]), exec: false };
    let exec = |words: &[&str]| CommandLine { words: strings(words), exec: true };
    for (text, expected) in [
        ("CMD echo a", shell("echo a")),
        ("CMD [\"echo\", \"a\"]", exec(&["echo", "a"])),
        ("CMD  [ \"a\" ] ", exec(&["a"])),
        ("cmd []", exec(&[])),
        ("CMD ['a']", shell("['a']")),
        ("CMD [\"a\"", shell("[\"a\"")),
        ("CMD [\"a\"] b", shell("[\"a\"] b")),
        ("CMD [ -f x ]", shell("[ -f x ]")),
        ("CMD \"quoted\" 'as is'", shell("\"quoted\" 'as is'")),
        ("CMD", CommandLine::default()),
        ("CMD [\"\\u0041\\n\"]", exec(&["A\n"])),
    ] {
        assert_eq!(one(text), Instruction::Cmd(expected), "{text}");
    }
    assert_eq!(one("ENTRYPOINT [\"/a\"]"), Instruction::Entrypoint(exec(&["/a"])));
    assert_eq!(shell("a b").with_shell(&strings(&["/bin/sh", "-c"])), ["/bin/sh", "-c", "a b"]);
    assert_eq!(exec(&["a"]).with_shell(&strings(&["/bin/sh", "-c"])), ["a"]);
}

#[test]
fn reads_pairs() {
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    for (text, expected) in [
        ("ENV a=b", &[("a", "b")][..]),
        ("ENV a=b c=d", &[("a", "b"), ("c", "d")]),
        ("ENV a b c", &[("a", "b c")]),
        ("ENV a  b", &[("a", "b")]),
        ("ENV a=\"b c\" d='e f'", &[("a", "\"b c\""), ("d", "'e f'")]),
        ("ENV a=b\\ c", &[("a", "b\\ c")]),
        ("ENV a=", &[("a", "")]),
        ("ENV a=b=c", &[("a", "b=c")]),
        ("ENV a=b \\\n  c=d", &[("a", "b"), ("c", "d")]),
        ("ENV a $b", &[("a", "$b")]),
    ] {
        assert_eq!(one(text), Instruction::Env(pairs(expected)), "{text}");
    }
    assert_eq!(one("LABEL \"a b\"=c"), Instruction::Label(pairs(&[("\"a b\"", "c")])));
    let args = |list: &[(&str, Option<&str>)]| {
        Instruction::Arg(list.iter().map(|(a, b)| (a.to_string(), b.map(str::to_owned))).collect())
    };
    assert_eq!(one("ARG a"), args(&[("a", None)]));
    assert_eq!(one("ARG a=1 b c="), args(&[("a", Some("1")), ("b", None), ("c", Some(""))]));
}

#[test]
fn reads_copies() {
    let of = |text: &str| match one(text) {
        Instruction::Copy(copy) => copy,
        other => panic!("{other:?}"),
    };
    let copy = of(
        "COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=a --exclude=b s1 s2 d/",
    );
    assert_eq!((copy.from.as_deref(), copy.chown.as_deref()), (Some("x"), Some("1:2")));
    assert_eq!((copy.chmod.as_deref(), copy.link, copy.parents), (Some("755"), true, true));
    assert_eq!((copy.exclude, copy.sources), (strings(&["a", "b"]), strings(&["s1", "s2"])));
    assert_eq!(of("COPY [\"a b\", \"c d\"]").destination, "c d");
    assert!(!of("COPY --link=false a b").link);
    let here = of("COPY <<a.txt b <<c.txt /d/\n1\na.txt\n2\nc.txt");
    assert_eq!((here.sources, here.heredocs.len()), (strings(&["b"]), 2));
    let add = of("ADD --checksum=sha256:00 --unpack=true http://x/y z");
    assert_eq!((add.add, add.unpack), (true, Some(true)));
}

#[test]
fn reads_the_rest() {
    assert_eq!(one("EXPOSE 80 443/tcp"), Instruction::Expose(strings(&["80", "443/tcp"])));
    assert_eq!(one("VOLUME /a /b"), Instruction::Volume(strings(&["/a", "/b"])));
    assert_eq!(one("VOLUME [\"/a\"]"), Instruction::Volume(strings(&["/a"])));
    assert_eq!(one("workdir /a b"), Instruction::Workdir("/a b".into()));
    assert_eq!(one("USER a:b"), Instruction::User("a:b".into()));
    assert_eq!(one("SHELL [\"a\",\"-c\"]"), Instruction::Shell(strings(&["a", "-c"])));
    assert_eq!(one("STOPSIGNAL 9"), Instruction::StopSignal("9".into()));
    assert_eq!(one("HEALTHCHECK NONE"), Instruction::Healthcheck(Health::None));
    assert_eq!(one("ONBUILD RUN a"), Instruction::Onbuild("RUN a".into()));
    assert_eq!(one("MAINTAINER me"), Instruction::Maintainer("me".into()));
    let Instruction::Healthcheck(Health::Probe { command, interval, retries, .. }) =
        one("HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x")
    else {
        panic!("no probe")
    };
    assert_eq!((command.exec, interval, retries), (false, 90_000_000_000, 3));
}

#[test]
fn reads_stages() {
    let file = parse(
        "ARG v=1\nFROM --platform=$BUILDPLATFORM a:$v AS Build\nRUN x\nFROM build\nFROM scratch as z\n",
    );
    assert_eq!(file.global_args.len(), 1);
    assert_eq!(file.stages[0].name.as_deref(), Some("build"));
    assert_eq!(file.stages[0].platform.as_deref(), Some("$BUILDPLATFORM"));
    assert_eq!(file.stage_index("BUILD", 3), Some(0));
    assert_eq!((file.stage_index("1", 3), file.stage_index("1", 1)), (Some(1), None));
    assert_eq!(file.stage_index("nope", 3), None);
}

#[test]
fn runs_heredocs() {
    let script = |text: &str| match one(text) {
        Instruction::Run(run) => run.script(),
        other => panic!("{other:?}"),
    };
    let Script::Command(line) = script("RUN <<E\na\nb\nE") else { panic!("a program") };
    assert_eq!(line.words, ["a\nb\n"]);
    let Script::Command(line) = script("RUN cat <<E > /x\na\nE") else { panic!("a program") };
    assert_eq!(line.words, ["cat <<E > /x\na\nE"]);
    let Script::Program { name, content } = script("RUN <<E\n#!/bin/cat\na\nE") else {
        panic!("no program")
    };
    assert_eq!((name.as_str(), content.as_str()), ("E", "#!/bin/cat\na\n"));
    let Script::Command(line) = script("RUN <<-E\n\ta\n\tE") else { panic!("a program") };
    assert_eq!(line.words, ["a\n"]);
}

#[test]
fn says_what_is_wrong() {
    for (text, expected) in [
        ("RUNN a", "Dockerfile:2: unknown instruction: RUNN (did you mean RUN?)"),
        ("COPPY a b", "Dockerfile:2: unknown instruction: COPPY (did you mean COPY?)"),
        ("FORM a", "Dockerfile:2: unknown instruction: FORM (did you mean FROM?)"),
        ("XYZZY", "Dockerfile:2: unknown instruction: XYZZY"),
        ("COPY --form=x a b", "unknown flag: --form of COPY (did you mean --from?)"),
        ("RUN --mout=type=cache a", "(did you mean --mount?)"),
        ("ENV --a b=c", "unknown flag: --a of ENV"),
        ("COPY --from a b", "missing a value on flag: --from"),
        ("COPY --from=a --from=b c d", "duplicate flag specified: --from"),
        ("COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
        ("COPY a", "COPY requires at least two arguments"),
        ("COPY", "COPY requires at least two arguments"),
        ("COPY --from=$x a b", "variable expansion is not supported for --from"),
        ("CMD [1]", "arrays must be comprised of strings only"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=b c", "can't find = in \"c\""),
        ("ENV =b", "ENV names can not be blank"),
        ("LABEL", "LABEL requires at least one argument"),
        ("ARG =a", "has no name"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1b", "invalid name for build stage: \"1b\""),
        ("FROM a AS b/c", "invalid name for build stage"),
        ("RUN", "RUN requires at least one argument"),
        ("RUN [\"a\"] <<E\nE", ""),
        ("SHELL a", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK CMD", "missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK curl", "unknown type \"CURL\" in HEALTHCHECK (try CMD)"),
        ("HEALTHCHECK --interval=1us CMD a", "invalid duration"),
        ("HEALTHCHECK --interval=soon CMD a", "invalid duration"),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries"),
        ("ONBUILD ONBUILD RUN a", "chaining ONBUILD"),
        ("ONBUILD FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD RUNN a", "did you mean RUN?"),
        ("ONBUILD COPY a", "at least two arguments"),
        ("COPY --keep-git-dir y z", "keep-git-dir"),
    ] {
        if !expected.is_empty() {
            let said = error(text);
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
    let early = Dockerfile::parse("D", b"RUN a\nFROM b").expect_err("no stage");
    assert!(early.to_string().contains("no build stage in current context: RUN"), "{early}");
    assert!(Dockerfile::parse("D", b"ARG a\n").is_err());
    assert!(Dockerfile::parse("D", &vec![b'#'; (1 << 20) + 1]).is_err());
}

#[test]
fn shows_the_lines() {
    let error =
        Dockerfile::parse("Dockerfile", b"FROM a\nRUN b\nRUNN c \\\n  d\nRUN e\nRUN f\nRUN g\n")
            .expect_err("unknown");
    let expected = "Dockerfile:3\n--------------------\n   1 |     FROM a\n   2 |     RUN b\n   3 | >>> RUNN c \\\n   4 | >>>   d\n   5 |     RUN e\n   6 |     RUN f\n--------------------\n";
    assert_eq!(error.excerpt(), expected);
}

#[test]
fn reads_mounts() {
    let lookup = |name: &str| (name == "p").then(|| "/pip".to_owned());
    let of = |text: &str| Mount::parse(text, '\\', &lookup);
    let cache = of("type=cache,target=$p,sharing=locked,uid=5,mode=0700").expect("cache");
    assert_eq!((cache.target.as_str(), cache.id.as_str()), ("/pip", "/pip"));
    assert_eq!((cache.sharing, cache.uid, cache.mode), (Sharing::Locked, Some(5), Some(0o700)));
    let bind = of("target=/src,from=build,source=/a,rw").expect("bind");
    assert_eq!(
        (bind.kind, bind.readonly, bind.from.as_deref()),
        (MountKind::Bind, false, Some("build"))
    );
    assert!(of("type=bind,dst=/x").expect("bind").readonly);
    let secret = of("type=secret,id=token").expect("secret");
    assert_eq!((secret.target.as_str(), secret.required), ("/run/secrets/token", false));
    assert_eq!(of("type=secret,target=/a/b").expect("secret").id, "b");
    let env = of("type=secret,id=T,env=TOKEN,required").expect("secret");
    assert_eq!((env.env.as_deref(), env.target.as_str(), env.required), (Some("TOKEN"), "", true));
    assert_eq!(of("type=ssh").expect("ssh").id, "default");
    assert_eq!(of("type=tmpfs,target=/t,size=1m").expect("tmpfs").size_bytes, Some(1 << 20));
    assert!(matches!(of("type=cach,target=/a"), Err(MountProblem::Kind { near: Some(_), .. })));
    assert!(matches!(of("type=cache,targt=/a"), Err(MountProblem::Key { near: Some(_), .. })));
    assert!(matches!(of("type=cache"), Err(MountProblem::Target("cache"))));
    assert!(matches!(of("type=cache,target=/a,sharing=x"), Err(MountProblem::Sharing(_))));
    assert!(matches!(of("type=cache,target=/a,uid=-1"), Err(MountProblem::Value { .. })));
    assert!(matches!(of("type=secret"), Err(MountProblem::Target("secret"))));
    assert!(matches!(of("type=cache,target"), Err(MountProblem::Pair(_))));
}

#[test]
fn warns() {
    let rules = |text: &str| parse(text).warnings.into_iter().map(|w| w.rule).collect::<Vec<_>>();
    assert_eq!(rules("FROM a\nMAINTAINER b"), ["MaintainerDeprecated"]);
    assert_eq!(rules("FROM a\nCMD b"), ["JSONArgsRecommended"]);
    assert_eq!(rules("FROM a\nENV b c"), ["LegacyKeyValueFormat"]);
    assert_eq!(rules("FROM a AS b\nFROM c AS b"), ["DuplicateStageName"]);
    assert_eq!(rules("FROM a AS scratch"), ["ReservedStageName"]);
    assert!(rules("FROM a\nCMD [\"b\"]").is_empty());
}

/// What means something in a Dockerfile.
const PIECES: [&str; 52] = [
    "FROM",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "ARG",
    "LABEL",
    "CMD",
    "ONBUILD",
    "HEALTHCHECK",
    "SHELL",
    "VOLUME",
    "EXPOSE",
    " ",
    " ",
    " ",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\\\n",
    "\\",
    "`",
    "# escape=`\n",
    "#",
    "<<EOF",
    "EOF",
    "<<-",
    "3<<'E'",
    "--from=",
    "--mount=type=cache,",
    "target=",
    "\"",
    "'",
    "[",
    "]",
    ",",
    "=",
    "$x",
    "${x:-",
    "${x/",
    "}",
    "${",
    "*",
    "**/",
    "é",
    "\u{feff}",
    "\0",
    "\t",
    "a",
    "/",
    "as",
];

/// Random mixtures of everything that means something: nothing makes the parser panic or hang, and
/// what it accepts can be shown and expanded. The same seed gives the same run; `fuzz/` goes deeper.
#[test]
fn no_mixture_makes_it_panic() {
    let mut state = 42u64;
    let mut random = move |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % limit
    };
    for _ in 0..4_000 {
        let mut text = String::from(if random(2) == 0 { "FROM a\n" } else { "" });
        for _ in 0..random(40) {
            text.push_str(PIECES[random(PIECES.len())]);
        }
        let lookup = |name: &str| (name == "x").then(|| "v".repeat(3));
        let _ = super::words::expand_word(&text, '\\', &lookup);
        let _ = super::words::expand_body(&text, '\\', &lookup);
        let _ = Mount::parse(&text, '\\', &lookup);
        let _ =
            crate::ignore::Ignore::parse(text.as_bytes()).map(|ignore| ignore.excludes("a/b/c"));
        match Dockerfile::parse("D", text.as_bytes()) {
            Ok(file) => assert!(!file.stages.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty() && error.excerpt().len() < 20_000),
        }
    }
}
