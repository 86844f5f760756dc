//! Mice and keyboards of a qube that owns a USB controller, handed to dom0 as calls of its services.
//!
//! One thread reads each device, and takes it for itself, so that nothing else in the qube hears what is
//! typed. For each kind that the device is, another one calls dom0 and hands on that part of what it says.
//! A call that dom0 refuses is not made again until the device is plugged in anew; one that broke, since the
//! desktop was started anew, is.

use std::{
    collections::BTreeSet,
    io,
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use evdev::{BusType, EventType, KeyCode, RelativeAxisCode, SynchronizationCode, raw_stream::RawDevice};
use rustix::fs::inotify;
use tracing::{info, warn};
use transom_protocol::{
    call::Target,
    input::{Kind, Record},
};

use crate::services::{
    ServiceError,
    call::{Heard, Stream, Writer},
};

/// Where the kernel's devices are.
const FOLDER: &str = "/dev/input";
/// Reports that wait for the stream; then the kernel keeps them.
const WAITING: usize = 256;
/// How long after a call that broke the next one is made.
const AGAIN: Duration = Duration::from_secs(1);

/// The kinds that a device is.
fn kinds(device: &RawDevice) -> Vec<Kind> {
    let keys = device.supported_keys();
    let has = |kind: Kind| keys.is_some_and(|keys| keys.iter().any(|key| kind.has_key(key.code())));
    let moves = device
        .supported_relative_axes()
        .is_some_and(|axes| axes.contains(RelativeAxisCode::REL_X) && axes.contains(RelativeAxisCode::REL_Y));
    let is = |kind: &Kind| match kind {
        Kind::Mouse => moves && has(Kind::Mouse),
        Kind::Keyboard => has(Kind::Keyboard),
    };
    Kind::ALL.into_iter().filter(is).collect()
}

/// Devices of the machine itself, such as its power button, stay where they are.
fn is_plugged(device: &RawDevice) -> bool {
    matches!(device.input_id().bus_type(), BusType::BUS_USB | BusType::BUS_BLUETOOTH)
}

/// The part of a device that is of one kind: where its reports go while dom0 takes them.
#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    to: Arc<Mutex<Option<SyncSender<Vec<u8>>>>>,
}

impl Part {
    fn set(&self, to: Option<SyncSender<Vec<u8>>>) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Waits while the stream does not take more; the kernel counts what is lost meanwhile.
    fn send(&self, report: Vec<u8>) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(to) = to
            && to.send(report).is_err()
        {
            self.set(None);
        }
    }

    /// Calls dom0 for this part until it says no, or the device is gone.
    fn serve(&self, name: &str, id: &str, gone: &AtomicBool) {
        let (kind, service) = (self.kind, self.kind.service());
        while !gone.load(Ordering::Acquire) {
            match Stream::call(service, Some(&Target::Dom0), id, name) {
                Ok(stream) => {
                    info!(name, %kind, "dom0 takes a device");
                    if let Err(error) = self.hand_on(stream) {
                        info!(name, %kind, %error, "dom0 takes a device no more");
                    }
                }
                Err(ServiceError::Refused) => {
                    info!(name, %kind, "dom0 does not take a device");
                    return;
                }
                Err(error) => warn!(name, %kind, %error, "dom0 cannot be asked about a device"),
            }
            thread::sleep(AGAIN);
        }
    }

    fn hand_on(&self, mut stream: Stream) -> Result<(), ServiceError> {
        let mut writer = stream.writer().map_err(ServiceError::Stream)?;
        let (to, reports) = sync_channel(WAITING);
        self.set(Some(to));
        let part = self.clone();
        thread::spawn(move || {
            // dom0 has nothing to say but that it is over.
            while matches!(stream.hear(), Ok(Heard::Data(_))) {}
            part.set(None);
        });
        let result = write_all(&reports, &mut writer);
        self.set(None);
        let _ = writer.end();
        result
    }
}

