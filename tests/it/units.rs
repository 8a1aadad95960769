//! Units that `teu generate` writes, read by systemd's own `systemd-analyze verify`.

use crate::world::World;
use std::path::Path;
use std::process::Command;

/// What systemd has to say about units; nothing if they are right.
fn verified(folder: &Path) -> String {
    let mut units: Vec<_> = std::fs::read_dir(folder)
        .expect("there")
        .map(|entry| entry.expect("reads").path())
        .collect();
    units.sort();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--generators=no"])
        .args(&units)
        .output()
        .expect("systemd-analyze is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn systemd_reads_what_is_generated() {
    let world = World::busybox();
    let units = world.root().join("units");
    std::fs::create_dir(&units).expect("ours");
    let odd = ["--label", "a=50%", "-e", "X=a b$c \"d\" \\e", "--restart", "always", "-it"];
    let run = ["run", "-d", "--name", "web", "--network", "none"];
    let command = ["busybox", "sh", "-c", "echo \"$X\" %n; exec sleep 1000"];
    world.teu(run.iter().chain(&odd).chain(&command)).ok();
    world.line("pod create --name shop --label a=50%").ok();
    world.line("run -d --pod shop --name page busybox sleep 1000").ok();
    let generated = |name: &str, line: &str| {
        std::fs::write(units.join(name), world.line(line).ok() + "\n").expect("writes");
    };
    generated("new.service", "generate systemd --new --restart-sec 5 web");
    generated("old.service", "generate systemd -t 3 web");
    generated("pod.service", "generate systemd shop");
    generated("pod-new.service", "generate systemd --new shop");
    let new = std::fs::read_to_string(units.join("new.service")).expect("written");
    assert!(new.contains("--label=a=50%% "), "{new}");
    assert!(!new.contains("--restart=always"), "the unit does that: {new}");

    for (name, text) in [
        (
            "web.container",
            "[Unit]\nDescription=Web\n[Container]\nImage=i.image\nVolume=data.volume:/data:ro\n\
             Network=back.network\nPublishPort=8080:80\nEnvironment=A=1 \"B=two words\"\n\
             AutoUpdate=registry\n[Service]\nRestart=always\n[Install]\nWantedBy=default.target\n",
        ),
        ("data.volume", "[Volume]\nLabel=a=b\n"),
        ("back.network", "[Network]\n"),
        ("p.pod", "[Pod]\nPublishPort=80:80\n"),
        ("shop.kube", "[Kube]\nYaml=shop.yaml\n"),
        ("i.image", "[Image]\nImage=nginx\n"),
        ("b.build", "[Build]\nImageTag=b\nSetWorkingDirectory=unit\n"),
    ] {
        world.file(&format!("quadlets/{name}"), text);
    }
    let files = world.root().join("files");
    let mut generate = world.command(["generate", "quadlet", "-o"]);
    generate.arg(&units).arg("quadlets").current_dir(&files);
    assert_eq!(generate.output().expect("it runs").status.code(), Some(0));
    let kube = std::fs::read_to_string(units.join("shop.service")).expect("written");
    assert!(kube.contains(&format!("{}/quadlets/shop.yaml", files.display())), "{kube}");
    assert_eq!(verified(&units), "");
    world.line("rm -f web").ok();
    world.line("pod rm -f shop").ok();
}

#[test]
fn what_a_unit_would_run_runs() {
    let world = World::busybox();
    let script = "echo \"$X|$1\"";
    let made = ["run", "-d", "--name", "web", "--network", "none", "-e", "X=a b", "busybox"];
    world.teu(made.iter().chain(&["sh", "-c", script, "sh", "50%"])).ok();
    let unit = world.line("generate systemd --new web").ok();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    // What systemd makes of it: `%%` and `$$` stand for one, `%n` for the unit.
    let line = start.replace("%%", "\0").replace("%n", "web.service").replace('\0', "%");
    let line = line.replace("$$", "\\$");
    world.line("rm -f web").ok();
    let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|50%\n");
    assert_eq!(world.line("ps -aq").ok(), "", "it goes when it stops");
}

#[test]
fn what_a_pods_unit_would_run_makes_it_anew() {
    let world = World::busybox();
    world.line("pod create --network none --label kind=shop shop").ok();
    world.line("run -d --pod shop --name page --restart always busybox sleep 1000").ok();
    world.line("create --pod shop --name job busybox sleep 1000").ok();
    let unit = world.line("generate systemd --new shop").ok();
    let commands = |key: &str| {
        let key = format!("{key}=");
        let lines = unit.lines().filter_map(|line| line.strip_prefix(&key));
        lines.map(|line| line.trim_start_matches('-').to_owned()).collect::<Vec<_>>()
    };
    let run = |line: &String| {
        let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
        assert!(output.status.success(), "{line}: {output:?}");
    };
    let names = || world.line("ps --format {{.Names}}").ok();
    commands("ExecStartPre").iter().for_each(run);
    assert_eq!(names(), "");
    commands("ExecStart").iter().for_each(run);
    let mut running: Vec<String> = names().lines().map(str::to_owned).collect();
    running.sort();
    assert_eq!(running, ["job", "page"]);
    let labels = world.teu(["pod", "ps", "--filter", "label=kind=shop", "--format", "{{.Name}}"]);
    assert_eq!(labels.ok(), "shop");
    commands("ExecStop").iter().chain(&commands("ExecStopPost")).for_each(run);
    assert_eq!(world.line("pod ps -q").ok() + &world.line("ps -aq").ok(), "");
}
