//! What it does.

use std::{
    io,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use transom_protocol::{
    limits::MAX_RUNS,
    message::{Commit, ToDom0, WindowCreate},
    types::{BufferChange, WindowKind},
    vsock::{CALL_PORT, DISPLAY_PORT, NETWORK_PORT, SERVICE_PORT},
};
use transom_tests::fixture::hostile::Hostile;
use vsock::VsockStream;

use crate::{
    connect,
    pages::{PAGE, Pages},
};

/// How long dom0 may take to do what it must do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one look for an answer takes.
const LOOK: Duration = Duration::from_millis(20);
/// How long a write may wait.
const STUCK: Duration = Duration::from_secs(2);
/// The colour of its window: the one that the test looks for.
const PAINT: u32 = 0xff13_579b;
/// Side of its window, in pixels; and its pages.
const SIDE: u32 = 256;
const PICTURE: usize = SIDE as usize * SIDE as usize * 4 / PAGE;

type Found = Result<String, String>;

fn text(error: io::Error) -> String {
    error.to_string()
}

/// What lasts from one attack to the next.
#[derive(Default)]
pub(crate) struct Evil {
    /// A link that dom0 has no reason to end.
    link: Option<Hostile>,
    /// What its window shows.
    pages: Option<Pages>,
}

impl Evil {
    /// Does one thing.
    pub(crate) fn attack(&mut self, words: &[&str]) -> Found {
        // One link at a time, so that each end has one cause.
        *self = Self::default();
        match words {
            ["grant", bytes, runs @ ..] => grant(bytes, runs),
            ["runs-in-one"] => runs_in_one(),
            ["runs-in-all"] => runs_in_all(),
            ["grants"] => grants(),
            ["bytes", frames] => bytes(frames),
            ["revoke-twice"] => revoke_twice(),
            ["noise"] => noise(),
            ["overlap"] => self.overlap(),
            ["kernel"] => self.kernel(),
            ["freed"] => self.freed(),
            ["flood"] => self.flood(),
            ["half"] => self.half(),
            ["silent"] => self.silent(),
            ["deaf"] => self.deaf(),
            ["nothing"] => Ok("the link is closed".to_owned()),
            ["knock"] => Ok(knock()?),
            ["connections"] => Ok(connections()),
            _ => Err("unknown".to_owned()),
        }
    }

    /// A window that shows these frames, as their owner would not want.
    fn show(&mut self, runs: &[(u64, u32)]) -> Result<(), String> {
        let mut link = open()?;
        window(&mut link)?;
        link.grant_pages(1, runs, (PICTURE * PAGE) as u64);
        link.commit(1, Hostile::picture(1, SIDE, SIDE));
        link.hear();
        self.link = Some(link);
        Ok(())
    }

    /// One page, 64 times; each run overlaps all others.
    fn overlap(&mut self) -> Found {
        let page = Pages::new(1, PAINT);
        let runs = page.runs().map_err(text)?.repeat(PICTURE);
        self.show(&runs)?;
        self.pages = Some(page);
        Ok(format!("{} runs of one page", runs.len()))
    }

    /// Frames of its own kernel: its first megabytes.
    fn kernel(&mut self) -> Found {
        self.show(&[((16 << 20) / PAGE as u64, PICTURE as u32)])?;
        Ok("its kernel is in its window".to_owned())
    }

    /// Frames that it lets go while dom0 shows them, until the guest's kernel gives them away again.
    fn freed(&mut self) -> Found {
        let pages = Pages::new(PICTURE, PAINT);
        let frames = pages.frames().map_err(text)?;
        self.show(&pages.runs().map_err(text)?)?;
        drop(pages);
        let mut taken = Vec::new();
        for _ in 0..64 {
            let others = Pages::new(1024, 0xff00_ff00);
            let again = others.frames().map_err(text)?.iter().filter(|frame| frames.contains(frame)).count();
            taken.push(others);
            if again > 0 {
                let link = self.link.as_mut().ok_or("no link")?;
                link.commit(1, Hostile::picture(1, SIDE, SIDE));
                return Ok(format!("{again} of {PICTURE} frames have another owner"));
            }
        }
        Err("nobody took the frames".to_owned())
    }

    /// Legal messages, as many as the stream takes.
    fn flood(&mut self) -> Found {
        let mut link = open()?;
        window(&mut link)?;
        let mut batch = Vec::new();
        for number in 0..500 {
            ToDom0::Title(format!("flood {number}").as_bytes()).encode(1, 0, &mut batch);
            ToDom0::Bell(()).encode(1, 0, &mut batch);
        }
        let (begin, mut messages) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs(3) && !link.closed {
            link.bytes(&batch);
            messages += 1000;
            link.hear();
        }
        if link.closed {
            return Err(format!("cut off after {messages} messages: {:?}", link.goodbye));
        }
        self.link = Some(link);
        Ok(format!("{messages} messages in {:.1} s", begin.elapsed().as_secs_f32()))
    }

    /// Half a message, and then nothing more.
    fn half(&mut self) -> Found {
        let mut link = open()?;
        let mut bytes = Vec::new();
        ToDom0::Title(&[b'x'; 1000]).encode(1, 0, &mut bytes);
        link.bytes(&bytes[..500]);
        link.hear();
        self.link = Some(link);
        Ok("half a title is under way".to_owned())
    }

    /// A window that answers nothing.
    fn silent(&mut self) -> Found {
        let mut link = open()?;
        link.create(1, WindowKind::Toplevel, 0);
        link.commit(1, Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) });
        self.link = Some(link);
        Ok("it answers no configure".to_owned())
    }

    /// Lets dom0 speak, and does not listen, until nobody takes what it says either.
    fn deaf(&mut self) -> Found {
        let mut link = open()?;
        let mut batch = Vec::new();
        for _ in 0..2_000 {
            let create = WindowCreate { kind: WindowKind::Toplevel, parent: 0.into() };
            ToDom0::WindowCreate(&create).encode(1, 0, &mut batch);
            ToDom0::WindowDestroy(()).encode(1, 0, &mut batch);
        }
        let (begin, mut windows) = (Instant::now(), 0);
        loop {
            let write = Instant::now();
            link.bytes(&batch);
            windows += 2_000;
            if link.closed || write.elapsed() >= STUCK {
                break;
            }
            if begin.elapsed() > PATIENCE {
                return Err("nothing stops it".into());
            }
        }
        self.link = Some(link);
        Ok(format!("{windows} windows came and went"))
    }
}

