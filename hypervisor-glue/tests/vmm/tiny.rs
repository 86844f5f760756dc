//! A kernel of a few bytes: a bzImage by its header, with our own code at the 64-bit entry. It runs
//! even where KVM interprets every instruction and a real kernel would not get far.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
};

/// Code for the 64-bit entry.
#[derive(Debug, Default)]
pub(crate) struct Code(Vec<u8>);

impl Code {
    /// Writes a byte to a port.
    pub(crate) fn out(mut self, port: u16, value: u8) -> Self {
        // mov dx, port; mov al, value; out dx, al
        self.0.extend([0x66, 0xba, port as u8, (port >> 8) as u8, 0xb0, value, 0xee]);
        self
    }

    /// Writes text to the serial console.
    pub(crate) fn say(self, text: &str) -> Self {
        text.bytes().fold(self, |code, byte| code.out(0x3f8, byte))
    }

    /// Halts for ever.
    pub(crate) fn halt(mut self) -> Self {
        // cli; hlt; jmp to hlt
        self.0.extend([0xfa, 0xf4, 0xeb, 0xfd]);
        self
    }

    /// Runs in circles for ever.
    pub(crate) fn spin(mut self) -> Self {
        // jmp to itself
        self.0.extend([0xeb, 0xfe]);
        self
    }

    /// Begins anew, for ever.
    pub(crate) fn repeat(mut self) -> Self {
        // jmp to the first byte
        let back = -(self.0.len() as i32 + 5);
        self.0.push(0xe9);
        self.0.extend(back.to_le_bytes());
        self
    }

    /// An undefined instruction, without a handler for it, for the handler of that, and so on.
    pub(crate) fn fault(mut self) -> Self {
        self.0.extend([0x0f, 0x0b]);
        self
    }

    /// The file.
    pub(crate) fn kernel(self) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; 1024 + 0x200 + self.0.len().next_multiple_of(16)];
        let size = (bytes.len() - 1024) as u32;
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0x1f1, &[1]); // one sector of setup code
        put(0x1f4, &(size / 16).to_le_bytes());
        put(0x202, b"HdrS");
        put(0x206, &0x020f_u16.to_le_bytes());
        put(0x211, &[1]); // loaded high
        put(0x214, &0x10_0000_u32.to_le_bytes());
        put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
        put(0x236, &1_u16.to_le_bytes()); // has a 64-bit entry
        put(0x258, &0x10_0000_u64.to_le_bytes());
        put(0x260, &0x10_0000_u32.to_le_bytes());
        put(1024 + 0x200, &self.0);
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }
}
