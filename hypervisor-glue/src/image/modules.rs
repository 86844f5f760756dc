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
/// What the private volume needs, where the kernel does not have it in itself.
pub(super) const VOLUME: &str = "ext4";
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

/// What a module asks for at its start, from its own file: `softdep=pre: a b`. These are names of modules, or of
/// algorithms of which `generic` is always there: modules of these names that are `found`.
pub(super) fn asks_for(module: &[u8], found: impl Fn(&str) -> bool) -> Vec<String> {
    let facts = module.split(|byte| *byte == 0).filter_map(|fact| fact.strip_prefix(b"softdep="));
    let mut names = Vec::new();
    for fact in facts {
        let text = String::from_utf8_lossy(fact);
        let before = text.split_once("pre:").map_or("", |(_, after)| after);
        let before = before.split("post:").next().unwrap_or_default();
        for name in before.split_whitespace().map(|name| name.replace('-', "_")) {
            let generic = format!("{name}_generic");
            names.extend([generic, name].into_iter().find(|name| found(name)));
        }
    }
    names
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
    fn what_a_module_asks_for() {
        let found = |name: &str| ["crc32c_generic", "b"].contains(&name);
        assert_eq!(asks_for(b"a=1\0softdep=pre: crc32c b moon\0", found), ["crc32c_generic", "b"]);
        assert_eq!(asks_for(b"softdep=pre: b post: crc32c\0", found), ["b"]);
        assert!(asks_for(b"softdep=post: b\0", found).is_empty());
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