/// A link that dom0 welcomes.
fn open() -> Result<Hostile, String> {
    let stream = connect(DISPLAY_PORT).map_err(text)?;
    stream.set_read_timeout(Some(LOOK)).map_err(text)?;
    stream.set_write_timeout(Some(STUCK)).map_err(text)?;
    let mut link = Hostile::new(stream);
    link.hello();
    Ok(link)
}

/// Makes window 1 of a link, ready for pictures.
fn window(link: &mut Hostile) -> Result<(), String> {
    link.create(1, WindowKind::Toplevel, 0);
    link.say(1, 0, &ToDom0::Title(b"evil"));
    link.commit(1, Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) });
    let begin = Instant::now();
    while link.configures.is_empty() {
        link.hear();
        if link.closed || begin.elapsed() > PATIENCE {
            return Err(format!("no configure came: {:?}", link.goodbye));
        }
    }
    link.acknowledge();
    Ok(())
}

/// Waits until dom0 has ended the link, as it must.
fn cut_off(mut link: Hostile) -> Found {
    let begin = Instant::now();
    while !link.closed {
        link.hear();
        if begin.elapsed() > PATIENCE {
            return Err("the link is still there".to_owned());
        }
    }
    Ok(format!("told {:?}", link.goodbye.unwrap_or_default()))
}

