//! What a container's maker asked for, as far as it can be told from its record and its image: the
//! inverse of [`merge`](super::merge), so that the same can be asked of another image. Pure.
//!
//! What equals the old image's word is taken for the old image's, and gives way to the new one's.

use super::{CreateRequest, PodChoice};
use crate::record::{ContainerRecord, PodRecord};
use teu_oci::image::{Config, Healthcheck};

/// The request for a container like this one, of `image`. `old` is the configuration it was made
/// with. Volumes go on in the new one, the anonymous too.
pub fn again(
    record: &ContainerRecord,
    pod: &PodRecord,
    old: &Config,
    image: &str,
) -> CreateRequest {
    let mut asked = record.clone();
    for text in [&mut asked.id, &mut asked.name, &mut asked.pod, &mut asked.image] {
        text.clear();
    }
    (asked.image_id, asked.created_ns, asked.cidfile) = (None, 0, None);
    asked.diff_ids.clear();
    let entrypoint = command(&mut asked, old);
    if asked.user == old.user {
        asked.user.clear();
    }
    if asked.working_dir.trim_start_matches('/') == old.working_dir.trim_start_matches('/') {
        asked.working_dir.clear();
    }
    environment(&mut asked.env, &old.env);
    asked.labels.retain(|key, value| old.labels.get(key) != Some(value));
    let with_protocol = |port: &String| match port.contains('/') {
        true => port.clone(),
        false => format!("{port}/tcp"),
    };
    let exposed: Vec<String> = old.exposed_ports.keys().map(with_protocol).collect();
    asked.exposed_ports.retain(|port| !exposed.contains(port));
    asked.healthcheck = probe(asked.healthcheck.take(), old.healthcheck.as_ref());
    if Some(&asked.stop_signal) == old.stop_signal.as_ref() {
        asked.stop_signal.clear();
    }
    if asked.stop_timeout_s == old.stop_timeout {
        asked.stop_timeout_s = None;
    }
    let pod = match pod.implicit {
        true => {
            let own = PodRecord { id: String::new(), name: None, created_ns: 0, ..pod.clone() };
            PodChoice::Own(Box::new(own))
        }
        false => PodChoice::Existing(pod.id.clone()),
    };
    CreateRequest {
        name: Some(record.name.clone()),
        image: image.to_owned(),
        pod,
        entrypoint,
        container: asked,
        ..CreateRequest::default()
    }
}

fn command(asked: &mut ContainerRecord, old: &Config) -> Option<Vec<String>> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    if asked.entrypoint != list(&old.entrypoint) {
        return Some(std::mem::take(&mut asked.entrypoint));
    }
    asked.entrypoint.clear();
    if asked.command == list(&old.cmd) {
        asked.command.clear();
    }
    None
}

/// Variables beyond the image's; a name alone for one that was taken away.
fn environment(asked: &mut Vec<String>, old: &[String]) {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let gone = |entry: &&String| !asked.iter().any(|other| name(other) == name(entry));
    let gone: Vec<String> = old.iter().filter(gone).map(|entry| name(entry)).collect();
    asked.retain(|entry| !old.contains(entry));
    asked.extend(gone);
}

fn probe(asked: Option<Healthcheck>, old: Option<&Healthcheck>) -> Option<Healthcheck> {
    match (asked, old) {
        (None, Some(_)) => {
            Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() })
        }
        (asked, old) => asked.filter(|asked| Some(asked) != old),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::merge::{Typed, merge};

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image(version: &str) -> Config {
        let mut image = Config {
            entrypoint: Some(words("/entry")),
            cmd: Some(words(&format!("serve {version}"))),
            env: vec![format!("VERSION={version}"), "PATH=/bin".to_owned()],
            user: version.to_owned(),
            working_dir: format!("/{version}"),
            stop_signal: Some(format!("SIG{version}")),
            ..Config::default()
        };
        image.labels.insert("version".to_owned(), version.to_owned());
        image.healthcheck = Some(Healthcheck {
            test: words(&format!("CMD check {version}")),
            ..Healthcheck::default()
        });
        image
    }

    /// Merged with the one image and made again of the other, as if it were merged with that at once.
    #[track_caller]
    fn check(asked: &ContainerRecord, entrypoint: Option<Vec<String>>) {
        let merged = |image: &Config, entrypoint: Option<Vec<String>>, asked: &ContainerRecord| {
            let mut record = asked.clone();
            merge(&mut record, Typed { entrypoint }, image).unwrap();
            record
        };
        let old = merged(&image("one"), entrypoint.clone(), asked);
        let request =
            again(&old, &PodRecord { implicit: true, ..Default::default() }, &image("one"), "two");
        let got = merged(&image("two"), request.entrypoint, &request.container);
        assert_eq!(got, merged(&image("two"), entrypoint, asked));
        assert!(matches!(request.pod, PodChoice::Own(_)));
    }

    #[test]
    fn what_was_not_asked_for_is_the_new_images() {
        check(&ContainerRecord::default(), None);
        check(&ContainerRecord { command: words("other"), ..Default::default() }, None);
        check(&ContainerRecord { command: words("x"), ..Default::default() }, Some(words("/own")));
        check(&ContainerRecord { command: words("x"), ..Default::default() }, Some(Vec::new()));
        let env = words("VERSION=own MORE=1 PATH");
        check(&ContainerRecord { env, user: "own".to_owned(), ..Default::default() }, None);
        let probe = Healthcheck { test: words("NONE"), ..Healthcheck::default() };
        check(&ContainerRecord { healthcheck: Some(probe), ..Default::default() }, None);
        let mut labelled = ContainerRecord::default();
        labelled.labels.insert("own".to_owned(), "1".to_owned());
        check(&labelled, None);
    }

    #[test]
    fn in_the_same_pod() {
        let pod = PodRecord { id: "p".to_owned(), ..Default::default() };
        let request = again(&ContainerRecord::default(), &pod, &Config::default(), "app");
        assert!(matches!(request.pod, PodChoice::Existing(id) if id == "p"));
    }
}
