//! A configuration over the container's.

use super::merged;
use teu_oci::image::Config;

fn config(json: &str) -> Config {
    serde_json::from_str(json).expect("a configuration")
}

#[test]
fn what_is_left_empty_is_the_containers() {
    let own = r#"{"User":"u","Env":["A=1","B=2"],"Entrypoint":["e"],"Cmd":["c"],"Labels":{"l":"1"},
        "ExposedPorts":{"80/tcp":{}},"WorkingDir":"/w","StopSignal":"SIGINT"}"#;
    let check = |over: &str, expected: &str| {
        assert_eq!(merged(config(over), config(own)), config(expected), "{over}");
    };
    check("{}", own);
    check(
        r#"{"User":"v","Env":["B=3"],"Labels":{"m":"2"},"ExposedPorts":{"81/tcp":{}}}"#,
        r#"{"User":"v","Env":["B=3","A=1"],"Entrypoint":["e"],"Cmd":["c"],"Labels":{"l":"1","m":"2"},
            "ExposedPorts":{"80/tcp":{},"81/tcp":{}},"WorkingDir":"/w","StopSignal":"SIGINT"}"#,
    );
    let command = |over: &str| {
        let made = merged(config(over), config(own));
        (made.entrypoint, made.cmd)
    };
    let words = |word: &str| Some(vec![word.to_owned()]);
    assert_eq!(command(r#"{"Cmd":["d"]}"#), (words("e"), words("d")));
    assert_eq!(command(r#"{"Entrypoint":["f"]}"#), (words("f"), None));
}
