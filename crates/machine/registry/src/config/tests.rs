//! Configurations as data.

use super::*;

#[test]
fn both_languages_say_the_same() {
    let toml = r#"
listen = ["127.0.0.1:5000"]
serve-local = true
audit = "/var/log/registry.jsonl"

[limits]
quota-bytes = 1_000_000

[auth]
htpasswd = "/etc/users"
anonymous-read = true

[[access]]
repositories = ["team/**"]
users = ["ann"]
rights = ["pull", "push"]

[[webhooks]]
url = "http://127.0.0.1:1/hook"
actions = ["push"]
"#;
    let json = r#"{"listen":["127.0.0.1:5000"],"serve-local":true,"audit":"/var/log/registry.jsonl",
        "limits":{"quota-bytes":1000000},"auth":{"htpasswd":"/etc/users","anonymous-read":true},
        "access":[{"repositories":["team/**"],"users":["ann"],"rights":["pull","push"]}],
        "webhooks":[{"url":"http://127.0.0.1:1/hook","actions":["push"]}]}"#;
    let toml = Config::parse(Path::new("a.toml"), toml).expect("TOML");
    assert_eq!(toml, Config::parse(Path::new("a.json"), json).expect("JSON"));
    assert_eq!(toml.limits.quota_bytes, Some(1_000_000));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_field() {
    let check = |name: &str, text: &str, expected: &[&str]| {
        let error = Config::parse(Path::new(name), text).expect_err("wrong").to_string();
        for part in expected {
            assert!(error.contains(part), "{error}");
        }
    };
    check("a.toml", "serve-local = true\n[limits]\nuploads = \"x\"\n", &["a.toml:3: ", "uploads"]);
    check("a.toml", "\nunknown = 1\n", &["a.toml:2: ", "unknown field `unknown`"]);
    check("a.toml", "listen = [\n", &["a.toml:"]);
    check("a.json", "{\n\"limits\": {\n\"uploads\": -1}}", &["a.json:3: ", "uploads"]);
    check("a.toml", "[[access]]\nrights = [\"read\"]\n", &["a.toml:2: ", "pull"]);
}
