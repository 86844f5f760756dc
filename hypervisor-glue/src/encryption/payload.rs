//! Reading and writing what is encrypted in a file: any bytes, of whole sectors or not.

use std::io;

use serde::{Deserialize, Serialize};

use super::xts::{UNIT, Xts};
use crate::overlay::Stored;

/// Largest sector of LUKS2, in bytes.
const MAX_SECTOR: u32 = 4096;

/// Where in a file the encrypted bytes are: from `offset` to its end, in sectors of `sector` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// First byte; all before it is the header, which whoever reads the payload never reaches.
    pub offset: u64,
    /// 512, 1024, 2048 or 4096.
    pub sector: u32,
}

/// The encrypted bytes of a volume, as if they were not.
#[derive(Debug)]
pub struct Payload {
    stored: Stored,
    cipher: Xts,
    offset: u64,
    sector: u64,
    size: u64,
}

impl Payload {
    /// Those that lie in `stored` as `layout` says; `key` has [`super::xts::KEY`] bytes.
    ///
    /// # Errors
    /// The layout is none, the key is none, or the file's length cannot be read.
    pub fn new(stored: impl Into<Stored>, key: &[u8], layout: Layout) -> io::Result<Self> {
        let stored = stored.into();
        let bad = |text: &'static str| io::Error::new(io::ErrorKind::InvalidInput, text);
        if !layout.sector.is_power_of_two() || !(UNIT as u32..=MAX_SECTOR).contains(&layout.sector) {
            return Err(bad("its sectors are of a size that LUKS2 does not have"));
        }
        let sector = u64::from(layout.sector);
        let length = stored.size()?;
        let size = length.checked_sub(layout.offset).ok_or_else(|| bad("the volume's file was cut off"))?;
        Ok(Self {
            stored,
            cipher: Xts::new(key)?,
            offset: layout.offset,
            sector,
            // A last sector that is not whole cannot be read.
            size: size - size % sector,
        })
    }