/// Runs as they are written: `FIRST:COUNT`.
fn grant(bytes: &str, runs: &[&str]) -> Found {
    let run = |run: &&str| {
        let (first, count) = run.split_once(':')?;
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    let runs: Vec<(u64, u32)> = runs.iter().map(run).collect::<Option<_>>().ok_or("no runs")?;
    let mut link = open()?;
    link.grant_pages(1, &runs, bytes.parse().map_err(|_| "no bytes")?);
    cut_off(link)
}

/// Runs of its own memory that are no neighbours, so that each is a mapping.
fn scattered(runs: usize) -> Vec<(u64, u32)> {
    (0..runs as u64).map(|number| (4096 + 2 * number, 1)).collect()
}

/// More runs than a message can have.
fn runs_in_one() -> Found {
    let mut link = open()?;
    let runs = scattered(MAX_RUNS + 1);
    link.grant_pages(1, &runs, (runs.len() * PAGE) as u64);
    cut_off(link)
}

/// More runs than all grants together may have; the first grant is mapped.
fn runs_in_all() -> Found {
    let mut link = open()?;
    let runs = scattered(MAX_RUNS);
    for grant in 1..=2 {
        link.grant_pages(grant, &runs, (runs.len() * PAGE) as u64);
    }
    cut_off(link)
}

/// Grants without end.
fn grants() -> Found {
    let mut link = open()?;
    let mut grant = 0;
    while !link.closed && grant < 5_000 {
        grant += 1;
        link.grant_pages(grant, &[(4096, 1)], PAGE as u64);
    }
    cut_off(link)
}

/// All of the memory below the hole, again and again.
fn bytes(frames: &str) -> Found {
    let frames: u32 = frames.parse().map_err(|_| "no number")?;
    let mut link = open()?;
    for grant in 1..200 {
        link.grant_pages(grant, &[(0, frames)], u64::from(frames) * PAGE as u64);
    }
    cut_off(link)
}

fn revoke_twice() -> Found {
    let page = Pages::new(1, PAINT);
    let mut link = open()?;
    link.grant_pages(1, &page.runs().map_err(text)?, PAGE as u64);
    link.revoke(1);
    link.revoke(1);
    cut_off(link)
}

fn noise() -> Found {
    let mut link = open()?;
    link.bytes(&[0xa5; 4096]);
    cut_off(link)
}

/// Ports of dom0 that are for every qube.
const OWN: [u32; 4] = [DISPLAY_PORT, SERVICE_PORT, CALL_PORT, NETWORK_PORT];

/// Tries what is not its own: other ports of dom0, and other machines.
fn knock() -> Found {
    let ports = (0..64).chain(4_992..5_056).chain([u32::MAX - 1]).filter(|port| !OWN.contains(port));
    let of_dom0 = ports.map(|port| (vsock::VMADDR_CID_HOST, port));
    let of_others = [0, 1, 4, 5].map(|cid| (cid, DISPLAY_PORT));
    // All at once: a door behind which nobody is may take its time.
    let knock = |(cid, port)| {
        let opened = thread::spawn(move || VsockStream::connect_with_cid_port(cid, port).is_ok());
        (cid, port, opened)
    };
    let doors: Vec<_> = of_dom0.chain(of_others).map(knock).collect();
    let knocks = doors.len();
    for (cid, port, opened) in doors {
        if opened.join().unwrap_or(true) {
            return Err(format!("machine {cid} took a connection to its port {port}"));
        }
    }
    Ok(format!("{knocks} doors, all shut"))
}

/// Connections to its own ports, by many at once, for as long as the machine runs.
fn connections() -> String {
    for number in 0..16 {
        thread::spawn(move || {
            // The answer to the order goes out first: a new service stream ends the old one.
            thread::sleep(Duration::from_millis(300));
            let port = OWN[number % OWN.len()];
            let mut held: Vec<UnixStream> = Vec::new();
            let (mut made, mut refused) = (0_u32, 0_u32);
            loop {
                match connect(port) {
                    Ok(stream) => held.push(stream),
                    Err(_) => refused += 1,
                }
                made += 1;
                if made.is_multiple_of(500) {
                    println!("hostile: port {port}: {made} tries, {refused} refused, {} held", held.len());
                }
                if held.len() >= 500 {
                    held.clear();
                }
            }
        });
    }
    "it goes on".to_owned()
}
