//! Bytes through `run`, `exec` and `attach`: exact with pipes, interactive on a terminal.
//!
//! Terminals are made by script(1), which every Debian has.

use crate::world::World;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every byte value, long lines, no newline at the end.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

fn through(mut command: Command, input: Vec<u8>) -> (i32, Vec<u8>) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let mut output = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut output).expect("reads");
    writer.join().expect("writes");
    (child.wait().expect("ends").code().unwrap_or(-1), output)
}

#[test]
fn pipes_are_exact() {
    let world = World::busybox();
    let input = bytes(6 << 20);
    let run = world.command("run -i --rm --log-driver none --network none busybox cat".split(' '));
    let (code, output) = through(run, input.clone());
    assert!(code == 0 && output == input, "run: code {code}, {} bytes", output.len());
    world.line("run -d --name web --network none busybox sleep 1000").ok();
    let exec = world.command("exec -i web cat".split(' '));
    let (code, output) = through(exec, input.clone());
    assert!(code == 0 && output == input, "exec: code {code}, {} bytes", output.len());
    // From a file, to a file: those are not pipes.
    let file = world.root().join("input");
    std::fs::write(&file, &input).expect("writes");
    for line in ["run -i --rm --log-driver none --network none busybox cat", "exec -i web cat"] {
        let result = world.root().join("output");
        let status = world
            .command(line.split(' '))
            .stdin(std::fs::File::open(&file).expect("opens"))
            .stdout(std::fs::File::create(&result).expect("creates"))
            .status()
            .expect("runs");
        assert!(status.success(), "{line}");
        assert!(std::fs::read(&result).expect("reads") == input, "{line}");
    }
    world.line("rm -f web").ok();
}

/// The end of input closes the container's input, not its output; and both outputs stay apart.
#[test]
fn ends_and_sides() {
    let world = World::busybox();
    let script = "read a; read b; echo out-$a; echo err-$b >&2; cat; sleep 0.2; echo late";
    let mut run =
        world.command(["run", "-i", "--rm", "--network", "none", "busybox", "sh", "-c", script]);
    let mut child = run
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(b"1\n2\nrest").expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out-1\nrestlate\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "err-2\n");
    // Without -i there is no input, however much is offered.
    let run = world.command("run --rm --network none busybox cat".split(' '));
    assert_eq!(through(run, b"unread".to_vec()), (0, Vec::new()));
}

/// A reader that goes away ends the command quietly.
#[test]
fn a_closed_pipe_is_quiet() {
    let world = World::busybox();
    let line = "teu run --name many --network none busybox yes | head -n 2";
    let teu = crate::world::binary();
    let output = Command::new("sh")
        .args(["-c", &line.replace("teu ", &format!("{} ", teu.display()))])
        .env("TEU_ROOT", world.root())
        .output()
        .expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "y\ny\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    world.line("rm -f many").ok();
}

/// A terminal made by script(1); what is typed is written to it line by line.
struct Terminal {
    child: Child,
    seen: std::sync::mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    fn start(world: &World, line: &str) -> Self {
        let command = format!("stty rows 33 cols 99; {} {line}", crate::world::binary().display());
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TEU_ROOT", world.root())
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) is there");
        let mut stdout = child.stdout.take().expect("piped");
        let (sender, seen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, seen, text: String::new() }
    }

    fn types(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().expect("piped").write_all(bytes).expect("typed");
    }

    #[track_caller]
    fn shows(&mut self, expected: &str) {
        let begun = Instant::now();
        while !self.text.contains(expected) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no {expected:?} in {:?}",
                self.text
            );
            if let Ok(bytes) = self.seen.recv_timeout(Duration::from_millis(100)) {
                self.text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let at = self.text.find(expected).unwrap_or(0) + expected.len();
        self.text.drain(..at);
    }

    #[track_caller]
    fn ends(mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "still there: {:?}", self.text);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_terminal_of_the_right_size() {
    let world = World::busybox();
    let mut shell = Terminal::start(&world, "run --rm -it --network none busybox sh");
    shell.shows("/ #");
    shell.types(b"stty size; echo tty=$(tty)\n");
    shell.shows("33 99");
    shell.shows("tty=/dev/pts/0");
    shell.types(b"exit 7\n");
    assert_eq!(shell.ends(), 7);
    world.line("run -d --name web --network none busybox sleep 1000").ok();
    let mut shell = Terminal::start(&world, "exec -it web sh");
    shell.shows("/ #");
    shell.types(b"stty size\n");
    shell.shows("33 99");
    shell.types(b"exit 5\n");
    assert_eq!(shell.ends(), 5);
    world.line("rm -f web").ok();
}

