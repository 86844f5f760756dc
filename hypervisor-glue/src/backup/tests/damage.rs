use proptest::prelude::*;

use super::*;

/// Nothing of a damaged backup is good, and nothing of it stays.
fn is_found(damaged: &[u8], key: &x25519::Identity, restoring: bool) -> BackupError {
    let error = checked(damaged, key).expect_err("damage is found");
    assert_eq!(error.to_string().lines().count(), 1);
    if restoring {
        let mut there = Machine::new();
        there.restore(damaged, key).expect_err("damage is found");
        assert!(there.is_empty(), "something stays after: {error}");
    }
    error
}

#[test]
fn every_byte_counts() {
    let mut here = Machine::with_mail();
    let key = x25519::Identity::generate();
    let backup = here.save(&["mail"], &key);
    let header = backup.windows(5).position(|bytes| bytes == b"\n--- ").unwrap() + 5 + 43 + 1;
    let mut damaged = backup.clone();
    for at in 0..backup.len() {
        damaged[at] ^= 1 << (at % 8);
        let error = is_found(&damaged, &key, at % 61 == 0 || at < header + 20);
        let kind = match error {
            BackupError::NoHeader(_) | BackupError::Header(_) | BackupError::WrongKey => at < header,
            BackupError::NeedsPassphrase => false,
            // The nonce after the header is part of what every chunk is opened with.
            BackupError::Damaged { .. } | BackupError::End { .. } => at >= header,
            _ => false,
        };
        assert!(kind, "byte {at} of {}, the header has {header}: {error:?}", backup.len());
        damaged[at] = backup[at];
    }
    checked(&damaged, &key).unwrap();
}

#[test]
fn every_length_but_its_own_is_wrong() {
    let mut here = Machine::with_mail();
    let key = x25519::Identity::generate();
    let backup = here.save(&["mail"], &key);
    for length in 0..backup.len() {
        is_found(&backup[..length], &key, length % 67 == 0 || length + 30 > backup.len());
    }
    for more in [1, 15, 16, 17, 65_536, 65_552, 200_000] {
        let longer = [&backup[..], &noise(more)].concat();
        let error = is_found(&longer, &key, true);
        assert!(matches!(error, BackupError::End { .. } | BackupError::Damaged { .. }), "{error:?}");
    }
    // Another backup behind it.
    is_found(&[&backup[..], &backup].concat(), &key, true);
}

/// A qube with a volume of several chunks, saved between two others.
fn large() -> (Machine, x25519::Identity, Vec<u8>) {
    let mut here = Machine::with_mail().and_work();
    here.store.create(&name("zoo"), &QubeConfig::new(LabelName::new("red").unwrap())).unwrap();
    let key = x25519::Identity::generate();
    let backup = here.save(&["mail", "work", "zoo"], &key);
    (here, key, backup)
}

#[test]
fn damage_has_a_name() {
    let (_here, key, backup) = large();
    let mut damaged = backup.clone();
    // The volume is by far the most of it.
    let at = backup.len() - 200_000;
    damaged[at] ^= 1;
    for open in [opened, opened_file] {
        let error = verify(&mut open(&damaged, &key).unwrap(), &mut Listener::default()).unwrap_err();
        let BackupError::Damaged { bytes, place } = &error else { panic!("{error:?}") };
        assert!(bytes.contains(&(at as u64)), "{at} in {bytes:?}");
        assert_eq!(place.qube, Some(name("work")));
        let (file, byte) = place.file.as_ref().unwrap();
        assert_eq!(file, b"private.img");
        assert!(*byte > 300_000 && *byte < 600_000, "{byte}");
        let line = error.to_string();
        assert!(line.contains("qube work, file private.img, at its byte"), "{line}");
    }
    // In a file, what is not damaged can still be had.
    let mut there = Machine::new();
    for (qube, good) in [("mail", true), ("zoo", true), ("work", false)] {
        let mut archive = opened_file(&damaged, &key).unwrap();
        let wanted = [(name(qube), name(qube))];
        let result = restore(&mut there.store, &mut archive, Some(&wanted), None, &mut Listener::default());
        assert_eq!(result.is_ok(), good, "{qube}");
    }
    assert_eq!(there.store.names().unwrap(), [name("mail"), name("zoo")]);
    assert_eq!(fs::read_dir(there.store.qubes()).unwrap().count(), 2);
}

#[test]
fn a_cut_in_the_middle_has_a_name() {
    let (_here, key, backup) = large();
    let error = checked(&backup[..backup.len() - 200_000], &key).unwrap_err();
    let BackupError::End { place, .. } = &error else { panic!("{error:?}") };
    assert_eq!(place.file.as_ref().unwrap().0, b"private.img");
    assert!(error.to_string().contains("its end is missing"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_changed_is_found(seed: u64, bytes in proptest::collection::vec(any::<u8>(), 1..40), cut: bool) {
        thread_local! { static LARGE: (Machine, x25519::Identity, Vec<u8>) = large(); }
        LARGE.with(|(here, key, backup)| {
            let at = (seed % backup.len() as u64) as usize;
            let mut damaged = backup.clone();
            let end = (at + bytes.len()).min(damaged.len());
            if cut {
                // Bytes that are gone, or others in their place.
                damaged.splice(at..end, bytes.iter().copied().take(bytes.len() / 2));
            } else {
                damaged[at..end].copy_from_slice(&bytes[..end - at]);
            }
            if damaged == *backup {
                return Ok(());
            }
            prop_assert!(checked(&damaged, key).is_err());
            // Those before the damage are whole; the others are not there, nor anything of them.
            let mut there = Machine::new();
            prop_assert!(there.restore(&damaged, key).is_err());
            let names = there.store.names().unwrap();
            prop_assert_eq!(fs::read_dir(there.store.qubes()).unwrap().count(), names.len());
            for qube in &names {
                prop_assert_eq!(qube_tree(&there.store, qube.as_str()), qube_tree(&here.store, qube.as_str()));
            }
            prop_assert!(names.len() < 3);
            Ok(())
        })?;
    }
}
