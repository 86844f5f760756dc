use super::manifest::Sizes;
use super::*;

fn images() -> (tempfile::TempDir, Images) {
    let temp = tempfile::tempdir().unwrap();
    let images = Images::new(temp.path());
    (temp, images)
}

/// A small image with made-up contents.
fn put(images: &Images, name: &str, kernel: &[u8]) {
    let draft = images.draft().unwrap();
    for (file, bytes) in [("kernel", kernel), ("initramfs", b"init"), ("root.erofs", b"root")] {
        fs::write(draft.path().join(file), bytes).unwrap();
    }
    let bytes = Sizes { kernel: kernel.len() as u64, initramfs: 4, root: 4 };
    let manifest = Manifest::new(Recipe::default(), "6.1".into(), "agent 1".into(), bytes);
    fs::write(draft.path().join(MANIFEST), manifest.write()).unwrap();
    images.put(draft, name).unwrap();
}

#[test]
fn images_come_are_replaced_and_go() {
    let (_temp, images) = images();
    assert!(images.names().unwrap().is_empty());
    put(&images, "b", b"one");
    put(&images, "a", b"one");
    put(&images, "a", b"second");
    assert_eq!(images.names().unwrap(), ["a", "b"]);
    let image = images.load("a").unwrap();
    assert_eq!(fs::read(image.kernel()).unwrap(), b"second");
    assert_eq!(image.manifest.release, "6.1");
    images.remove("a").unwrap();
    assert!(matches!(images.load("a"), Err(ImageError::NoSuchImage(_))));
    assert!(matches!(images.remove("a"), Err(ImageError::NoSuchImage(_))));
    let left: Vec<_> = fs::read_dir(images.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["b"], "nothing hidden is left");
}

#[test]
fn damage_is_found_and_named() {
    let (_temp, images) = images();
    put(&images, "a", b"kernel");
    let dir = images.dir().join("a");
    let problem = || images.load("a").unwrap_err().to_string();
    fs::write(dir.join("root.erofs"), "r").unwrap();
    assert!(problem().contains("root.erofs has 1 bytes instead of 4"), "{}", problem());
    assert!(problem().contains("transom image update a"));
    fs::remove_file(dir.join("root.erofs")).unwrap();
    assert!(problem().contains("root.erofs"));
    fs::remove_file(dir.join("kernel")).unwrap();
    assert!(problem().contains("kernel"));
    for text in ["", "{}", "[]", "{\"format\":2}"] {
        fs::write(dir.join(MANIFEST), text).unwrap();
        assert!(problem().contains(MANIFEST), "{text}");
    }
    assert_eq!(images.names().unwrap(), ["a"], "a damaged image can be seen and removed");
    images.remove("a").unwrap();
}

#[test]
fn names_are_names() {
    let (_temp, images) = images();
    for name in ["", "..", "../x", "a/b", ".new-x", "-x"] {
        assert!(matches!(images.load(name), Err(ImageError::Name(_))), "{name:?}");
        assert!(matches!(images.remove(name), Err(ImageError::Name(_))), "{name:?}");
    }
}

#[test]
fn recipes_hold_only_names() {
    let with = |package: &str| Recipe { packages: vec![package.into()], ..Recipe::default() }.check();
    assert!(with("libstdc++6").is_ok());
    for bad in ["", "a b", "--x", "a,b", "a;b", "$(a)"] {
        assert!(with(bad).is_err(), "{bad:?}");
    }
    assert!(Recipe { suite: "/etc".into(), ..Recipe::default() }.check().is_err());
    let twice = Recipe { packages: vec!["dbus".into(), "foot".into()], ..Recipe::default() };
    assert_eq!(twice.all_packages().iter().filter(|name| **name == "dbus").count(), 1);
}
