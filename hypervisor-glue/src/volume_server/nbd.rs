//! The Network Block Device protocol, as much of it as QEMU needs: the fixed new-style handshake, then
//! reads, writes and flushes with simple replies (NBD protocol, `doc/proto.md` of the nbd project).
//!
//! Whoever is at the other end may be a guest that took QEMU over: each number is checked, and what is
//! no request ends the conversation.

use std::io::{self, Read, Write};

/// What is served.
pub trait Export {
    /// Bytes, whole sectors.
    fn size(&self) -> u64;
    /// Fills `into` with what lies at `offset`.
    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes `from`, which is of no use afterwards, to `offset`.
    fn write(&mut self, from: &mut [u8], offset: u64) -> io::Result<()>;
    /// Brings what was written to the disk.
    fn flush(&mut self) -> io::Result<()>;
    /// Lets go of what lies there, as far as it can.
    fn discard(&mut self, offset: u64, length: u64) -> io::Result<()>;
}

/// Why a conversation ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum NbdError {
    /// The other end breaks the rules.
    #[error("the client breaks the rules of NBD: {0}")]
    Broken(&'static str),
    /// The stream broke.
    #[error("the stream to the client: {0}")]
    Stream(#[from] io::Error),
}

const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

/// Handshake flags, of both ends: fixed new style, and no 124 zeros.
const FIXED: u16 = 1;
const NO_ZEROES: u16 = 2;
/// Transmission flags: they are there, flush is known, and blocks can be given back.
const FLAGS: u16 = 1 | 1 << 2 | 1 << 5;

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUP: u32 = 1 << 31 | 1;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;

const EIO: u32 = 5;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;

/// Bytes of the smallest unit, and the largest request.
const BLOCK: u32 = 512;
const MAX_REQUEST: u32 = 1 << 20;
/// Most bytes of an option: a name has at most 4096.
const MAX_OPTION: u32 = 8192;
/// Most options of a handshake.
const MAX_OPTIONS: usize = 64;

/// Serves one client until it goes away.
///
/// # Errors
/// It broke the rules, or the stream broke.
pub fn serve(stream: &mut (impl Read + Write), export: &mut impl Export) -> Result<(), NbdError> {
    if !handshake(stream, export.size())? {
        return Ok(());
    }
    let mut buffer = vec![0; MAX_REQUEST as usize];
    while let Some(request) = Request::read(stream)? {
        let error = match request.kind {
            READ | WRITE if request.length > MAX_REQUEST => {
                return Err(NbdError::Broken("a request is too long"));
            }
            READ => match request.range(export.size()) {
                Some(length) => match status(export.read(&mut buffer[..length], request.offset)) {
                    0 => {
                        reply(stream, 0, request.cookie, &buffer[..length])?;
                        continue;
                    }
                    error => error,
                },
                None => EINVAL,
            },
            WRITE => {
                let data = &mut buffer[..request.length as usize];
                stream.read_exact(data)?;
                match request.range(export.size()) {
                    Some(_) => status(export.write(data, request.offset)),
                    None => EINVAL,
                }
            }
            FLUSH => status(export.flush()),
            TRIM => match request.range(export.size()) {
                Some(length) => status(export.discard(request.offset, length as u64)),
                None => EINVAL,
            },
            DISCONNECT => return Ok(()),
            // It was told what there is.
            _ => EINVAL,
        };
        reply(stream, error, request.cookie, &[])?;
    }
    Ok(())
}

fn status(result: io::Result<()>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            tracing::debug!(%error, "a request failed");
            if error.kind() == io::ErrorKind::StorageFull { ENOSPC } else { EIO }
        }
    }
}

