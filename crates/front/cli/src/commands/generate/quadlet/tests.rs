//! Files against the units they become.

use super::*;

fn made(name: &str, text: &str) -> std::result::Result<(String, String), String> {
    let path = Path::new("/etc/q").join(name);
    unit(&path, text, &["teu".to_owned()]).map(|(name, unit)| (name, unit.text()))
}

#[test]
fn a_container_and_what_it_needs() {
    let text = "[Unit]\nDescription=Web\n[Container]\nImage=nginx\nVolume=data.volume:/data:ro\n\
                Network=back.network\nPublishPort=8080:80\nEnvironment=A=1 \"B=two words\"\nReadOnly=true\n\
                User=7\nGroup=8\nExec=sh -c 'echo $X'\n[Service]\nRestart=always\n[Install]\nWantedBy=default.target\n";
    let (name, unit) = made("web.container", text).unwrap();
    assert_eq!(name, "web.service");
    let expected = "[Unit]\nDescription=Web\nSourcePath=/etc/q/web.container\nRequires=data-volume.service\n\
        After=data-volume.service\nRequires=back-network.service\nAfter=back-network.service\n\n\
        [Service]\nType=exec\nKillMode=mixed\nExecStartPre=-teu rm -f systemd-web\n\
        ExecStart=teu run --rm --name systemd-web --volume=systemd-data:/data:ro --network=systemd-back \
        --publish=8080:80 --env=A=1 \"--env=B=two words\" --read-only --user=7:8 \
        --label=PODMAN_SYSTEMD_UNIT=%n nginx sh -c \"echo $$X\"\n\
        ExecStop=-teu stop systemd-web\nExecStopPost=-teu rm -f systemd-web\nRestart=always\n\n\
        [Install]\nWantedBy=default.target\n";
    assert_eq!(unit, expected);
}

#[test]
fn other_kinds() {
    let (name, unit) = made("data.volume", "[Volume]\nLabel=a=b\n").unwrap();
    assert_eq!(name, "data-volume.service");
    assert!(unit.contains("ExecStart=teu volume create --label=a=b systemd-data\n"), "{unit}");
    let (name, unit) = made("shop.kube", "[Kube]\nYaml=shop.yaml\n").unwrap();
    assert_eq!(name, "shop.service");
    assert!(unit.contains("ExecStart=teu kube play --replace /etc/q/shop.yaml\n"), "{unit}");
    let (name, unit) = made("p.pod", "[Pod]\nPublishPort=80:80\n").unwrap();
    assert_eq!(name, "p-pod.service");
    assert!(unit.contains("teu pod create --name systemd-p --publish=80:80"), "{unit}");
}

#[test]
fn mistakes_name_the_file() {
    let cases = [
        ("a.container", "[Container]\nImage=x\nReadonly=true\n", "unsupported key 'Readonly'"),
        ("a.container", "[Container]\nExec=x\n", "no Image key"),
        ("a.container", "[Container]\nImage=x\nReadOnly=perhaps\n", "neither true nor false"),
        ("a.kube", "[Kube]\n", "no Yaml key"),
        ("a.pod", "oops\n", "/etc/q/a.pod:1: expected KEY=VALUE"),
    ];
    for (name, text, expected) in cases {
        let error = made(name, text).unwrap_err();
        assert!(
            error.starts_with(&format!("/etc/q/{name}")) && error.contains(expected),
            "{error}"
        );
    }
}
