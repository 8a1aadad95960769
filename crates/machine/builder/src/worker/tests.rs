//! Both ends of the socket in one process.

use super::*;
use crate::progress::Stream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

fn pair() -> (File, File) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    (File::from(OwnedFd::from(ours)), File::from(OwnedFd::from(theirs)))
}

#[test]
fn events_questions_and_the_end_travel() {
    let (mut server, socket) = pair();
    let request = BuildRequest { target: Some("two".to_owned()), ..BuildRequest::default() };
    send(&mut server, &request).expect("sends");
    let worker = std::thread::spawn(move || {
        serve(socket, |request, vault, _, progress| {
            assert_eq!(request.target.as_deref(), Some("two"));
            let bytes = vec![b'a', 0xff, b'\n'];
            progress.event(Event::Log { step: 1, stream: Stream::Stderr, bytes });
            let secret = vault.secret("key").expect("answered");
            assert_eq!(secret.as_deref(), Some(&b"value"[..]));
            assert!(vault.agent("none").expect("answered").is_none());
            Ok(Outcome { steps: 7, ..Outcome::default() })
        })
    });
    let Ok(Word::Event(Event::Log { bytes, .. })) = receive(&mut server) else { panic!("no log") };
    assert_eq!(bytes, [b'a', 0xff, b'\n']);
    let Ok(Word::Ask { number, question: Question::Secret(id) }) = receive(&mut server) else {
        panic!("no question")
    };
    assert_eq!(id, "key");
    let found = Found::Secret(b"value".to_vec());
    send(&mut server, &Answer { number, found }).expect("sends");
    let Ok(Word::Ask { number, .. }) = receive(&mut server) else { panic!("no question") };
    send(&mut server, &Answer { number, found: Found::Nothing }).expect("sends");
    let Ok(Word::Done(ended)) = receive(&mut server) else { panic!("no end") };
    assert_eq!(ended.steps, 7);
    worker.join().expect("no panic").expect("served");
}

#[test]
fn a_server_that_goes_away_gives_the_build_up() {
    let (mut server, socket) = pair();
    send(&mut server, &BuildRequest::default()).expect("sends");
    let worker = std::thread::spawn(move || {
        serve(socket, |_, vault, cancel, _| {
            assert!(vault.secret("key").is_err(), "nobody can answer");
            let mut poll = [rustix::event::PollFd::from_borrowed_fd(
                cancel.descriptor(),
                rustix::event::PollFlags::IN,
            )];
            rustix::event::poll(&mut poll, None).expect("polls");
            assert!(cancel.is_raised());
            Ok(Outcome::default())
        })
    });
    assert!(matches!(receive(&mut server), Ok(Word::Ask { .. })));
    drop(server);
    assert!(worker.join().expect("no panic").is_err(), "the end cannot be said any more");
}