/// True if requests follow.
fn handshake(stream: &mut (impl Read + Write), size: u64) -> Result<bool, NbdError> {
    let mut hello = Vec::new();
    hello.extend(GREETING.to_be_bytes());
    hello.extend(OPTION.to_be_bytes());
    hello.extend((FIXED | NO_ZEROES).to_be_bytes());
    stream.write_all(&hello)?;
    let flags = u32::from_be_bytes(take(stream)?);
    if flags & u32::from(FIXED) == 0 || flags & !u32::from(FIXED | NO_ZEROES) != 0 {
        return Err(NbdError::Broken("flags that were not offered"));
    }
    for _ in 0..MAX_OPTIONS {
        if u64::from_be_bytes(take(stream)?) != OPTION {
            return Err(NbdError::Broken("an option without its mark"));
        }
        let option = u32::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?);
        if length > MAX_OPTION {
            return Err(NbdError::Broken("an option is too long"));
        }
        // There is one export, whatever name is asked for.
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data)?;
        match option {
            OPT_EXPORT_NAME => {
                let mut answer = size.to_be_bytes().to_vec();
                answer.extend(FLAGS.to_be_bytes());
                if flags & u32::from(NO_ZEROES) == 0 {
                    answer.extend([0; 124]);
                }
                stream.write_all(&answer)?;
                return Ok(true);
            }
            OPT_INFO | OPT_GO => {
                let mut export = INFO_EXPORT.to_be_bytes().to_vec();
                export.extend(size.to_be_bytes());
                export.extend(FLAGS.to_be_bytes());
                answer(stream, option, REP_INFO, &export)?;
                let mut blocks = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
                for bytes in [BLOCK, 4096, MAX_REQUEST] {
                    blocks.extend(bytes.to_be_bytes());
                }
                answer(stream, option, REP_INFO, &blocks)?;
                answer(stream, option, REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(true);
                }
            }
            OPT_ABORT => {
                answer(stream, option, REP_ACK, &[])?;
                return Ok(false);
            }
            _ => answer(stream, option, REP_ERR_UNSUP, &[])?,
        }
    }
    Err(NbdError::Broken("too many options"))
}

fn take<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], NbdError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn answer(stream: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> Result<(), NbdError> {
    let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
    for number in [option, kind, data.len() as u32] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(data);
    Ok(stream.write_all(&bytes)?)
}

fn reply(stream: &mut impl Write, error: u32, cookie: [u8; 8], data: &[u8]) -> Result<(), NbdError> {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&REPLY.to_be_bytes());
    bytes[4..8].copy_from_slice(&error.to_be_bytes());
    bytes[8..].copy_from_slice(&cookie);
    stream.write_all(&bytes)?;
    Ok(stream.write_all(data)?)
}

#[derive(Debug)]
struct Request {
    kind: u16,
    /// Given back in the reply.
    cookie: [u8; 8],
    offset: u64,
    length: u32,
}

