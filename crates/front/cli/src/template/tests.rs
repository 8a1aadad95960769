//! Templates over one document, against what Go prints.

use super::*;
use serde_json::json;

fn run(source: &str) -> Result<String, String> {
    let data = json!({
        "Name": "web", "Id": "0123456789abcdef", "Count": 3, "Ratio": 1.5, "On": true, "Off": false,
        "Empty": "", "None": null,
        "State": {"Status": "running", "Pid": 42},
        "Env": ["A=1", "B=2"],
        "Labels": {"b": "2", "a": "1", "x.y/z": "dotted"},
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null}
    });
    let labels = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let template = Template::parse(source).map_err(|e| e.to_string())?;
    template.render(&data, Some(&labels), Mode::Data).map_err(|e| e.to_string())
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(run(source).as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn fails(source: &str, expected: &str) {
    assert_eq!(run(source).as_deref().map_err(String::as_str), Err(expected), "{source}");
}

#[test]
fn prints_fields() {
    check("{{.Name}}", "web");
    check("a {{ .Name }} b", "a web b");
    check("{{.State.Status}}/{{.State.Pid}}", "running/42");
    check("{{.Env}}", "[A=1 B=2]");
    check("{{.Labels}}", "map[a:1 b:2 x.y/z:dotted]");
    check("{{.Ratio}} {{.Count}} {{.On}}", "1.5 3 true");
    check("{{.None}}", "<no value>");
    check("{{.name}}", "web");
    check("{{$.Name}}", "web");
    check("{{.Label \"k\"}}-{{.Label \"none\"}}", "v-");
    check("{{json .State}}", r#"{"Status":"running","Pid":42}"#);
    check("{{.State | json}}", r#"{"Status":"running","Pid":42}"#);
    check("{{\"quoted\\t\\x41\\u00e9\"}}", "quoted\tAé");
    check("{{`raw\\n`}} {{'a'}}", "raw\\n 97");
}

#[test]
fn trims_and_comments() {
    check("a  {{- .Name -}}  b", "awebb");
    check("a {{/* note */}} b", "a  b");
    check("a {{- /* note */ -}} b", "ab");
    check("{{range .Env -}}\n {{.}}\n{{- end}}", "A=1B=2");
}

#[test]
fn branches() {
    check("{{if .On}}y{{else}}n{{end}}", "y");
    check("{{if .Off}}y{{else if .Empty}}e{{else}}n{{end}}", "n");
    check("{{if .Missing}}y{{else}}n{{end}}", "n");
    check("{{with .State}}{{.Status}}{{end}}", "running");
    check("{{with .Empty}}x{{else}}{{.Name}}{{end}}", "web");
    check("{{if and .On .Name}}y{{end}}{{if or .Off .Empty}}n{{end}}", "y");
    check("{{if not .Off}}y{{end}}", "y");
    check("{{if eq .Name \"a\" \"web\"}}y{{end}}{{if gt .Count 2}}>{{end}}", "y>");
    check("{{if .None.Sub}}x{{else}}n{{end}}", "n");
}

#[test]
fn loops_and_variables() {
    check("{{range .Env}}[{{.}}]{{end}}", "[A=1][B=2]");
    check("{{range $i, $e := .Env}}{{$i}}{{$e}};{{end}}", "0A=1;1B=2;");
    check("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=2 x.y/z=dotted ");
    check("{{range .None}}x{{else}}none{{end}}", "none");
    check("{{range $i, $e := .Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2");
    check("{{range .Env}}{{break}}{{end}}ok", "ok");
    check("{{range .Env}}{{if eq . \"A=1\"}}{{continue}}{{end}}{{.}}{{end}}", "B=2");
    check("{{$n := .Name}}{{range .Env}}{{$n}}{{end}}", "webweb");
    check("{{$n := 0}}{{range .Env}}{{$n = add $n 1}}{{end}}{{$n}}", "2");
    check(
        "{{range $p, $c := .Ports}}{{$p}}->{{with $c}}{{(index . 0).HostPort}}{{end}} {{end}}",
        "443/tcp-> 80/tcp->8080 ",
    );
}

#[test]
fn functions() {
    check("{{len .Env}} {{len .Name}} {{len .Labels}}", "2 3 3");
    check("{{index .Env 1}} {{index .Labels \"x.y/z\"}}", "B=2 dotted");
    check("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080");
    check("{{(index .Ports \"80/tcp\" 0).HostIp}}", "0.0.0.0");
    check("{{join .Env \", \"}}", "A=1, B=2");
    check("{{upper .Name}} {{lower \"ABC\"}} {{title \"a bc\"}}", "WEB abc A Bc");
    check("{{split \"a,b\" \",\"}}", "[a b]");
    check("{{truncate .Id 4}}|{{pad .Name 1 2}}|", "0123| web  |");
    check("{{.Name | printf \"%-6s|\"}}", "web   |");
    check(
        "{{printf \"%05d %x %.2f %q %t %v%%\" .Count 255 .Ratio .Name .On .Env}}",
        "00003 ff 1.50 \"web\" true [A=1 B=2]%",
    );
    check("{{printf \"%d\" .Name}}", "%!d(string=web)");
    check("{{print 1 2 \"a\" 3}}", "1 2a3");
    check("{{println .Name}}", "web\n");
    check("{{slice .Id 0 4}}", "0123");
    check("{{html \"<a>\"}} {{urlquery \"a b&\"}}", "&lt;a&gt; a+b%26");
}

#[test]
fn locates_errors() {
    fails("{{.Nam}}", "template: :1:3: map has no entry for key \"Nam\" (did you mean .Name?)");
    fails("x\n{{.State.Nope.Deep}}", "template: :2:3: map has no entry for key \"Nope\"");
    fails("{{nope .}}", "template: :1:3: function \"nope\" not defined");
    fails("{{.Name", "template: :1:3: unclosed action");
    fails("{{if .On}}", "template: :1:1: unexpected EOF: {{if}} has no {{end}}");
    fails("{{end}}", "template: :1:1: unexpected {{end}}");
    fails("{{\"x}}", "template: :1:3: unterminated quoted string");
    fails("{{$x}}", "template: :1:3: undefined variable \"$x\"");
    fails(
        "{{index .Env 9}}",
        "template: :1:3: error calling index: index out of range: 9 of 2 items",
    );
    fails("{{.Name.First}}", "template: :1:3: can't evaluate field First in type string");
    fails("{{}}", "template: :1:1: missing value for command");
    fails("{{.Name | 3}}", "template: :1:11: non executable command in pipeline");
    fails("{{break}}", "template: :1:1: {{break}} outside {{range}}");
    fails("{{define \"x\"}}{{end}}", "template: :1:1: {{define}} is not supported in --format");
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(500), ")".repeat(500));
    fails(&deep, "template: :1:66: nested too deeply");
}
