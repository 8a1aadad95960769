//! What is offered where.

use super::*;

fn offered(line: &str) -> Offer {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let (last, before) = words.split_last().expect("one word at least");
    offer(&crate::commands::ROOT, before, last)
}

fn words(line: &str) -> Vec<String> {
    match offered(line) {
        Offer::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
        Offer::Names(kind) => vec![format!("{kind:?}")],
    }
}

#[test]
fn offers() {
    assert!(words("").contains(&"run".to_owned()) && !words("").contains(&"__complete".to_owned()));
    assert!(words("run --").contains(&"--publish".to_owned()));
    assert_eq!(offered("run --rm "), Offer::Names(Completes::Images));
    assert_eq!(offered("run -it --network "), Offer::Names(Completes::Networks));
    assert_eq!(offered("run --network="), Offer::Names(Completes::Networks));
    assert_eq!(words("run --restart "), ["no", "always", "on-failure", "unless-stopped"]);
    assert_eq!(offered("run busybox "), Offer::Names(Completes::Files));
    assert_eq!(offered("run busybox -"), Offer::Names(Completes::Files));
    assert_eq!(offered("exec -it "), Offer::Names(Completes::Running));
    assert_eq!(offered("volume rm "), Offer::Names(Completes::Volumes));
    assert_eq!(words("completion "), ["bash", "fish", "zsh"]);
    assert_eq!(offered("nonsense "), Offer::Words(Vec::new()));
}
