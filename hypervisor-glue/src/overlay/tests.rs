use std::{cell::RefCell, rc::Rc};

use proptest::prelude::*;

use super::*;

/// Small, and yet with blocks that are whole, and one at the end that is not.
const SIZE: u64 = 5 * BLOCK + 3 * SECTOR;
/// It may grow to this.
const MOST: u64 = 9 * BLOCK + SECTOR;

fn base() -> (File, Vec<u8>) {
    let file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8 | 1).collect();
    file.write_all_at(&bytes, 0).unwrap();
    (file, bytes)
}

fn overlay(base: &File) -> Overlay {
    let file = tempfile::tempfile().unwrap();
    create(&file, base.metadata().unwrap().len()).unwrap();
    Overlay::open(file, base.try_clone().unwrap()).unwrap()
}

fn again(overlay: &Overlay) -> io::Result<Overlay> {
    Overlay::open(overlay.file.try_clone()?, overlay.base.try_clone()?)
}

impl<M: Medium> Overlay<M> {
    fn check_invariants(&self) {
        assert!(self.size.is_multiple_of(SECTOR) && self.base_size <= self.size && self.size <= MAX_SIZE);
        assert_eq!(self.map.len(), map_bytes(self.size));
        assert!(self.changed.iter().all(|page| page * PAGE < self.map.len()));
        // Runs are in order, do not touch and are whole blocks but for the last.
        let runs: Vec<_> = self.own().collect();
        assert!(runs.windows(2).all(|two| two[0].end < two[1].start));
        assert!(runs.iter().all(|run| run.start.is_multiple_of(BLOCK) && run.start < run.end));
        let ends = |end: u64| end.is_multiple_of(BLOCK) || end == self.size;
        assert!(runs.iter().all(|run| ends(run.end)));
    }
}

#[test]
fn one_that_is_none_is_refused() {
    let (base, _) = base();
    let made = overlay(&base);
    let file = |bytes: &[u8]| {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    };
    let refused = |file: File, part: &str| {
        let said = Overlay::open(file, base.try_clone().unwrap()).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    };
    for content in [&b""[..], b"QFI\xfb", &[0xff; 4096], b"TRANSOVL"] {
        refused(file(content), "no overlay");
    }
    // Every byte of the header turned over: nothing else is one.
    let mut good = [0; HEADER];
    made.file.read(&mut good, 0).unwrap();
    for place in 0..HEADER {
        let mut other = good;
        other[place] ^= 0xff;
        made.file.write(&other, 0).unwrap();
        assert!(again(&made).is_err(), "byte {place}");
    }
    made.file.write(&good, 0).unwrap();
    again(&made).unwrap();
    for (size, base) in
        [(SIZE + 1, SIZE), (MAX_SIZE + BLOCK, SIZE), (u64::MAX - 511, SIZE), (SIZE - 512, SIZE)]
    {
        made.file.write(&header(size, base), 0).unwrap();
        assert!(again(&made).unwrap_err().to_string().contains("a size that no overlay has"));
    }
    made.file.write(&header(SIZE + BLOCK, SIZE), 0).unwrap();
    assert!(again(&made).unwrap_err().to_string().contains("cut off"));
    made.file.write(&good, 0).unwrap();
    base.set_len(SIZE - 512).unwrap();
    assert!(again(&made).unwrap_err().to_string().contains("its base has"));
}

#[test]
fn no_size_but_whole_sectors_up_to_the_largest() {
    let file = tempfile::tempfile().unwrap();
    assert!(create(&file, 513).is_err() && create(&file, MAX_SIZE + 512).is_err());
    let (base, _) = base();
    let mut made = overlay(&base);
    assert!(
        made.grow(SIZE + 1).is_err() && made.grow(u64::MAX).is_err() && made.grow(MAX_SIZE + 512).is_err()
    );
    // Smaller is not refused; it stays what it is.
    made.grow(512).unwrap();
    assert_eq!(made.size(), SIZE);
    made.check_invariants();
}

#[test]
fn nothing_outside_is_read_or_written() {
    let (base, bytes) = base();
    let mut made = overlay(&base);
    let mut sector = [0; 512];
    for offset in [SIZE - 511, SIZE, u64::MAX, u64::MAX - 511] {
        assert!(made.read(&mut sector, offset).is_err(), "{offset}");
        assert!(made.write(&sector, offset).is_err(), "{offset}");
        assert!(made.discard(offset, 512).is_err(), "{offset}");
    }
    assert_eq!(made.own().count(), 0);
    let mut found = vec![0; SIZE as usize];
    base.read_exact_at(&mut found, 0).unwrap();
    assert_eq!(found, bytes);
}