fn write_all(reports: &Receiver<Vec<u8>>, writer: &mut Writer) -> Result<(), ServiceError> {
    use io::Write as _;
    for report in reports {
        writer.write_all(&report).map_err(|_| ServiceError::Lost)?;
    }
    Ok(())
}

/// Reads a device until it is gone.
fn read(device: &mut RawDevice, parts: &[Part]) -> io::Result<()> {
    // Keys that dom0 may know to be down.
    let mut down: Vec<u16> = Vec::new();
    loop {
        let mut records: Vec<Record> = Vec::new();
        let mut lost = false;
        for event in device.fetch_events()? {
            let (kind, code, value) = (event.event_type().0, event.code(), event.value());
            if event.event_type() == EventType::KEY {
                down.retain(|key| *key != code);
                if value != 0 {
                    down.push(code);
                }
            }
            lost |= event.event_type() == EventType::SYNCHRONIZATION
                && code == SynchronizationCode::SYN_DROPPED.0;
            records.push(Record::new(kind, code, value));
        }
        if lost {
            // Some events were lost: what is up now may have been released among them.
            let held = device.get_key_state()?;
            let (still, released): (Vec<u16>, Vec<u16>) =
                down.iter().partition(|code| held.contains(KeyCode(**code)));
            down = still;
            records.extend(released.into_iter().map(|code| Record::new(EventType::KEY.0, code, 0)));
            records.push(Record::new(EventType::SYNCHRONIZATION.0, SynchronizationCode::SYN_REPORT.0, 0));
        }
        for part in parts {
            let is_its = |record: &&Record| part.kind.may_say(**record);
            let its: Vec<Record> = records.iter().filter(is_its).copied().collect();
            // The end of a report of another kind says nothing.
            if its.iter().any(|record| record.kind.get() != EventType::SYNCHRONIZATION.0) {
                part.send(its.into_iter().flat_map(Record::to_bytes).collect());
            }
        }
    }
}

/// Takes a device, if it is one for dom0.
fn take(path: &Path) -> io::Result<()> {
    let mut device = RawDevice::open(path)?;
    let kinds = kinds(&device);
    if !is_plugged(&device) || kinds.is_empty() {
        return Ok(());
    }
    device.grab()?;
    let name = device.name().unwrap_or_default().to_owned();
    let id = device.input_id();
    let id = format!("{:04x}-{:04x}", id.vendor(), id.product());
    info!(name, id, ?kinds, path = %path.display(), "a device");
    let gone = Arc::new(AtomicBool::new(false));
    let parts: Vec<Part> = kinds.into_iter().map(|kind| Part { kind, to: Arc::default() }).collect();
    for part in parts.clone() {
        let (name, id, gone) = (name.clone(), id.clone(), gone.clone());
        thread::spawn(move || part.serve(&name, &id, &gone));
    }
    thread::spawn(move || {
        let end = read(&mut device, &parts);
        info!(name, id, ?end, "a device is gone");
        gone.store(true, Ordering::Release);
        for part in parts {
            part.set(None);
        }
    });
    Ok(())
}

/// Hands devices to dom0, those that are there and those that come.
///
/// # Errors
/// The folder of devices cannot be watched.
pub fn run() -> io::Result<()> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let folder = Path::new(FOLDER);
    // Attributes: the node may be made before it can be opened.
    let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::DELETE;
    inotify::add_watch(&watch, folder, flags)?;
    let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
    for entry in folder.read_dir()? {
        look_at(&mut taken, entry?.path());
    }
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
    let mut reader = inotify::Reader::new(watch.as_fd(), &mut buffer);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let Some(name) = event.file_name() else { continue };
        let path = folder.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        if event.events().contains(inotify::ReadFlags::DELETE) {
            taken.remove(&path);
        } else {
            look_at(&mut taken, path);
        }
    }
}

fn look_at(taken: &mut BTreeSet<PathBuf>, path: PathBuf) {
    let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    if !name.starts_with(b"event") || taken.contains(&path) {
        return;
    }
    match take(&path) {
        Ok(()) => {
            taken.insert(path);
        }
        Err(error) => warn!(path = %path.display(), %error, "a device cannot be opened"),
    }
}