    /// Bytes that can be stored.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `into` with what lies at `offset`.
    ///
    /// # Errors
    /// It does not all lie inside, or the file cannot be read.
    pub fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let (start, end) = self.around(offset, into.len())?;
        if (start, end) == (offset, offset + into.len() as u64) {
            return self.read_sectors(into, start);
        }
        let mut sectors = vec![0; (end - start) as usize];
        self.read_sectors(&mut sectors, start)?;
        let skip = (offset - start) as usize;
        into.copy_from_slice(&sectors[skip..skip + into.len()]);
        Ok(())
    }

    /// Writes `from` to `offset`; what is in `from` afterwards is of no use. Sectors that are written
    /// in part are read first.
    ///
    /// # Errors
    /// It does not all lie inside, or the file cannot be read or written.
    pub fn write(&mut self, from: &mut [u8], offset: u64) -> io::Result<()> {
        let (start, end) = self.around(offset, from.len())?;
        if (start, end) == (offset, offset + from.len() as u64) {
            return self.write_sectors(from, start);
        }
        let mut sectors = vec![0; (end - start) as usize];
        let sector = self.sector as usize;
        let last = sectors.len() - sector;
        self.read_sectors(&mut sectors[..sector], start)?;
        if last > 0 {
            self.read_sectors(&mut sectors[last..], end - self.sector)?;
        }
        let skip = (offset - start) as usize;
        sectors[skip..skip + from.len()].copy_from_slice(from);
        self.write_sectors(&mut sectors, start)
    }

    /// Brings all of it to the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> io::Result<()> {
        self.stored.sync()
    }

    /// Lets go of what lies there, as far as it is whole sectors, which then read as noise; what of them the file
    /// system cannot let go of stays.
    ///
    /// # Errors
    /// It does not all lie inside, or the disk's.
    pub fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let end = self.end(offset, length)?;
        let (start, end) = (offset.next_multiple_of(self.sector), end - end % self.sector);
        if start < end { self.stored.discard(self.offset + start, end - start) } else { Ok(()) }
    }

    /// Bytes of the smallest thing that [`Self::discard`] lets go of.
    pub(crate) fn granularity(&self) -> u32 {
        self.stored.granularity().max(self.sector as u32)
    }

    /// The first byte after it, if it all lies inside.
    fn end(&self, offset: u64, length: u64) -> io::Result<u64> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        end.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The whole sectors that these bytes lie in.
    fn around(&self, offset: u64, length: usize) -> io::Result<(u64, u64)> {
        let end = self.end(offset, length as u64)?;
        // Sizes are whole sectors, so that rounding up stays inside.
        Ok((offset - offset % self.sector, end.next_multiple_of(self.sector)))
    }

    fn read_sectors(&self, into: &mut [u8], start: u64) -> io::Result<()> {
        self.stored.read(into, self.offset + start)?;
        self.cipher.decrypt(into, self.sector as usize, start / UNIT as u64);
        Ok(())
    }

    fn write_sectors(&mut self, from: &mut [u8], start: u64) -> io::Result<()> {
        self.cipher.encrypt(from, self.sector as usize, start / UNIT as u64);
        self.stored.write(from, self.offset + start)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt as _};

    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = 24 * 1024;

    fn key() -> Vec<u8> {
        (0..64).collect()
    }

    fn payload(file: &File, sector: u32, offset: u64) -> Payload {
        Payload::new(file.try_clone().unwrap(), &key(), Layout { offset, sector }).unwrap()
    }

    #[test]
    fn a_layout_that_is_none_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        for sector in [0, 256, 513, 8192] {
            assert!(
                Payload::new(file.try_clone().unwrap(), &key(), Layout { offset: 0, sector }).is_err(),
                "{sector}"
            );
        }
        let layout = Layout { offset: (1 << 20) + 1, sector: 512 };
        assert!(Payload::new(file, &key(), layout).unwrap_err().to_string().contains("cut off"));
    }

    #[test]
    fn nothing_outside_is_read_or_written() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192 + 1024 + 100).unwrap();
        let mut payload = payload(&file, 512, 8192);
        assert_eq!(payload.size(), 1024);
        let mut bytes = [0; 512];
        for offset in [513, 1024, u64::MAX, u64::MAX - 511] {
            assert!(payload.read(&mut bytes, offset).is_err(), "{offset}");
            assert!(payload.write(&mut bytes, offset).is_err(), "{offset}");
            assert!(payload.discard(offset, 512).is_err(), "{offset}");
        }
        payload.write(&mut bytes, 512).unwrap();
        let mut header = [1; 8192];
        file.read_exact_at(&mut header, 0).unwrap();
        assert_eq!(header, [0; 8192]);
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Read(usize, usize),
        Write(usize, usize, u8),
        Discard(usize, usize),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        // Often whole sectors, often not.
        let place = prop_oneof![0..SIZE, (0..SIZE / 512).prop_map(|n| n * 512)];
        let length = prop_oneof![0usize..9000, (0usize..18).prop_map(|n| n * 512)];
        (place, length, any::<u8>(), 0..5).prop_map(|(place, length, seed, what)| {
            let length = length.min(SIZE - place);
            match what {
                0 | 1 => Deed::Write(place, length, seed),
                2 => Deed::Discard(place, length),
                _ => Deed::Read(place, length),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
        /// Like a plain file, whatever the order, the offsets and the lengths; and another reader of
        /// the same file finds the same.
        #[test]
        fn the_same_as_a_plain_file(
            power in 0u32..4,
            offset in (0u64..8).prop_map(|n| n * 4096),
            deeds in prop::collection::vec(deed(), 1..40),
        ) {
            let file = tempfile::tempfile().unwrap();
            file.set_len(offset + SIZE as u64).unwrap();
            let mut payload = payload(&file, 512 << power, offset);
            let mut model = vec![0; SIZE];
            payload.write(&mut model.clone(), 0).unwrap();
            for deed in deeds {
                match deed {
                    Deed::Read(place, length) => {
                        let mut found = vec![0xaa; length];
                        payload.read(&mut found, place as u64).unwrap();
                        prop_assert_eq!(&found, &model[place..place + length]);
                    }
                    Deed::Discard(place, length) => {
                        payload.discard(place as u64, length as u64).unwrap();
                        // What is noise now is all whole sectors inside, and nothing else; it becomes something again.
                        let sector = 512 << power;
                        let (start, end) = (place.next_multiple_of(sector), (place + length) / sector * sector);
                        let mut found = vec![0; SIZE];
                        payload.read(&mut found, 0).unwrap();
                        if start < end {
                            prop_assert!(found[start..end] != model[start..end]);
                            let mut raw = vec![1; end - start];
                            file.read_exact_at(&mut raw, offset + start as u64).unwrap();
                            prop_assert!(raw.iter().all(|byte| *byte == 0));
                            payload.write(&mut model[start..end].to_vec(), start as u64).unwrap();
                        }
                        let stays = |range: std::ops::Range<usize>| found[range.clone()] == model[range];
                        let borders = if start < end { [start, end] } else { [SIZE; 2] };
                        prop_assert!(stays(0..borders[0]) && stays(borders[1]..SIZE));
                    }
                    Deed::Write(place, length, seed) => {
                        let bytes: Vec<u8> = (0..length).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect();
                        payload.write(&mut bytes.clone(), place as u64).unwrap();
                        model[place..place + length].copy_from_slice(&bytes);
                    }
                }
            }
            let mut found = vec![0; SIZE];
            self::payload(&file, 512 << power, offset).read(&mut found, 0).unwrap();
            prop_assert_eq!(&found, &model);
            let mut raw = vec![0; SIZE];
            file.read_exact_at(&mut raw, offset).unwrap();
            // Not one block is as it was written.
            prop_assert!(raw.chunks(16).zip(model.chunks(16)).all(|(raw, plain)| raw != plain));
        }
    }
}