#[test]
fn a_new_one_takes_next_to_nothing() {
    use std::os::unix::fs::MetadataExt as _;
    let base = tempfile::tempfile().unwrap();
    base.set_len(1 << 40).unwrap();
    let made = overlay(&base);
    assert!(made.file.metadata().unwrap().blocks() * 512 <= 64 << 10);
}

#[derive(Clone, Debug)]
enum Deed {
    Read(u64, u64),
    Write(u64, u64, u8),
    Discard(u64, u64),
    Grow(u64),
    Sync,
    Reopen,
}

fn place() -> impl Strategy<Value = (u64, u64)> {
    let start =
        prop_oneof![0..MOST, (0..MOST / SECTOR).prop_map(|n| n * SECTOR), (0..9u64).prop_map(|n| n * BLOCK)];
    let length =
        prop_oneof![0..3 * BLOCK, (0..64u64).prop_map(|n| n * SECTOR), (0..3u64).prop_map(|n| n * BLOCK)];
    (start, length)
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => place().prop_map(|(start, length)| Deed::Read(start, length)),
        4 => (place(), any::<u8>()).prop_map(|((start, length), seed)| Deed::Write(start, length, seed)),
        1 => place().prop_map(|(start, length)| Deed::Discard(start, length)),
        1 => (0..MOST / SECTOR).prop_map(|n| Deed::Grow(n * SECTOR)),
        1 => Just(Deed::Sync),
        1 => Just(Deed::Reopen),
    ]
}

fn pattern(seed: u8, length: u64) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// Like a plain file, whatever the order, the places and the lengths, while the base stays as it was.
    #[test]
    fn the_same_as_a_plain_file(deeds in prop::collection::vec(deed(), 1..40)) {
        let (base, bytes) = base();
        let mut made = overlay(&base);
        let mut model = bytes.clone();
        for deed in deeds {
            let inside = |start: u64, length: u64| {
                start.checked_add(length).is_some_and(|end| end <= model.len() as u64)
            };
            match deed {
                Deed::Read(start, length) => {
                    let mut found = vec![0xaa; length as usize];
                    let read = made.read(&mut found, start);
                    prop_assert_eq!(read.is_ok(), inside(start, length));
                    if read.is_ok() {
                        prop_assert_eq!(&found, &model[start as usize..][..length as usize]);
                    }
                }
                Deed::Write(start, length, seed) => {
                    let written = made.write(&pattern(seed, length), start);
                    prop_assert_eq!(written.is_ok(), inside(start, length));
                    if written.is_ok() {
                        model[start as usize..][..length as usize].copy_from_slice(&pattern(seed, length));
                    }
                }
                Deed::Discard(start, length) => {
                    let discarded = made.discard(start, length);
                    prop_assert_eq!(discarded.is_ok(), inside(start, length));
                    if discarded.is_ok() {
                        let end = start + length;
                        let first = start.div_ceil(BLOCK) * BLOCK;
                        let after = if end == model.len() as u64 { end } else { end / BLOCK * BLOCK };
                        if first < after {
                            model[first as usize..after as usize].fill(0);
                        }
                    }
                }
                Deed::Grow(size) => {
                    made.grow(size).unwrap();
                    model.resize(model.len().max(size as usize), 0);
                }
                Deed::Sync => made.sync().unwrap(),
                Deed::Reopen => {
                    made.sync().unwrap();
                    made = again(&made).unwrap();
                }
            }
            made.check_invariants();
        }
        made.sync().unwrap();
        let made = again(&made).unwrap();
        prop_assert_eq!(made.size(), model.len() as u64);
        let mut found = vec![0; model.len()];
        made.read(&mut found, 0).unwrap();
        prop_assert!(found == model);
        let mut found = vec![0; bytes.len()];
        base.read_exact_at(&mut found, 0).unwrap();
        prop_assert!(found == bytes);
    }
}

/// A disk that loses power: what was synced is there, of what was written since any sectors may be.
#[derive(Clone, Debug, Default)]
struct Fickle(Rc<RefCell<Sectors>>);

#[derive(Clone, Debug, Default)]
struct Sectors {
    /// Only what is not all zeros, by number.
    now: std::collections::BTreeMap<u64, [u8; 512]>,
    safe: std::collections::BTreeMap<u64, [u8; 512]>,
    length: (u64, u64),
    /// So many calls are carried out before the power is gone.
    left: u32,
    /// Sectors in the order in which they were written since.
    since: Vec<(u64, [u8; 512])>,
}

