//! Every request, reply and event of the supervisor comes back as it was, in one packet.

use proptest::{collection::vec, option, prelude::*};
use transom_protocol::{call::Target, supervisor::*};

fn qube() -> impl Strategy<Value = QubeName> {
    "[a-z][a-z0-9-]{0,30}".prop_filter_map("reserved", |text| QubeName::new(&text).ok())
}

fn label() -> impl Strategy<Value = LabelName> {
    prop_oneof![
        prop::sample::select(&BUILT_IN_LABELS[..]).prop_map(str::to_owned),
        "[a-z][a-z0-9-]{0,30}".boxed(),
    ]
    .prop_map(|text| LabelName::new(&text).unwrap())
}

fn request() -> impl Strategy<Value = RequestBody> {
    let backend = prop_oneof![
        Just(BackendChoice::Auto),
        Just(BackendChoice::Sandbox),
        Just(BackendChoice::Kvm),
        Just(BackendChoice::Qemu),
    ];
    prop_oneof![
        Just(RequestBody::Ping),
        Just(RequestBody::Attach),
        Just(RequestBody::Events),
        option::of(qube()).prop_map(|after| RequestBody::List { after }),
        qube().prop_map(|qube| RequestBody::Info { qube }),
        (qube(), label(), option::of(".*"), backend, any::<bool>()).prop_map(
            |(name, label, template, backend, plain)| RequestBody::Create {
                name,
                label,
                template,
                backend,
                plain
            }
        ),
        qube().prop_map(|qube| RequestBody::Encrypt { qube }),
        qube().prop_map(|qube| RequestBody::TakeOver { qube }),
        (".*", option::of(label()), program())
            .prop_map(|(pattern, label, program)| RequestBody::RunDisposable { pattern, label, program }),
        (qube(), program()).prop_map(|(qube, program)| RequestBody::Open { qube, program }),
        qube().prop_map(|qube| RequestBody::Programs { qube }),
        qube().prop_map(|qube| RequestBody::Updates { qube }),
        (qube(), any::<u32>()).prop_map(|(qube, windows)| RequestBody::Windows { qube, windows }),
        prop::sample::select(vec![
            RequestBody::Keyring,
            RequestBody::Unlock,
            RequestBody::SetPassphrase,
            RequestBody::ChangePassphrase,
            RequestBody::LockStore,
        ]),
        (qube(), qube()).prop_map(|(qube, name)| RequestBody::Clone { qube, name }),
        (qube(), qube()).prop_map(|(qube, name)| RequestBody::Rename { qube, name }),
        qube().prop_map(|qube| RequestBody::File { qube }),
        qube().prop_map(|qube| RequestBody::Hold { qube }),
        qube().prop_map(|name| RequestBody::Reserve { name }),
        qube().prop_map(|name| RequestBody::Adopt { name }),
        qube().prop_map(|qube| RequestBody::Start { qube }),
        (qube(), any::<u64>()).prop_map(|(qube, timeout_ms)| RequestBody::Stop { qube, timeout_ms }),
        qube().prop_map(|qube| RequestBody::Kill { qube }),
        qube().prop_map(|qube| RequestBody::Pause { qube }),
        qube().prop_map(|qube| RequestBody::Resume { qube }),
        qube().prop_map(|qube| RequestBody::Remove { qube }),
        (qube(), vec(".*", 0..6)).prop_map(|(qube, argv)| RequestBody::Run { qube, argv }),
        qube().prop_map(|qube| RequestBody::Log { qube }),
        (qube(), changes()).prop_map(|(qube, changes)| RequestBody::Set { qube, changes }),
        vec(qube(), 0..6).prop_map(|qubes| RequestBody::Usage { qubes }),
        Just(RequestBody::Templates),
        (qube(), network()).prop_map(|(qube, to)| RequestBody::Network { qube, to }),
        (any::<u64>(), answer()).prop_map(|(call, answer)| RequestBody::AnswerCall { call, answer }),
    ]
}

fn network() -> impl Strategy<Value = NetworkTo> {
    prop_oneof![Just(NetworkTo::Same), Just(NetworkTo::Nothing), qube().prop_map(NetworkTo::Qube)]
}

