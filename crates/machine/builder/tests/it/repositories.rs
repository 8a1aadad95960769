//! `ADD` of git repositories, from a real `git daemon` on this machine.

use crate::world::World;
use std::io::{BufRead as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs git with no settings but ours.
fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(at)
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .output()
        .expect("git is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A folder of repositories, and the address it is served at.
fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let base = folder.to_owned();
    // Ends with the process: nobody asks any more once the test is over.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let out = stream.try_clone().expect("cloned");
            let mut command = Command::new("git");
            command.args(["daemon", "--inetd", "--export-all"]);
            command.arg(format!("--base-path={}", base.display())).arg(&base);
            command.stdin(Stdio::from(OwnedFd::from(stream)));
            command.stdout(Stdio::from(OwnedFd::from(out))).stderr(Stdio::null());
            let mut child = command.spawn().expect("git daemon");
            std::thread::spawn(move || child.wait());
        }
    });
    format!("git://{address}")
}

/// Two commits, a tag on the first, a link that leads out, a hook, a submodule by a file's path.
fn repository(folder: &Path) -> [String; 2] {
    let at = folder.join("app");
    std::fs::create_dir_all(at.join("docs")).expect("makes");
    git(folder, &["init", "-q", "app"]);
    std::fs::write(at.join("a.txt"), "one\n").expect("writes");
    std::fs::write(at.join("docs/d.txt"), "doc\n").expect("writes");
    std::fs::write(at.join("run.sh"), "#!/bin/sh\n").expect("writes");
    let exec = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(at.join("run.sh"), exec).expect("chmods");
    std::os::unix::fs::symlink("/etc/passwd", at.join("out")).expect("links");
    git(&at, &["add", "."]);
    git(&at, &["commit", "-q", "-m", "first"]);
    git(&at, &["tag", "-a", "v1", "-m", "one"]);
    let first = git(&at, &["rev-parse", "HEAD"]);
    std::fs::write(at.join("a.txt"), "two\n").expect("writes");
    git(&at, &["commit", "-q", "-a", "-m", "second"]);
    [first, git(&at, &["rev-parse", "HEAD"])]
}

#[test]
fn a_commit_is_added_by_branch_tag_hash_and_directory() {
    let world = World::new();
    let folder = world.path("served");
    std::fs::create_dir(&folder).expect("makes");
    let [first, second] = repository(&folder);
    let url = format!("{}/app", serve(&folder));

    let tree = world.tree(&format!("FROM scratch\nADD {url} /src"));
    assert_eq!(tree["src/a.txt"], "644 0:0 two\n");
    assert_eq!(tree["src/run.sh"], "755 0:0 #!/bin/sh\n");
    assert_eq!(tree["src/out"], "0 0:0 -> /etc/passwd");
    assert!(!tree.contains_key("src/.git"), "{tree:?}");

    for reference in ["v1", "refs/tags/v1", first.as_str()] {
        let tree = world.tree(&format!("FROM scratch\nADD {url}#{reference} /src/"));
        assert_eq!(tree["src/a.txt"], "644 0:0 one\n", "{reference}");
    }
    let tree = world.tree(&format!("FROM scratch\nADD --chown=5:6 {url}#main:docs /src"));
    assert_eq!(tree["src/d.txt"], "644 5:6 doc\n");
    assert!(!tree.contains_key("src/a.txt"), "{tree:?}");
    let kept = world.tree(&format!("FROM scratch\nADD --keep-git-dir=true {url}#v1 /src"));
    assert!(kept["src/.git/HEAD"].contains(&first), "{}", kept["src/.git/HEAD"]);

    // The same commit is the same layer, whatever it is called and whenever it is built.
    let by_branch = world.build(&format!("FROM scratch\nADD {url} /src"));
    let by_hash = world.build(&format!("FROM scratch\nADD --checksum={second} {url}#main /src"));
    let layers = |done: &crate::world::Done| done.config().rootfs.diff_ids;
    assert_eq!(layers(&by_branch), layers(&by_hash));
    assert_eq!(by_hash.heard.ran(), Vec::<String>::new(), "it was in the cache");
    let wrong = world.fails(&format!("FROM scratch\nADD --checksum={first} {url}#main /src"));
    assert!(wrong.to_string().contains(&second), "{wrong}");
}