#[test]
fn leaving_and_coming_back() {
    let world = World::busybox();
    let mut first = Terminal::start(&world, "run -it --name shell --network none busybox sh");
    first.shows("/ #");
    first.types(b"stay=here\n");
    first.shows("/ #");
    first.types(b"\x10\x11");
    assert_eq!(first.ends(), 0);
    assert_eq!(world.line("inspect -f {{.State.Status}} shell").ok(), "running");
    let mut again = Terminal::start(&world, "attach --detach-keys ctrl-a,x shell");
    again.types(b"echo $stay-again\n");
    again.shows("here-again");
    again.types(b"\x01x");
    again.shows("read escape sequence");
    assert_eq!(again.ends(), 0);
    world.line("rm -f shell").ok();
}

/// The terminal is as it was before, however the command ends.
#[test]
fn the_terminal_is_put_back() {
    let world = World::busybox();
    let teu = crate::world::binary();
    let line = format!(
        "run --rm -it --network none busybox true; stty -a | tr ';' '\\n' | grep -c -w -e icanon -e echo; {} version >/dev/null; echo done",
        teu.display()
    );
    let mut terminal = Terminal::start(&world, &line);
    terminal.shows("done");
    assert_eq!(terminal.ends(), 0);
    let mut terminal = Terminal::start(
        &world,
        "run --rm -it --network none busybox nonsense; stty -a | grep -o ' echo ' ; echo end",
    );
    terminal.shows("executable file not found");
    terminal.shows(" echo ");
    terminal.shows("end");
    terminal.ends();
}

/// The process that a terminal's shell has started with these words.
fn pid_of(words: &[&str]) -> Option<String> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().into_string().ok()).find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let typed: Vec<&[u8]> = line.split(|byte| *byte == 0).skip(1).collect();
        words.iter().zip(&typed).filter(|(word, typed)| word.as_bytes() == **typed).count()
            == words.len()
    })
}

/// A signal that ends the command leaves no raw terminal, and what runs goes on.
#[test]
fn a_killed_command_puts_the_terminal_back() {
    let world = World::busybox();
    let name = format!("raw-{}", std::process::id());
    let run = format!("run -it --name {name} --network none busybox sh");
    let exec = format!("exec -it {name} sh");
    for line in [run, exec] {
        let words: Vec<&str> = line.split(' ').collect();
        let after = "; echo code=$?; stty -a | tr ';' '\\n'; echo end";
        let mut terminal = Terminal::start(&world, &format!("{line}{after}"));
        terminal.shows("/ #");
        let pid = pid_of(&words).expect("it runs");
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        terminal.shows("code=143");
        terminal.shows("isig icanon");
        terminal.shows("end");
        terminal.ends();
        assert_eq!(world.teu(["inspect", "-f", "{{.State.Status}}", &name]).ok(), "running");
    }
    world.teu(["rm", "-f", &name]).ok();
}

#[test]
fn signals_reach_the_container() {
    let world = World::busybox();
    let script = "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.1; done";
    let mut run =
        world.command(["run", "--rm", "--network", "none", "busybox", "sh", "-c", script]);
    let mut child = run.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut line = [0; 6];
    stdout.read_exact(&mut line).expect("it says that it is ready");
    let pid = child.id().to_string();
    Command::new("kill").args(["-USR1", &pid]).status().expect("kill runs");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("reads");
    assert_eq!((rest.as_str(), child.wait().expect("ends").code()), ("got\n", Some(9)));
}

/// Two streams into one file: neither undoes what the other, or anybody else, wrote.
#[test]
fn output_and_errors_share_a_file() {
    let world = World::busybox();
    world.line("run -d --name both --network=none busybox sleep 1000").ok();
    let teu = crate::world::binary();
    let script = format!(
        "echo before; for i in $(seq 20); do {} exec both sh -c 'echo out; echo err >&2'; done; echo after",
        teu.display()
    );
    let path = world.file("both.log", "");
    let file = std::fs::File::create(&path).expect("creates");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("TEU_ROOT", world.root());
    shell.stdout(file.try_clone().expect("clones")).stderr(file);
    assert!(shell.status().expect("sh runs").success());
    let text = std::fs::read_to_string(&path).expect("reads");
    let count = |word: &str| text.lines().filter(|line| *line == word).count();
    assert_eq!(
        (count("before"), count("out"), count("err"), count("after")),
        (1, 20, 20, 1),
        "{text}"
    );
}
