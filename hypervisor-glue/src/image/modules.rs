//! Which kernel modules are loaded, and in which order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// What the root needs: disks on both transports, the image, the layer above it; and the device by
/// which a panic is seen.
pub(super) const DISK: [&str; 7] =
    ["virtio_pci", "virtio_mmio", "virtio_blk", "erofs", "overlay", "virtio_rng", "pvpanic_pci"];
/// What comes after it: the streams to dom0, cables to other qubes, and the power button.
pub(super) const STREAM: [&str; 4] = ["vmw_vsock_virtio_transport", "virtio_net", "button", "evdev"];

/// Every module below a folder: its name (with `_`), and where it is.
pub(super) fn find(dir: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".ko")) {
                found.insert(name.replace('-', "_"), entry.path());
            }
        }
    }
    Ok(found)
}

/// What a module depends on, from its own file: `depends=a,b` among its zero-ended facts.
pub(super) fn depends(module: &[u8]) -> Vec<String> {
    let fact = module.split(|byte| *byte == 0).find_map(|fact| fact.strip_prefix(b"depends="));
    let text = fact.map(String::from_utf8_lossy).unwrap_or_default();
    text.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// The wanted modules and all they depend on, each once and after what it depends on. One that
/// `depends` does not know is the error.
pub(super) fn order(
    wanted: &[&str],
    mut depends: impl FnMut(&str) -> Result<Vec<String>, String>,
) -> Result<Vec<String>, String> {
    fn visit(
        name: &str,
        depends: &mut impl FnMut(&str) -> Result<Vec<String>, String>,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<String>,
    ) -> Result<(), String> {
        if seen.insert(name.to_owned()) {
            for below in depends(name)? {
                visit(&below, depends, seen, order)?;
            }
            order.push(name.to_owned());
        }
        Ok(())
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in wanted {
        visit(name, &mut depends, &mut seen, &mut order)?;
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_says() {
        assert_eq!(
            depends(b"\x7fELF\0license=GPL\0depends=virtio,virtio-ring\0x"),
            ["virtio", "virtio_ring"]
        );
        assert!(depends(b"name=a\0depends=\0").is_empty());
        assert!(depends(b"nothing").is_empty());
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let below = |name: &str| match name {
            "pci" => Ok(vec!["virtio".to_owned(), "ring".to_owned()]),
            "virtio" => Ok(vec!["ring".to_owned()]),
            "ring" => Ok(vec![]),
            // A circle must not hang.
            "a" => Ok(vec!["b".to_owned()]),
            "b" => Ok(vec!["a".to_owned()]),
            other => Err(other.to_owned()),
        };
        assert_eq!(order(&["pci", "ring"], below).unwrap(), ["ring", "virtio", "pci"]);
        assert_eq!(order(&["a"], below).unwrap(), ["b", "a"]);
        assert_eq!(order(&["pci", "moon"], below), Err("moon".to_owned()));
    }
}
