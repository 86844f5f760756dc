//! A desktop without a screen, one qube with one window of plain colour, and a picture of it. The
//! qube speaks the window protocol itself: this is also the shortest agent there is.
//!
//! `cargo run -p transom-examples --bin example-headless-screenshot -- out.png`

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use smithay::reexports::calloop::EventLoop;
use transom::{Desktop, Options, backend::Pace, qubes::QubeIdentity};
use transom_protocol::{
    MAGIC, VERSION, VERSION_MIN,
    message::{Commit, Hello, ToDom0, ToQube, WindowCreate, next_to_qube},
    types::{BufferChange, Fixed, FixedRect, Format, Rect, Transform, WindowKind},
    wire::With,
};
use transom_theming::Label;

/// The one window of the qube.
const WINDOW: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).unwrap_or_else(|| "out.png".into());
    let mut event_loop = EventLoop::<Desktop>::try_new()?;
    let options = Options { pace: Pace::Manual, size: (640, 400), ..Options::default() };
    let mut desktop = Desktop::new(event_loop.handle(), options)?;
    let (dom0, mut qube) = UnixStream::pair()?;
    qube.set_nonblocking(true)?;
    desktop.add_link(QubeIdentity { name: "example".into(), label: Label::Purple, isolated: true }, dom0)?;

    // The qube: hello, a window, its title, and a first commit without a picture.
    let hello = Hello {
        magic: MAGIC,
        version_min: VERSION_MIN.into(),
        version_max: VERSION.into(),
        features: 0.into(),
    };
    say(&mut qube, 0, 0, &ToDom0::Hello(&hello))?;
    turn(&mut event_loop, &mut desktop)?;
    let create = WindowCreate { kind: WindowKind::Toplevel, parent: 0.into() };
    say(&mut qube, WINDOW, 0, &ToDom0::WindowCreate(&create))?;
    say(&mut qube, WINDOW, 0, &ToDom0::Title(b"a window in a few lines"))?;
    commit(&mut qube, 1, BufferChange::Detach)?;
    turn(&mut event_loop, &mut desktop)?;

    // dom0 says which size it should have; the qube agrees and shows one colour.
    for serial in configures(&mut qube)? {
        say(&mut qube, WINDOW, serial, &ToDom0::AckConfigure(()))?;
    }
    commit(&mut qube, 2, BufferChange::Solid)?;
    turn(&mut event_loop, &mut desktop)?;

    desktop.frame();
    desktop.screenshot()?.save(&out)?;
    Ok(())
}

fn turn(event_loop: &mut EventLoop<'static, Desktop>, desktop: &mut Desktop) -> Result<(), Box<dyn Error>> {
    for _ in 0..4 {
        event_loop.dispatch(Some(Duration::ZERO), desktop)?;
        desktop.settle();
    }
    Ok(())
}

fn say(qube: &mut UnixStream, window: u32, serial: u32, message: &ToDom0<'_>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    message.encode(window, serial, &mut bytes);
    qube.write_all(&bytes)
}

fn commit(qube: &mut UnixStream, serial: u32, buffer: BufferChange) -> std::io::Result<()> {
    let zero = Fixed::from(0.0);
    let fixed = Commit {
        buffer,
        format: Format::Argb8888,
        transform: Transform::Normal,
        scale: 1,
        flags: 0,
        damage: 0,
        opaque: 0,
        input: 0,
        grant: 0.into(),
        offset: 0.into(),
        width: 0.into(),
        height: 0.into(),
        stride: 0.into(),
        color: 0xff3a_2a55.into(),
        source: FixedRect { x: zero, y: zero, width: zero, height: zero },
        dest_width: 400.into(),
        dest_height: 200.into(),
        content: Rect::new(0, 0, 0, 0),
        delta_x: 0.into(),
        delta_y: 0.into(),
    };
    say(qube, WINDOW, serial, &ToDom0::Commit(With { fixed: &fixed, tail: &[] }))
}

/// Serials of the configures that have come.
fn configures(qube: &mut UnixStream) -> Result<Vec<u32>, Box<dyn Error>> {
    let mut bytes = vec![0; 65_536];
    let length = qube.read(&mut bytes)?;
    let mut rest = &bytes[..length];
    let mut serials = Vec::new();
    while let Some(raw) = next_to_qube(rest)? {
        if matches!(ToQube::parse(&raw)?, ToQube::Configure(_)) {
            serials.push(raw.header.serial.get());
        }
        rest = &rest[raw.wire_len()..];
    }
    Ok(serials)
}
