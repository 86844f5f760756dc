//! Which graphics cards there are, which of them to take, and taking one.
//!
//! udev and sysfs tell of cards without any of them being opened: what it has to be known by, whether the
//! machine started with it, its connectors and monitors. One card is used at a time.

use std::{
    ffi::OsStr,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::fcntl_dupfd_cloexec};
use smithay::{
    backend::{
        drm::{DrmDevice, DrmDeviceFd, DrmDeviceNotifier},
        session::{Session as _, libseat::LibSeatSession},
        udev::{all_gpus, primary_gpu},
    },
    reexports::{calloop::RegistrationToken, udev::Device},
    utils::DeviceFd,
};
use tracing::{info, warn};

use super::{Monitors, renderer};
use crate::{
    config::cards::CardName,
    render::canvas::{Canvas, RendererKind},
};

/// A card of the seat. Nothing is opened to know this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `/dev/dri/card0`.
    pub path: PathBuf,
    /// Number of that node.
    pub device: u64,
    /// Other names of it.
    links: Vec<PathBuf>,
    /// Its address on the PCI bus.
    pci: Option<String>,
    /// The machine started with it.
    boot: bool,
    /// Connectors that a monitor can be plugged into.
    connectors: usize,
    /// Of those, the names of the ones that have a monitor.
    pub monitors: Vec<String>,
}

impl Found {
    /// One of these names is this card's.
    pub(super) fn is_one_of(&self, names: &[CardName]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    fn is(&self, name: &CardName) -> bool {
        match name {
            CardName::Path(path) => *path == self.path || self.links.contains(path),
            CardName::Pci(address) => self.pci.as_ref() == Some(address),
        }
    }
}

/// The cards of a seat.
pub(super) fn all(seat: &str) -> io::Result<Vec<Found>> {
    let boot = primary_gpu(seat)?;
    let look = |path: PathBuf| {
        look(&path, boot.as_deref() == Some(&path))
            .inspect_err(|error| warn!(card = %path.display(), %error, "a card cannot be looked at"))
            .ok()
    };
    Ok(all_gpus(seat)?.into_iter().filter_map(look).collect())
}

fn look(path: &Path, boot: bool) -> io::Result<Found> {
    let device = rustix::fs::stat(path)?.st_rdev;
    let card = Device::from_devnum(smithay::reexports::udev::DeviceType::Character, device)?;
    let links = card.property_value("DEVLINKS").and_then(OsStr::to_str).unwrap_or_default();
    let pci = card.parent_with_subsystem("pci")?;
    let (connectors, monitors) = connectors(card.syspath(), card.sysname())?;
    Ok(Found {
        path: path.to_owned(),
        device,
        links: links.split_whitespace().map(PathBuf::from).collect(),
        pci: pci.and_then(|pci| pci.sysname().to_str().map(str::to_owned)),
        boot,
        connectors,
        monitors,
    })
}

/// How many connectors for monitors a card has, and which of them have one, by its folder in sysfs.
fn connectors(folder: &Path, card: &OsStr) -> io::Result<(usize, Vec<String>)> {
    let (mut connectors, mut monitors) = (0, Vec::new());
    for entry in fs::read_dir(folder)? {
        // `card0-HDMI-A-1`, a folder in the card's.
        let name = entry?.file_name();
        let connector = name.to_str().zip(card.to_str());
        let connector = connector.and_then(|(name, card)| name.strip_prefix(card)?.strip_prefix('-'));
        let Some(connector) = connector.filter(|connector| !connector.starts_with("Writeback")) else {
            continue;
        };
        connectors += 1;
        let status = fs::read_to_string(folder.join(&name).join("status")).unwrap_or_default();
        if status.trim() == "connected" {
            monitors.push(connector.to_owned());
        }
    }
    monitors.sort();
    Ok((connectors, monitors))
}

/// The order in which cards are tried: those that the config names, then those with a monitor, then the one
/// that the machine started with. One that failed again and again is the last resort.
pub(super) fn order(mut cards: Vec<Found>, liked: &[CardName], failing: Option<u64>) -> Vec<Found> {
    let place = |card: &Found| liked.iter().position(|name| card.is(name)).unwrap_or(liked.len());
    cards.sort_by_key(|card| {
        // `card10` after `card9`.
        let name = (card.path.as_os_str().len(), card.path.clone());
        (failing == Some(card.device), place(card), card.monitors.is_empty(), !card.boot, name)
    });
    cards
}

/// A card that was opened.
#[derive(Debug)]
pub(super) struct Card {
    pub path: PathBuf,
    pub device: DrmDevice,
    pub monitors: Monitors,
    /// What the seat lent. What uses the card has a descriptor of its own, since nobody knows when the last
    /// of it is dropped; the seat has to know when the card is given back, or it lends the dead one again.
    lent: OwnedFd,
    /// Its events.
    pub source: Option<RegistrationToken>,
}

impl Card {
    /// Opens a card, and makes what draws on it. Says why not.
    pub(super) fn open(
        session: &mut LibSeatSession,
        found: &Found,
        kind: RendererKind,
    ) -> Result<(Self, Canvas, DrmDeviceNotifier), String> {
        if found.connectors == 0 {
            return Err("it has no connector for a monitor".into());
        }
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let lent = session.open(&found.path, flags).map_err(|error| error.to_string())?;
        let opened = fcntl_dupfd_cloexec(&lent, 0).map_err(|error| error.to_string()).and_then(|fd| {
            let fd = DrmDeviceFd::new(DeviceFd::from(fd));
            let (device, notifier) = DrmDevice::new(fd.clone(), true).map_err(|error| error.to_string())?;
            let (canvas, monitors) = renderer(kind, &fd).map_err(|error| error.to_string())?;
            Ok((device, monitors, canvas, notifier))
        });
        match opened {
            Ok((device, monitors, canvas, notifier)) => {
                let (card, atomic) = (found.path.display(), device.is_atomic());
                info!(%card, atomic, renderer = canvas.renderer_name(), "the screen is ours");
                let path = found.path.clone();
                Ok((Self { path, device, monitors, lent, source: None }, canvas, notifier))
            }
            Err(error) => {
                give_back(session, lent);
                Err(error)
            }
        }
    }

