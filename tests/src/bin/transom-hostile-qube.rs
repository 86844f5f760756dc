//! A program of a sandbox qube that takes the agent's place and shows what it likes where it likes, in
//! one colour: [`POISON`]. Most of it is legal, so that dom0 has to draw it; sometimes it is not, and it
//! comes back. Given a number, which names what it does, it goes on until it is ended.
#![allow(clippy::print_stderr, reason = "its console is the qube's log")]

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use transom_protocol::{
    message::{Commit, PopupCreate, SubsurfacePlace, ToDom0, WindowRequest},
    types::{Anchor, BufferChange, Positioner, Rect, Request, Transform, WindowKind},
};
use transom_tests::fixture::{hostile::Hostile, look::POISON, memory};

/// Pixels of its memory.
const POOL: usize = 1024 * 1024;
/// Between two things it does: often enough that no picture shows it at rest.
const REST: Duration = Duration::from_millis(3);
/// What it asks of dom0.
const WISHES: [Request; 5] =
    [Request::Activate, Request::Maximise, Request::Unmaximise, Request::Fullscreen, Request::Unfullscreen];
/// How long a link lasts before something illegal ends it.
const LINK: Duration = Duration::from_secs(6);

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32 % most
    }

    fn from(&mut self, least: i32, most: i32) -> i32 {
        least + self.below((most - least) as u32) as i32
    }
}

/// A link, and its windows with their parents: 1 and 2 toplevels, 3 and 4 popups, 5 and 6 subsurfaces.
struct Link {
    dom0: Hostile,
    windows: BTreeMap<u32, u32>,
    /// Those that dom0 lets have a picture.
    ready: BTreeSet<u32>,
}

impl Link {
    fn open() -> Result<Self, Box<dyn Error>> {
        let stream = UnixStream::connect("/run/transom/display.sock")?;
        stream.set_read_timeout(Some(REST))?;
        let mut dom0 = Hostile::new(stream);
        dom0.hello();
        let [red, green, blue] = POISON.0.map(u32::from);
        let pool = memory(POOL, 0xff00_0000 | red << 16 | green << 8 | blue);
        dom0.grant(1, &pool, POOL as u64 * 4);
        let mut link = Self { dom0, windows: BTreeMap::new(), ready: BTreeSet::new() };
        link.create(1, WindowKind::Toplevel, 0);
        Ok(link)
    }

    /// A window begins without a picture.
    fn create(&mut self, window: u32, kind: WindowKind, parent: u32) {
        self.dom0.create(window, kind, parent);
        if kind == WindowKind::Toplevel {
            self.dom0.say(window, 0, &ToDom0::Title(b"Ignore this frame"));
        }
        self.begin(window, parent);
    }

    fn begin(&mut self, window: u32, parent: u32) {
        self.windows.insert(window, parent);
        self.ready.remove(&window);
        if window > 4 {
            self.ready.insert(window);
        }
        self.hide(window);
    }

    fn hide(&mut self, window: u32) {
        let commit = Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) };
        self.dom0.commit(window, commit);
    }

    fn popup(&mut self, window: u32, parent: u32, dice: &mut Dice) {
        let positioner = Positioner {
            width: (1 + dice.below(400)).into(),
            height: (1 + dice.below(400)).into(),
            anchor_rect: Rect::new(dice.from(-600, 900), dice.from(-600, 900), 1, 1),
            anchor: Anchor::TopLeft,
            gravity: Anchor::BottomRight,
            adjustment: dice.below(64) as u8,
            reactive: false.into(),
            offset_x: dice.from(-300, 300).into(),
            offset_y: dice.from(-300, 300).into(),
        };
        let popup = PopupCreate { parent: parent.into(), positioner, grab: false.into() };
        self.dom0.say(window, 0, &ToDom0::PopupCreate(&popup));
        self.begin(window, parent);
    }

    fn subsurface(&mut self, window: u32, parent: u32, dice: &mut Dice) {
        self.create(window, WindowKind::Subsurface, parent);
        let place = SubsurfacePlace {
            x: dice.from(-900, 900).into(),
            y: dice.from(-900, 900).into(),
            sibling: 0.into(),
            above: true.into(),
        };
        self.dom0.say(window, 0, &ToDom0::SubsurfacePlace(&place));
    }

    /// A picture of a size that nobody asked for, of which it calls any part its content.
    fn show(&mut self, window: u32, dice: &mut Dice) {
        let (width, height) = (1 + dice.below(1024), 1 + dice.below(900));
        // As large as it is, or as large as it says.
        let dest = if dice.below(2) == 0 { [0; 2] } else { [(); 2].map(|()| 1 + dice.below(1600)) };
        let commit = Commit {
            scale: 1 + dice.below(3) as u8,
            transform: Transform::ALL[dice.below(8) as usize],
            content: Rect::new(
                dice.from(-500, 500),
                dice.from(-500, 500),
                dice.from(0, 1500),
                dice.from(0, 1500),
            ),
            dest_width: dest[0].into(),
            dest_height: dest[1].into(),
            ..Hostile::picture(1, width, height)
        };
        self.dom0.commit(window, commit);
    }

    fn act(&mut self, dice: &mut Dice) {
        let window = 1 + dice.below(6);
        let known = self.windows.contains_key(&window);
        let parent = 1 + dice.below(4);
        match dice.below(10) {
            0..2 if !known && window < 3 => self.create(window, WindowKind::Toplevel, 0),
            0..2 if !known && window != parent && self.windows.contains_key(&parent) => {
                if window < 5 {
                    self.popup(window, parent, dice);
                } else {
                    self.subsurface(window, parent, dice);
                }
            }
            2 if known && dice.below(4) == 0 => self.hide(window),
            3 if known && window != 1 && !self.windows.values().any(|parent| *parent == window) => {
                self.windows.remove(&window);
                self.dom0.say(window, 0, &ToDom0::WindowDestroy(()));
            }
            4 if known && window < 3 => {
                let request = WISHES[dice.below(WISHES.len() as u32) as usize];
                self.dom0.say(window, 0, &ToDom0::WindowRequest(&WindowRequest { request }));
            }
            _ if known && self.ready.contains(&window) => self.show(window, dice),
            _ => {}
        }
        self.ready.extend(self.dom0.acknowledge());
    }
}

/// Nobody else speaks for this qube from now on.
fn stop_the_agent() -> std::io::Result<()> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(pid) = number.and_then(Pid::from_raw)
            && name.trim() == "transom-agent"
        {
            kill_process(pid, Signal::STOP)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let number = std::env::args().nth(1).ok_or("which number?")?.parse()?;
    let mut dice = Dice(number);
    stop_the_agent()?;
    loop {
        let mut link = Link::open()?;
        let begin = Instant::now();
        while !link.dom0.closed && begin.elapsed() < LINK {
            link.act(&mut dice);
        }
        if !link.dom0.closed {
            // A message of no type.
            link.dom0.bytes(&[0xff; 64]);
            while !link.dom0.closed {
                link.dom0.hear();
            }
        }
        eprintln!("hostile: the link ended: {:?}", link.dom0.goodbye);
    }
}
