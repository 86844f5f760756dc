//! Names of devices of the computer.

use std::{fmt, str::FromStr};

/// Where a device is on the PCI bus: `0000:00:1f.6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciAddress(String);

impl PciAddress {
    /// As the kernel writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PciAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = |pattern: &str| {
            text.len() == pattern.len()
                && text.bytes().zip(pattern.bytes()).all(|(found, wanted)| match wanted {
                    b'x' => found.is_ascii_digit() || (b'a'..=b'f').contains(&found),
                    b'7' => (b'0'..=b'7').contains(&found),
                    other => found == other,
                })
        };
        if form("xxxx:xx:xx.7") {
            Ok(Self(text.to_owned()))
        } else {
            Err("a PCI device is written like \"0000:00:1f.6\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_the_kernel_names_it() {
        for good in ["0000:00:14.0", "10ab:ff:1f.7"] {
            assert_eq!(good.parse::<PciAddress>().unwrap().as_str(), good);
        }
        for bad in
            ["", "00:14.0", "0000:00:14.8", "0000:00:14.0,x", "0000:00:1G.0", "0000/00:14.0", "0000:00:14.00"]
        {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad}");
        }
    }
}
