//! Instructions and what they do to a configuration.

use super::*;

fn changed(changes: &[&str]) -> Config {
    let mut config = Config { env: vec!["PATH=/bin".to_owned()], ..Config::default() };
    apply(&mut config, &changes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()).unwrap();
    config
}

#[test]
fn instructions_change_the_configuration() {
    let config = changed(&[
        r#"CMD ["/bin/server", "-p", "80"]"#,
        "entrypoint exec /init --flag",
        r#"ENV A=1 B="two words" C=it\ is PATH='/usr/bin'"#,
        "ENV OLD the rest of it",
        r#"LABEL "com.example.name"="x y" version=1"#,
        "EXPOSE 80 53/udp 7000-7002/tcp",
        "VOLUME /data /more",
        r#"VOLUME ["/json"]"#,
        "USER app:staff",
        "WORKDIR /srv",
        "WORKDIR app/../web",
        "STOPSIGNAL SIGINT",
        "ONBUILD COPY . /app",
        r#"HEALTHCHECK --interval=1m30s --retries=3 --timeout=1.5s CMD curl -f localhost"#,
    ]);
    assert_eq!(config.cmd.unwrap(), ["/bin/server", "-p", "80"]);
    assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "exec /init --flag"]);
    assert_eq!(
        config.env,
        ["A=1", "B=two words", "C=it is", "PATH=/usr/bin", "OLD=the rest of it"]
    );
    assert_eq!(config.labels["com.example.name"], "x y");
    assert_eq!(config.labels["version"], "1");
    let ports: Vec<_> = config.exposed_ports.keys().collect();
    assert_eq!(ports, ["53/udp", "7000/tcp", "7001/tcp", "7002/tcp", "80/tcp"]);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/data", "/json", "/more"]);
    assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("app:staff", "/srv/web"));
    assert_eq!(config.stop_signal.unwrap(), "SIGINT");
    assert_eq!(config.on_build.unwrap(), ["COPY . /app"]);
    let check = config.healthcheck.unwrap();
    assert_eq!(check.test, ["CMD-SHELL", "curl -f localhost"]);
    assert_eq!((check.interval, check.retries, check.timeout), (90_000_000_000, 3, 1_500_000_000));
    assert_eq!(changed(&["HEALTHCHECK NONE"]).healthcheck.unwrap().test, ["NONE"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (change, fault) in [
        ("RUN true", ChangeFault::Unknown),
        ("", ChangeFault::Unknown),
        ("CMD", ChangeFault::Empty),
        ("ENV alone", ChangeFault::Syntax),
        ("ENV A='open", ChangeFault::Syntax),
        ("EXPOSE 0", ChangeFault::Port),
        ("EXPOSE 80/icmp", ChangeFault::Port),
        ("EXPOSE 9-1", ChangeFault::Port),
        ("USER two words", ChangeFault::Syntax),
        ("SHELL /bin/sh", ChangeFault::Syntax),
        ("ONBUILD FROM x", ChangeFault::Trigger),
        ("HEALTHCHECK --interval=5 CMD x", ChangeFault::Duration),
        ("HEALTHCHECK --what=5s CMD x", ChangeFault::Flag),
        ("HEALTHCHECK CMD", ChangeFault::Empty),
    ] {
        let error = apply(&mut Config::default(), &[change.to_owned()]).unwrap_err();
        assert!(
            matches!(error, Error::Change { reason, .. } if reason == fault),
            "{change}: {error}"
        );
    }
}