impl Fickle {
    fn cut(&self, mut keeps: impl FnMut() -> bool) {
        let mut all = self.0.borrow_mut();
        let since = std::mem::take(&mut all.since);
        for (sector, bytes) in since {
            if keeps() {
                all.safe.insert(sector, bytes);
            }
        }
        // A file may be longer than it was told to be on the disk so far, but no longer than it was.
        all.length.0 = if keeps() { all.length.0 } else { all.length.1 };
        all.now = all.safe.clone();
    }

    /// Fails once the power is gone.
    fn call(&self) -> io::Result<()> {
        let left = &mut self.0.borrow_mut().left;
        *left = left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(())
    }

    fn powered(&self, calls: u32) {
        self.0.borrow_mut().left = calls;
    }

    fn of(bytes: &[u8]) -> Self {
        let this = Self::default();
        this.powered(u32::MAX);
        this.set_length(bytes.len() as u64).unwrap();
        this.write(bytes, 0).unwrap();
        this.sync().unwrap();
        this
    }
}

impl Medium for Fickle {
    fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let all = self.0.borrow();
        for (at, byte) in (offset..).zip(into) {
            *byte = all.now.get(&(at / 512)).map_or(0, |sector| sector[(at % 512) as usize]);
        }
        Ok(())
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        self.call()?;
        let mut all = self.0.borrow_mut();
        let (mut at, mut rest) = (offset, from);
        while !rest.is_empty() {
            let (sector, skip) = (at / 512, (at % 512) as usize);
            let count = rest.len().min(512 - skip);
            let mut bytes = all.now.get(&sector).copied().unwrap_or([0; 512]);
            bytes[skip..skip + count].copy_from_slice(&rest[..count]);
            all.now.insert(sector, bytes);
            all.since.push((sector, bytes));
            (at, rest) = (at + count as u64, &rest[count..]);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.call()?;
        let mut all = self.0.borrow_mut();
        all.since.clear();
        all.safe = all.now.clone();
        all.length.1 = all.length.0;
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().length.0)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.call()?;
        self.0.borrow_mut().length.0 = length;
        Ok(())
    }

    fn punch(&self, place: Range<u64>) -> io::Result<()> {
        self.write(&vec![0; (place.end - place.start) as usize], place.start)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    /// After a power cut each sector is what it was at the last sync, or what was written to it since; and
    /// that stays so for power cuts that follow.
    #[test]
    fn a_power_cut_takes_nothing_that_was_there(
        rounds in prop::collection::vec(
            (prop::collection::vec((place(), any::<u8>(), 0..6u8), 0..12), any::<u64>(), 0..40u32), 1..4,
        ),
    ) {
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8 | 1).collect();
        let (file, base) = (Fickle::default(), Fickle::of(&bytes));
        file.powered(u32::MAX);
        create(&file, SIZE).unwrap();
        file.sync().unwrap();
        // What each sector may be, the newest last.
        let mut may: Vec<Vec<Vec<u8>>> = bytes.chunks(512).map(|sector| vec![sector.to_vec()]).collect();
        for (deeds, mut seed, calls) in rounds {
            let mut made = Overlay::open(file.clone(), base.clone()).unwrap();
            let mut sizes = vec![made.size()];
            file.powered(calls);
            for ((start, length), value, what) in deeds {
                let (start, length) = (start / 512 * 512, length.next_multiple_of(512));
                let done = match what {
                    0 | 1 => made.sync().map(|()| {
                        for sector in &mut may {
                            sector.drain(..sector.len() - 1);
                        }
                    }),
                    2 => {
                        let size = (start + length).min(MOST);
                        if size > made.size() {
                            may.resize((size / 512) as usize, vec![vec![0; 512]]);
                            sizes.push(size);
                        }
                        // It says the size from then on, whatever else is lost.
                        made.grow(size).map(|()| sizes = vec![made.size()])
                    }
                    _ if start + length > made.size() => Ok(()),
                    _ => {
                        for (n, part) in pattern(value, length).chunks(512).enumerate() {
                            may[(start / 512) as usize + n].push(part.to_vec());
                        }
                        made.write(&pattern(value, length), start)
                    }
                };
                if done.is_err() {
                    break;
                }
            }
            file.cut(|| {
                // Any bits will do: xorshift.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed & 1 == 1
            });
            let after = Overlay::open(file.clone(), base.clone()).unwrap();
            after.check_invariants();
            prop_assert!(sizes.contains(&after.size()));
            may.truncate((after.size() / 512) as usize);
            let mut found = vec![0; after.size() as usize];
            after.read(&mut found, 0).unwrap();
            for (number, (sector, may)) in found.chunks(512).zip(&mut may).enumerate() {
                prop_assert!(may.iter().any(|one| one == sector), "sector {number}");
                *may = vec![sector.to_vec()];
            }
        }
    }
}
