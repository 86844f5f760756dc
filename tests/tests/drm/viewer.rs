//! A viewer of one output, by RFB (RFC 6143): plugs its monitor in and out by giving it a size.

use std::{
    io::{Read, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

/// The pseudo-encoding `ExtendedDesktopSize`.
const EXTENDED_DESKTOP_SIZE: i32 = -308;

pub(crate) struct Viewer(UnixStream);

impl Viewer {
    pub(crate) fn connect(path: &Path) -> Self {
        let mut viewer = Self(UnixStream::connect(path).unwrap());
        viewer.skip(12);
        viewer.send(b"RFB 003.008\n");
        // One kind of security is on offer: none. It says that it is satisfied.
        viewer.skip(2);
        viewer.send(&[1]);
        viewer.skip(4);
        viewer.send(&[1]);
        let [.., a, b, c, d] = viewer.skip(24)[..] else { unreachable!() };
        viewer.skip(u32::from_be_bytes([a, b, c, d]) as usize);
        viewer.send(&[&[2, 0, 0, 1][..], &EXTENDED_DESKTOP_SIZE.to_be_bytes()].concat());
        viewer
    }

    fn skip(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Gives the output's monitor a size; none: takes it away.
    pub(crate) fn size(&mut self, size: Option<(u16, u16)>) {
        let (width, height) = size.unwrap_or((0, 0));
        let [width, height] = [width, height].map(u16::to_be_bytes);
        // One screen, from the corner, of that size.
        let message = [&[251, 0][..], &width, &height, &[1, 0], &[0; 8], &width, &height, &[0; 4]].concat();
        self.send(&message);
    }
}