#[test]
fn what_a_repository_or_its_address_tries_is_refused() {
    let world = World::new();
    let folder = world.path("served");
    std::fs::create_dir(&folder).expect("makes");
    repository(&folder);
    let at = folder.join("app");
    // A directory that is a link out of the repository.
    std::os::unix::fs::symlink("/etc", at.join("etc")).expect("links");
    // A module whose files are taken from a path of the machine that builds.
    let inner = world.path("secret");
    std::fs::create_dir(&inner).expect("makes");
    git(&inner, &["init", "-q"]);
    git(&inner, &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(&at, &["checkout", "-q", "-b", "module"]);
    git(&at, &["submodule", "-q", "add", inner.to_str().expect("a path"), "inner"]);
    git(&at, &["commit", "-q", "-a", "-m", "module"]);
    git(&at, &["checkout", "-q", "main"]);
    git(&at, &["add", "etc"]);
    git(&at, &["commit", "-q", "-m", "link"]);
    let url = format!("{}/app", serve(&folder));
    for (source, words) in [
        (format!("{url}#module"), "transport 'file' not allowed"),
        (format!("{url}#main:etc"), "etc"),
        (format!("{url}#none"), "none"),
        (format!("{url}#--upload-pack=id"), "no name of a branch"),
        (url.replace("git://", "ssh://"), "https, http and git only"),
        (format!("file://{}", at.display()), "not found"),
        (format!("{url}none"), "git fetch: "),
    ] {
        let error = world.fails(&format!("FROM scratch\nADD {source} /src")).to_string();
        assert!(error.contains(words), "{source}: {error}");
    }
}

#[test]
fn submodules_come_along() {
    let world = World::new();
    let folder = world.path("served");
    std::fs::create_dir(&folder).expect("makes");
    repository(&folder);
    std::fs::create_dir(folder.join("inner")).expect("makes");
    git(&folder.join("inner"), &["init", "-q"]);
    std::fs::write(folder.join("inner/i.txt"), "inner\n").expect("writes");
    git(&folder.join("inner"), &["add", "."]);
    git(&folder.join("inner"), &["commit", "-q", "-m", "inner"]);
    let url = serve(&folder);
    let at = folder.join("app");
    git(&at, &["submodule", "-q", "add", &format!("{url}/inner"), "part"]);
    git(&at, &["commit", "-q", "-a", "-m", "part"]);
    let tree = world.tree(&format!("FROM scratch\nADD {url}/app /src"));
    assert_eq!(tree["src/part/i.txt"], "644 0:0 inner\n");
    assert!(!tree.contains_key("src/part/.git"), "{tree:?}");
    // Most modules are named relative to the repository that they belong to.
    let modules = std::fs::read_to_string(at.join(".gitmodules")).expect("reads");
    std::fs::write(at.join(".gitmodules"), modules.replace(&url, "..")).expect("writes");
    git(&at, &["commit", "-q", "-a", "-m", "relative"]);
    let tree = world.tree(&format!("FROM scratch\nADD {url}/app /src"));
    assert!(tree["src/.gitmodules"].contains("url = ../inner"), "{}", tree["src/.gitmodules"]);
    assert_eq!(tree["src/part/i.txt"], "644 0:0 inner\n");
}

/// A password in an address is in no history, no error and no file of the image.
#[test]
fn who_asks_is_not_told_to_others() {
    let world = World::new();
    let folder = world.path("served");
    std::fs::create_dir(&folder).expect("makes");
    repository(&folder);
    let url = serve(&folder).replace("git://", "git://someone:hunter2@");
    let dockerfile = format!("FROM scratch\nADD --keep-git-dir=true {url}/app /src");
    let done = world.build(&dockerfile);
    let history = format!("{:?}", done.config().history);
    assert!(history.contains("ADD git://127.0.0.1"), "{history}");
    assert!(!history.contains("hunter2"), "{history}");
    let tree = world.tree(&dockerfile);
    assert!(tree["src/.git/config"].contains("url = git://127.0.0.1"));
    for (path, content) in tree {
        assert!(!content.contains("hunter2"), "{path}: {content}");
    }
    // A server that wants to know who asks.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = std::io::BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let _ = tell.send(
                head.iter().find_map(|l| l.strip_prefix("Authorization: ")).map(str::to_owned),
            );
            let refusal = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = (&stream).write_all(refusal.as_bytes());
        }
    });
    // A step is called by what is written, which need not be what it means.
    let steps = format!("ARG who=someone:hunter2\nADD http://$who@{address}/app.git /src");
    let error = world.fails(&format!("FROM scratch\n{steps}")).to_string();
    assert!(!error.contains("hunter2") && error.contains("git fetch"), "{error}");
    let shown = heard.try_iter().flatten().next();
    assert_eq!(shown.as_deref(), Some("Basic c29tZW9uZTpodW50ZXIy"));
}