impl Request {
    /// `None` at the end of the stream.
    fn read(stream: &mut impl Read) -> Result<Option<Self>, NbdError> {
        let mut bytes = [0; 28];
        loop {
            match stream.read(&mut bytes[..1]) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        stream.read_exact(&mut bytes[1..])?;
        let mut from = &bytes[..];
        let magic = u32::from_be_bytes(take(&mut from)?);
        let flags = u16::from_be_bytes(take(&mut from)?);
        if magic != REQUEST || flags != 0 {
            return Err(NbdError::Broken("no request, or one with flags that were not offered"));
        }
        Ok(Some(Self {
            kind: u16::from_be_bytes(take(&mut from)?),
            cookie: take(&mut from)?,
            offset: u64::from_be_bytes(take(&mut from)?),
            length: u32::from_be_bytes(take(&mut from)?),
        }))
    }

    /// Its length, if it is whole blocks inside.
    fn range(&self, size: u64) -> Option<usize> {
        let end = self.offset.checked_add(u64::from(self.length))?;
        let whole = self.offset.is_multiple_of(u64::from(BLOCK)) && self.length.is_multiple_of(BLOCK);
        (whole && self.length > 0 && end <= size).then_some(self.length as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, thread};

    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = 8192;

    struct Memory {
        bytes: Vec<u8>,
        flushed: usize,
        full: bool,
    }

    impl Export for Memory {
        fn size(&self) -> u64 {
            self.bytes.len() as u64
        }
        fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<()> {
            into.copy_from_slice(&self.bytes[offset as usize..][..into.len()]);
            Ok(())
        }
        fn write(&mut self, from: &mut [u8], offset: u64) -> io::Result<()> {
            if self.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes[offset as usize..][..from.len()].copy_from_slice(from);
            Ok(())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.flushed += 1;
            Ok(())
        }
        fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
            self.bytes[offset as usize..][..length as usize].fill(0);
            Ok(())
        }
    }

    /// Serves in a thread what `client` asks for.
    fn with(full: bool, client: impl FnOnce(&mut UnixStream)) -> (Memory, Result<(), NbdError>) {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut bytes = Memory { bytes: vec![0; SIZE], flushed: 0, full };
            let result = serve(&mut theirs, &mut bytes);
            (bytes, result)
        });
        client(&mut ours);
        drop(ours);
        server.join().unwrap()
    }

    fn greet(stream: &mut UnixStream) {
        let hello: [u8; 18] = take(stream).unwrap();
        assert_eq!(&hello[..16], b"NBDMAGICIHAVEOPT");
        stream.write_all(&3u32.to_be_bytes()).unwrap();
    }

    fn option(stream: &mut UnixStream, number: u32, data: &[u8]) {
        stream.write_all(&OPTION.to_be_bytes()).unwrap();
        stream.write_all(&number.to_be_bytes()).unwrap();
        stream.write_all(&(data.len() as u32).to_be_bytes()).unwrap();
        stream.write_all(data).unwrap();
    }

    fn answered(stream: &mut UnixStream) -> (u32, u32, Vec<u8>) {
        assert_eq!(u64::from_be_bytes(take(stream).unwrap()), OPTION_REPLY);
        let option = u32::from_be_bytes(take(stream).unwrap());
        let kind = u32::from_be_bytes(take(stream).unwrap());
        let mut data = vec![0; u32::from_be_bytes(take(stream).unwrap()) as usize];
        stream.read_exact(&mut data).unwrap();
        (option, kind, data)
    }

    fn go(stream: &mut UnixStream) {
        greet(stream);
        // What QEMU asks for first, and does without.
        option(stream, 8, &[]);
        assert_eq!(answered(stream), (8, REP_ERR_UNSUP, vec![]));
        option(stream, OPT_GO, &[0; 6]);
        let (_, kind, export) = answered(stream);
        assert_eq!((kind, export.len()), (REP_INFO, 12));
        assert_eq!(export[2..10], (SIZE as u64).to_be_bytes());
        assert_eq!(answered(stream).2.len(), 14);
        assert_eq!(answered(stream), (OPT_GO, REP_ACK, vec![]));
    }

    fn request(stream: &mut UnixStream, kind: u16, offset: u64, length: u32, data: &[u8]) {
        stream.write_all(&REQUEST.to_be_bytes()).unwrap();
        stream.write_all(&[0; 2]).unwrap();
        stream.write_all(&kind.to_be_bytes()).unwrap();
        stream.write_all(b"a cookie").unwrap();
        stream.write_all(&offset.to_be_bytes()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(data).unwrap();
    }

    fn error(stream: &mut UnixStream) -> u32 {
        assert_eq!(u32::from_be_bytes(take(stream).unwrap()), REPLY);
        let error = u32::from_be_bytes(take(stream).unwrap());
        assert_eq!(take::<8>(stream).unwrap(), *b"a cookie");
        error
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, result) = with(false, |stream| {
            go(stream);
            request(stream, WRITE, 1024, 512, &[7; 512]);
            assert_eq!(error(stream), 0);
            request(stream, FLUSH, 0, 0, &[]);
            assert_eq!(error(stream), 0);
            request(stream, READ, 512, 1024, &[]);
            assert_eq!(error(stream), 0);
            assert_eq!(take::<512>(stream).unwrap(), [0; 512]);
            assert_eq!(take::<512>(stream).unwrap(), [7; 512]);
            request(stream, DISCONNECT, 0, 0, &[]);
        });
        assert!(result.is_ok() && bytes.flushed == 1 && bytes.bytes[1024..1536] == [7; 512]);
    }

    #[test]
    fn an_old_client_and_one_that_changes_its_mind() {
        let (_, result) = with(false, |stream| {
            greet(stream);
            option(stream, OPT_EXPORT_NAME, b"x");
            assert_eq!(u64::from_be_bytes(take(stream).unwrap()), SIZE as u64);
            assert_eq!(u16::from_be_bytes(take(stream).unwrap()), FLAGS);
            request(stream, READ, 0, 512, &[]);
            assert_eq!(error(stream), 0);
            assert_eq!(take::<512>(stream).unwrap(), [0; 512]);
        });
        assert!(result.is_ok());
        let (_, result) = with(false, |stream| {
            greet(stream);
            option(stream, OPT_ABORT, &[]);
            assert_eq!(answered(stream).1, REP_ACK);
        });
        assert!(result.is_ok());
    }

    #[test]
    fn requests_outside_are_refused_and_the_next_one_is_served() {
        let (_, result) = with(false, |stream| {
            go(stream);
            let size = SIZE as u64;
            for (offset, length) in
                [(size, 512), (size - 512, 1024), (1, 512), (0, 511), (0, 0), (u64::MAX - 511, 512)]
            {
                for kind in [READ, TRIM] {
                    request(stream, kind, offset, length, &[]);
                    assert_eq!(error(stream), EINVAL, "{offset} {length}");
                }
                request(stream, WRITE, offset, length, &vec![1; length as usize]);
                assert_eq!(error(stream), EINVAL, "{offset} {length}");
            }
            request(stream, 99, 0, 512, &[]);
            assert_eq!(error(stream), EINVAL);
            request(stream, READ, 0, 512, &[]);
            assert_eq!(error(stream), 0);
            assert_eq!(take::<512>(stream).unwrap(), [0; 512]);
        });
        assert!(result.is_ok());
    }

    #[test]
    fn blocks_are_given_back() {
        let mut bytes = 3u32.to_be_bytes().to_vec();
        bytes.extend(OPTION.to_be_bytes());
        bytes.extend([&OPT_GO.to_be_bytes()[..], &[0; 4]].concat());
        for (offset, length) in [(512u64, 1024u32), (SIZE as u64 - 512, 1024), (1, 512)] {
            bytes.extend([&REQUEST.to_be_bytes()[..], &[0; 2], &TRIM.to_be_bytes(), &[1; 8]].concat());
            bytes.extend([&offset.to_be_bytes()[..], &length.to_be_bytes()].concat());
        }
        let mut export = Memory { bytes: vec![7; SIZE], flushed: 0, full: false };
        serve(&mut Fixed(&bytes), &mut export).unwrap();
        let given_back: Vec<_> = (0..SIZE).filter(|at| export.bytes[*at] == 0).collect();
        assert_eq!(given_back, (512..1536).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_disk_is_said() {
        let (_, result) = with(true, |stream| {
            go(stream);
            request(stream, WRITE, 0, 512, &[1; 512]);
            assert_eq!(error(stream), ENOSPC);
        });
        assert!(result.is_ok());
    }

    #[test]
    fn broken_rules_end_it() {
        let ends = |client: fn(&mut UnixStream)| matches!(with(false, client).1, Err(NbdError::Broken(_)));
        assert!(ends(|stream| {
            go(stream);
            request(stream, WRITE, 0, MAX_REQUEST + 512, &[]);
        }));
        assert!(ends(|stream| {
            go(stream);
            stream.write_all(&[0; 28]).unwrap();
        }));
        assert!(ends(|stream| {
            greet(stream);
            stream.write_all(&OPTION.to_be_bytes()).unwrap();
            stream.write_all(&[0xff; 8]).unwrap();
        }));
        assert!(ends(|stream| {
            let _: [u8; 18] = take(stream).unwrap();
            stream.write_all(&[0xff; 4]).unwrap();
        }));
        assert!(ends(|stream| {
            greet(stream);
            // Each answer is read: a stream that is closed over unread ones breaks at the other end.
            for _ in 0..MAX_OPTIONS {
                option(stream, 3, &[]);
                answered(stream);
            }
        }));
    }

    /// A stream that gives fixed bytes and forgets what it is told.
    struct Fixed<'a>(&'a [u8]);

    impl Read for Fixed<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Fixed<'_> {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            Ok(from.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(
            begun: bool,
            requests in prop::collection::vec((0u16..6, prop_oneof![0u64..20_000, any::<u64>()], 0u32..3000), 0..8),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = Vec::new();
            if begun {
                bytes.extend(3u32.to_be_bytes());
                bytes.extend(OPTION.to_be_bytes());
                bytes.extend(OPT_GO.to_be_bytes());
                bytes.extend([0; 4]);
            }
            for (kind, offset, length) in requests {
                bytes.extend(REQUEST.to_be_bytes());
                bytes.extend([0; 2]);
                bytes.extend(kind.to_be_bytes());
                bytes.extend([1; 8]);
                bytes.extend(offset.to_be_bytes());
                bytes.extend(length.to_be_bytes());
                bytes.resize(bytes.len() + if kind == WRITE { length as usize } else { 0 }, 9);
            }
            bytes.extend(rest);
            let mut export = Memory { bytes: vec![0; SIZE], flushed: 0, full: false };
            let _ = serve(&mut Fixed(&bytes), &mut export);
            prop_assert_eq!(export.bytes.len(), SIZE);
        }
    }
}
