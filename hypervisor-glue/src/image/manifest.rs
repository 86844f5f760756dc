//! `image.json`.

use serde::{Deserialize, Serialize};

/// Version of the form.
const FORMAT: u32 = 1;

/// What the root file system is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Debian's release.
    pub suite: String,
    /// The package with the kernel, or one that depends on it.
    pub kernel: String,
    /// Packages, besides those that every image needs.
    pub packages: Vec<String>,
}

/// What every image needs: buses, the private volume's tools, process 1's tools, what the agent is
/// linked with, and the tools of qubes that route and filter, or make tunnels.
pub(super) const NEEDED: [&str; 13] = [
    "busybox-static",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "kmod",
    "libpixman-1-0",
    "libxkbcommon0",
    "nftables",
    "openvpn",
    "passwd",
    "util-linux",
    "wireguard-tools",
    "xkb-data",
];

impl Default for Recipe {
    fn default() -> Self {
        // Xwayland aborts without libegl1, which its package does not ask for.
        let packages =
            ["foot", "mousepad", "xwayland", "libegl1", "x11-apps", "fonts-dejavu-core", "libnotify-bin"];
        Self {
            suite: "bookworm".into(),
            kernel: "linux-image-cloud-amd64".into(),
            packages: packages.map(str::to_owned).to_vec(),
        }
    }
}

impl Recipe {
    /// All packages, each once, in order.
    pub(super) fn all_packages(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.packages.iter().map(String::as_str).chain(NEEDED).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Finds what is no name of a package or release. Names go into a command line.
    pub(super) fn check(&self) -> Result<(), String> {
        let good = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:".contains(&b))
        };
        let names = self.packages.iter().chain([&self.suite, &self.kernel]);
        match names.into_iter().find(|name| !good(name)) {
            Some(bad) => Err(format!("{bad:?} is not the name of a package or a release")),
            None => Ok(()),
        }
    }
}

/// Sizes of files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// `kernel`.
    pub kernel: u64,
    /// `initramfs`.
    pub initramfs: u64,
    /// `root.erofs`.
    pub root: u64,
}

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// What it was made from.
    pub recipe: Recipe,
    /// The kernel's release, as `uname -r` says it.
    pub release: String,
    /// What the agent says of its version.
    pub agent: String,
    /// Sizes of its files.
    pub bytes: Sizes,
}

impl Manifest {
    pub(super) fn new(recipe: Recipe, release: String, agent: String, bytes: Sizes) -> Self {
        Self { format: FORMAT, recipe, release, agent, bytes }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(format!("it is of form {}, and only {FORMAT} is known", manifest.format))
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
