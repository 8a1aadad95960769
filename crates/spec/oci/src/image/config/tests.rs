//! Image configurations as other tools write them.

use super::*;

#[test]
fn reads_what_docker_writes_and_keeps_it() {
    let text = r#"{"architecture":"amd64","config":{"Hostname":"","User":"1000:1000","Env":["PATH=/bin"],
        "Cmd":["sh"],"Volumes":null,"OnBuild":null,"Labels":null,"ExposedPorts":{"80/tcp":{}},
        "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000}},
        "created":"2024-01-01T00:00:00Z","os":"linux","history":null,
        "rootfs":{"type":"layers","diff_ids":null}}"#;
    let parsed: ImageConfig = serde_json::from_str(text).expect("a configuration");
    assert_eq!(parsed.config.user, "1000:1000");
    assert_eq!(parsed.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
    assert!(parsed.config.exposed_ports.contains_key("80/tcp"));
    let again = serde_json::to_string(&parsed).expect("prints");
    assert_eq!(serde_json::from_str::<ImageConfig>(&again).expect("reads"), parsed);
}