fn program() -> impl Strategy<Value = Program> {
    prop_oneof![
        vec(".*", 0..6).prop_map(|argv| Program::Command { argv }),
        ".*".prop_map(|id| Program::Listed { id }),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![qube().prop_map(Target::Qube), Just(Target::Disposable), Just(Target::Dom0)]
}

fn answer() -> impl Strategy<Value = CallAnswer> {
    prop_oneof![
        Just(CallAnswer::Deny),
        Just(CallAnswer::Silence),
        target().prop_map(|target| CallAnswer::Allow { target }),
    ]
}

prop_compose! {
    fn ask()(
        (call, source, label) in (any::<u64>(), qube(), label()),
        service in "[a-z][a-z0-9.-]{0,62}",
        argument in "[a-z0-9]{0,64}",
        said in ".*",
        choices in vec((target(), label(), any::<bool>()), 0..5),
        chosen in option::of(any::<u32>()),
    ) -> CallAsk {
        let choice = |(target, label, running)| CallChoice { target, label, running };
        let choices = choices.into_iter().map(choice).collect();
        CallAsk { call, source, label, service, argument, said, choices, chosen }
    }
}

fn fate() -> impl Strategy<Value = CallFate> {
    prop_oneof![
        Just(CallFate::Allowed),
        Just(CallFate::Denied),
        ".*".prop_map(|reason| CallFate::Failed { reason }),
    ]
}

fn state() -> impl Strategy<Value = QubeState> {
    prop_oneof![
        Just(QubeState::Halted),
        Just(QubeState::Starting),
        Just(QubeState::Running),
        Just(QubeState::Paused),
        Just(QubeState::Stopping),
        ".*".prop_map(|reason| QubeState::Failed { reason }),
    ]
}

prop_compose! {
    fn info()(
        name in qube(),
        label in label(),
        state in state(),
        backend_reason in ".*",
        isolated: bool,
        storage in prop::sample::select(vec![
            Storage::Encrypted,
            Storage::Plain,
            Storage::Directory,
            Storage::Memory,
            Storage::Unknown,
        ]),
        pid in option::of(any::<u32>()),
        template in option::of(".*"),
        disposable in option::of(prop_oneof![Just(Disposable::Spare), Just(Disposable::InUse)]),
        problem in option::of(".*"),
        settings in settings(),
    ) -> QubeInfo {
        let backend = Backend::Qemu;
        QubeInfo {
            name,
            label,
            state,
            backend,
            backend_reason,
            isolated,
            storage,
            pid,
            template,
            disposable,
            settings,
            problem,
        }
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let amount = || option::of(any::<u64>());
    (amount(), amount(), option::of(qube()), any::<bool>()).prop_map(
        |(memory, volume, network, start_with_desktop)| Settings {
            memory,
            volume,
            network,
            start_with_desktop,
        },
    )
}

fn changes() -> impl Strategy<Value = Changes> {
    let amount = || option::of(any::<u64>());
    (option::of(label()), amount(), amount(), option::of(any::<bool>())).prop_map(
        |(label, memory, volume, start_with_desktop)| Changes { label, memory, volume, start_with_desktop },
    )
}

fn usage() -> impl Strategy<Value = QubeUsage> {
    let amount = || option::of(any::<u64>());
    (qube(), amount(), amount(), amount(), any::<bool>(), option::of(any::<u32>())).prop_map(
        |(qube, memory, disk, shared, more, updates)| QubeUsage { qube, memory, disk, shared, more, updates },
    )
}

fn error() -> impl Strategy<Value = ErrorBody> {
    let kind = prop::sample::select(vec![
        ErrorKind::BadRequest,
        ErrorKind::NoSuchQube,
        ErrorKind::Exists,
        ErrorKind::NotRunning,
        ErrorKind::NotHalted,
        ErrorKind::AlreadyAttached,
        ErrorKind::BadQubeFile,
        ErrorKind::Backend,
        ErrorKind::Agent,
        ErrorKind::Io,
        ErrorKind::Cancelled,
        ErrorKind::Locked,
        ErrorKind::WrongPassphrase,
        ErrorKind::Other,
    ]);
    (kind, ".*").prop_map(|(kind, message)| ErrorBody::new(kind, message))
}

fn reply() -> impl Strategy<Value = ReplyBody> {
    prop_oneof![
        Just(ReplyBody::Done),
        any::<(u32, u32)>().prop_map(|(version, pid)| ReplyBody::Pong { version, pid }),
        (vec(info(), 0..5), any::<bool>()).prop_map(|(qubes, more)| ReplyBody::Qubes { qubes, more }),
        info().prop_map(|qube| ReplyBody::Qube { qube }),
        (vec(".*", 0..5), ".*").prop_map(|(lines, path)| ReplyBody::Log { lines, path }),
        ".*".prop_map(|path| ReplyBody::File { path }),
        ".*".prop_map(|path| ReplyBody::Held { path }),
        (qube(), any::<bool>()).prop_map(|(qube, known)| ReplyBody::Programs { qube, known }),
        (qube(), option::of(any::<u64>())).prop_map(|(qube, told)| ReplyBody::Updates { qube, told }),
        any::<u32>().prop_map(|version| ReplyBody::Attached { version }),
        vec(usage(), 0..5).prop_map(|usage| ReplyBody::Usage { usage }),
        vec((".*", any::<u64>()), 0..5).prop_map(|all| ReplyBody::Templates {
            templates: all.into_iter().map(|(name, disk)| TemplateInfo { name, disk }).collect()
        }),
        prop::sample::select(vec![KeyringState::Missing, KeyringState::Locked, KeyringState::Unlocked])
            .prop_map(|state| ReplyBody::Keyring { state }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let memory = prop_oneof![
        Just(MemoryKind::ClientFds),
        any::<(u64, u64, u64)>().prop_map(|(bytes, hole_start, hole_end)| MemoryKind::GuestRam {
            bytes,
            hole_start,
            hole_end
        }),
    ];
    prop_oneof![
        info().prop_map(|qube| Event::QubeState { qube }),
        (info(), any::<u64>(), memory).prop_map(|(qube, link_id, memory)| Event::Link {
            qube,
            link_id,
            memory
        }),
        (qube(), any::<u64>()).prop_map(|(qube, link_id)| Event::LinkGone { qube, link_id }),
        qube().prop_map(|qube| Event::QubeRemoved { qube }),
        qube().prop_map(|qube| Event::Programs { qube }),
        qube().prop_map(|qube| Event::Locked { qube }),
        ask().prop_map(|ask| Event::Ask { ask }),
        any::<u64>().prop_map(|call| Event::AskGone { call }),
        (any::<u64>(), info(), "[a-z]{1,9}", "[a-z]{0,9}", ".{0,20}").prop_map(
            |(call, info, service, argument, said)| {
                let (source, label) = (info.name, info.label);
                Event::Serve { call, source, label, service, argument, said }
            }
        ),
        (qube(), "[a-z]{1,9}", option::of(target()), fate())
            .prop_map(|(source, service, target, fate)| { Event::Call { source, service, target, fate } }),
    ]
}

fn from_qubed() -> impl Strategy<Value = FromQubed> {
    prop_oneof![
        (any::<u64>(), prop::result::maybe_ok(reply(), error()))
            .prop_map(|(id, result)| FromQubed::Reply(Reply { id, result })),
        event().prop_map(FromQubed::Event),
    ]
}

/// What a match without a wildcard does not let anyone forget: a new variant needs a strategy.
#[allow(dead_code, reason = "it is there to be compiled")]
fn all_are_above(request: &RequestBody, reply: &ReplyBody, event: &Event) {
    match request {
        RequestBody::Ping | RequestBody::List { .. } | RequestBody::Info { .. } => {}
        RequestBody::Create { .. } | RequestBody::Start { .. } | RequestBody::Stop { .. } => {}
        RequestBody::Pause { .. } | RequestBody::Resume { .. } => {}
        RequestBody::Kill { .. } | RequestBody::Remove { .. } | RequestBody::Run { .. } => {}
        RequestBody::Clone { .. } | RequestBody::Rename { .. } | RequestBody::File { .. } => {}
        RequestBody::Hold { .. } | RequestBody::Reserve { .. } | RequestBody::Adopt { .. } => {}
        RequestBody::AnswerCall { .. } | RequestBody::RunDisposable { .. } | RequestBody::Windows { .. } => {}
        RequestBody::Network { .. } | RequestBody::TakeOver { .. } => {}
        RequestBody::Set { .. } | RequestBody::Usage { .. } | RequestBody::Templates => {}
        RequestBody::Open { .. } | RequestBody::Programs { .. } | RequestBody::Updates { .. } => {}
        RequestBody::Log { .. } | RequestBody::Attach | RequestBody::Events => {}
        RequestBody::Encrypt { .. } | RequestBody::Keyring | RequestBody::LockStore => {}
        RequestBody::Unlock | RequestBody::SetPassphrase | RequestBody::ChangePassphrase => {}
    }
    match reply {
        ReplyBody::Done | ReplyBody::Pong { .. } | ReplyBody::Qubes { .. } => {}
        ReplyBody::Qube { .. }
        | ReplyBody::Log { .. }
        | ReplyBody::File { .. }
        | ReplyBody::Held { .. }
        | ReplyBody::Keyring { .. }
        | ReplyBody::Usage { .. }
        | ReplyBody::Templates { .. }
        | ReplyBody::Programs { .. }
        | ReplyBody::Updates { .. }
        | ReplyBody::Attached { .. } => {}
    }
    match event {
        Event::QubeState { .. } | Event::Link { .. } => {}
        Event::LinkGone { .. }
        | Event::QubeRemoved { .. }
        | Event::Programs { .. }
        | Event::Locked { .. } => {}
        Event::Ask { .. } | Event::AskGone { .. } | Event::Call { .. } | Event::Serve { .. } => {}
    }
}

proptest! {
    #[test]
    fn requests_come_back(id: u64, body in request()) {
        let request = Request { id, body };
        let packet = serde_json::to_vec(&request).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Request>(&packet).unwrap(), request);
    }

    #[test]
    fn replies_and_events_come_back(message in from_qubed()) {
        let packet = serde_json::to_vec(&message).unwrap();
        prop_assert_eq!(serde_json::from_slice::<FromQubed>(&packet).unwrap(), message);
    }

    /// A packet that was cut is refused, and so is one with something after it.
    #[test]
    fn a_packet_is_one_whole_value(id: u64, body in request(), at: prop::sample::Index) {
        let mut packet = serde_json::to_vec(&Request { id, body }).unwrap();
        let cut = &packet[..at.index(packet.len())];
        prop_assert!(serde_json::from_slice::<Request>(cut).is_err());
        packet.extend_from_slice(b"{}");
        prop_assert!(serde_json::from_slice::<Request>(&packet).is_err());
    }
}
