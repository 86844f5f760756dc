//! `card` in the config file.

use std::{fmt, path::PathBuf, str::FromStr};

/// Which graphics card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardName {
    /// Its node, or a link to it: `/dev/dri/by-path/pci-0000:01:00.0-card`.
    Path(PathBuf),
    /// Its address on the PCI bus: `0000:01:00.0`, in small letters.
    Pci(String),
}

impl FromStr for CardName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        pci(text).map(Self::Pci).ok_or(
            "a graphics card is a path (\"/dev/dri/by-path/…\") or an address on the PCI bus (\"0000:01:00.0\")",
        )
    }
}

/// An address, with its domain: `domain:bus:device.function`, in hexadecimal digits (PCI Local Bus 3.0, 3.2).
fn pci(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    let (slot, function) = text.rsplit_once('.')?;
    let function = hex(function, 1) && function <= "7";
    match *slot.split(':').collect::<Vec<_>>() {
        [bus, device] if function && hex(bus, 2) && hex(device, 2) => Some(format!("0000:{text}")),
        [domain, bus, device] if function && hex(domain, 4) && hex(bus, 2) && hex(device, 2) => Some(text),
        _ => None,
    }
}

impl fmt::Display for CardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Pci(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_a_path_or_an_address() {
        let pci = |text: &str| Ok(CardName::Pci(text.to_owned()));
        assert_eq!("0000:01:00.0".parse(), pci("0000:01:00.0"));
        assert_eq!("0A:1f.7".parse(), pci("0000:0a:1f.7"));
        assert_eq!("/dev/dri/card1".parse(), Ok(CardName::Path("/dev/dri/card1".into())));
        for wrong in ["card1", "", "01:00", "01:00.8", "1:0.0", "zz:00.0", "0:01:00.0", "a:b:c:d.0", "é:00.0"]
        {
            assert!(wrong.parse::<CardName>().is_err(), "{wrong}");
        }
    }
}
