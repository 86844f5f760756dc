//! Tests of the messages.

use proptest::prelude::*;

use super::*;

fn info() -> QubeInfo {
    QubeInfo {
        name: QubeName::new("work").unwrap(),
        label: LabelName::new("blue").unwrap(),
        state: QubeState::Failed { reason: "the agent ended with status 3".into() },
        backend: Backend::Sandbox,
        backend_reason: String::new(),
        isolated: false,
        storage: Storage::Directory,
        pid: Some(7),
        template: None,
        disposable: None,
        settings: Settings::default(),
        problem: None,
    }
}

#[test]
fn names() {
    for good in ["a", "work", "sys-net", "a23", &"a".repeat(31)] {
        assert_eq!(QubeName::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "1a", "-a", "Work", "a b", "a/b", "..", "a.b", "ä", "a\n", &"a".repeat(32)] {
        assert!(matches!(QubeName::new(bad), Err(NameError::Form(_))), "{bad:?}");
    }
    assert!(matches!(QubeName::new("dom0"), Err(NameError::Reserved(_))));
    assert!(serde_json::from_str::<QubeName>("\"../x\"").is_err());
    assert!(LabelName::unknown().is_built_in());
}

#[test]
fn json_is_what_it_says() {
    let request = Request { id: 4, body: RequestBody::Start { qube: QubeName::new("work").unwrap() } };
    assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"id":4,"body":{"ask":"start","qube":"work"}}"#);
    let list: Request = serde_json::from_str(r#"{"id":1,"body":{"ask":"list"}}"#).unwrap();
    assert_eq!(list.body, RequestBody::List { after: None });
    assert!(serde_json::from_str::<Request>(r#"{"id":1,"body":{"ask":"fly"}}"#).is_err());
    assert!(serde_json::from_str::<Request>(r#"{"id":1,"body":{"ask":"start","qube":"dom0"}}"#).is_err());
    let newer: ErrorBody = serde_json::from_str(r#"{"kind":"moon","message":"m"}"#).unwrap();
    assert_eq!(newer.kind, ErrorKind::Other);
}

#[test]
fn both_kinds_from_qubed_come_back() {
    let ram = MemoryKind::GuestRam { bytes: 1, hole_start: 2, hole_end: 3 };
    let error = ErrorBody::new(ErrorKind::Io, "no space");
    for message in [
        FromQubed::Reply(Reply { id: 1, result: Ok(ReplyBody::Done) }),
        FromQubed::Reply(Reply { id: 2, result: Err(error) }),
        FromQubed::Reply(Reply { id: 3, result: Ok(ReplyBody::Qubes { qubes: vec![info()], more: true }) }),
        FromQubed::Event(Event::QubeState { qube: info() }),
        FromQubed::Event(Event::Link { qube: info(), link_id: 9, memory: MemoryKind::ClientFds }),
        FromQubed::Event(Event::Link { qube: info(), link_id: 9, memory: ram }),
        FromQubed::Event(Event::LinkGone { qube: info().name, link_id: 9 }),
        FromQubed::Event(Event::QubeRemoved { qube: info().name }),
    ] {
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<FromQubed>(&json).unwrap(), message, "{json}");
    }
}

#[test]
fn command_lines_have_limits() {
    let run = |argv: Vec<String>| {
        RequestBody::Run { qube: QubeName::new("work").unwrap(), argv }.check().map_err(|e| e.kind)
    };
    assert_eq!(run(vec!["foot".into()]), Ok(()));
    assert_eq!(run(vec!["foot".into(), String::new()]), Ok(()));
    for bad in [
        vec![],
        vec![String::new()],
        vec!["a".to_owned(); MAX_ARGUMENTS + 1],
        vec!["a".repeat(MAX_COMMAND)],
        vec!["a\0b".to_owned()],
    ] {
        assert_eq!(run(bad), Err(ErrorKind::BadRequest));
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_request_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = serde_json::from_slice::<Request>(&bytes);
        let _ = serde_json::from_slice::<FromQubed>(&bytes);
    }

    #[test]
    fn a_name_is_what_the_rule_says(text in "[a-z0-9A-Z./ -]{0,34}") {
        let rule = (1..=31).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        prop_assert_eq!(QubeName::new(&text).is_ok(), rule && text != DOM0);
    }
}