    /// Lets go of the card, as it is: it may be gone.
    pub(super) fn close(self, session: &mut LibSeatSession) {
        let Self { mut device, monitors, lent, .. } = self;
        // Nothing is to be put back as it was before.
        device.pause();
        drop(monitors);
        drop(device);
        give_back(session, lent);
    }
}

fn give_back(session: &mut LibSeatSession, lent: OwnedFd) {
    if let Err(error) = session.close(lent) {
        info!(%error, "the seat has taken the card back already");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn card(number: u64, boot: bool, monitors: &[&str]) -> Found {
        Found {
            path: format!("/dev/dri/card{number}").into(),
            device: 226 << 8 | number,
            links: vec![format!("/dev/dri/by-path/pci-0000:0{number}:00.0-card").into()],
            pci: Some(format!("0000:0{number}:00.0")),
            boot,
            connectors: 2,
            monitors: monitors.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn numbers(cards: &[Found]) -> Vec<u64> {
        cards.iter().map(|card| card.device & 0xff).collect()
    }

    #[test]
    fn sysfs_tells_of_connectors_and_monitors() {
        let folder = tempfile::tempdir().unwrap();
        for (name, status) in [
            ("card1-HDMI-A-1", Some("connected\n")),
            ("card1-DP-2", Some("connected\n")),
            ("card1-DP-1", Some("disconnected\n")),
            ("card1-eDP-1", Some("unknown\n")),
            ("card1-VGA-1", None),
            // Nobody looks at this one.
            ("card1-Writeback-1", Some("connected\n")),
            ("card10-DP-1", Some("connected\n")),
            ("power", None),
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if let Some(status) = status {
                fs::write(folder.path().join(name).join("status"), status).unwrap();
            }
        }
        let (count, monitors) = connectors(folder.path(), OsStr::new("card1")).unwrap();
        assert_eq!((count, monitors), (5, vec!["DP-2".to_owned(), "HDMI-A-1".to_owned()]));
    }

    #[test]
    fn without_a_wish_it_is_the_one_that_the_machine_started_with() {
        let cards = vec![card(10, false, &["DP-1"]), card(9, false, &["DP-1"]), card(2, true, &["eDP-1"])];
        assert_eq!(numbers(&order(cards.clone(), &[], None)), [2, 9, 10]);
        // One without a monitor helps nobody.
        let mut cards = cards;
        cards[2].monitors.clear();
        assert_eq!(numbers(&order(cards, &[], None)), [9, 10, 2]);
    }

    #[test]
    fn the_config_goes_before_all_that() {
        let cards = vec![card(0, true, &["eDP-1"]), card(1, false, &[]), card(2, false, &["DP-1"])];
        let liked =
            |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<CardName>>();
        let order = |names: &[&str], failing| numbers(&order(cards.clone(), &liked(names), failing));
        assert_eq!(order(&["01:00.0"], None), [1, 0, 2]);
        assert_eq!(order(&["/dev/dri/by-path/pci-0000:02:00.0-card", "/dev/dri/card1"], None), [2, 1, 0]);
        assert_eq!(order(&["0f:00.0"], None), [0, 2, 1], "there is no such card");
        assert_eq!(order(&["01:00.0"], Some(226 << 8 | 1)), [0, 2, 1], "it fails again and again");
    }

    proptest! {
        #[test]
        fn every_card_is_tried_once(
            cards in prop::collection::btree_map(0u64..30, (any::<bool>(), 0usize..2), 0..6),
            liked in prop::collection::vec(0u64..30, 0..3),
            failing in prop::option::of(0u64..30),
        ) {
            let cards: Vec<_> =
                cards.into_iter().map(|(n, (boot, monitors))| card(n, boot, &["DP-1"][..monitors])).collect();
            let liked: Vec<_> =
                liked.iter().map(|n| CardName::Path(format!("/dev/dri/card{n}").into())).collect();
            let failing = failing.map(|n| 226 << 8 | n);
            let ordered = order(cards.clone(), &liked, failing);
            prop_assert_eq!(ordered.len(), cards.len());
            prop_assert!(cards.iter().all(|card| ordered.contains(card)));
            if let Some(at) = ordered.iter().position(|card| failing == Some(card.device)) {
                prop_assert_eq!(at, ordered.len() - 1);
            }
        }
    }
}
