//! A kernel of a few bytes: a bzImage by its header, with our own code at the 64-bit entry. It runs
//! even where KVM interprets every instruction and a real kernel would not get far.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
};

use transom_hypervisor::vmm::layout;

/// Code for the 64-bit entry.
#[derive(Debug, Default)]
pub(crate) struct Code {
    bytes: Vec<u8>,
    /// Where it goes on after [`Self::repeat`].
    begin: usize,
}

/// Where the registers of the first virtio device are.
const VIRTIO: u64 = layout::VIRTIO;
/// Queues of [`Code::echo`], and its one buffer.
const RINGS: [u64; 2] = [0x100_0000, 0x101_0000];
const BUFFER: u64 = 0x102_0000;
/// Where a queue's rings lie behind its descriptors.
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;

impl Code {
    /// Writes a byte to a port.
    pub(crate) fn out(mut self, port: u16, value: u8) -> Self {
        // mov dx, port; mov al, value; out dx, al
        self.bytes.extend([0x66, 0xba, port as u8, (port >> 8) as u8, 0xb0, value, 0xee]);
        self
    }

    /// Writes text to the serial console.
    pub(crate) fn say(self, text: &str) -> Self {
        text.bytes().fold(self, |code, byte| code.out(0x3f8, byte))
    }

    /// Halts for ever.
    pub(crate) fn halt(mut self) -> Self {
        // cli; hlt; jmp to hlt
        self.bytes.extend([0xfa, 0xf4, 0xeb, 0xfd]);
        self
    }

    /// Runs in circles for ever.
    pub(crate) fn spin(mut self) -> Self {
        // jmp to itself
        self.bytes.extend([0xeb, 0xfe]);
        self
    }

    /// Begins anew, for ever.
    pub(crate) fn repeat(mut self) -> Self {
        // jmp back
        let back = -((self.bytes.len() - self.begin) as i32 + 5);
        self.bytes.push(0xe9);
        self.bytes.extend(back.to_le_bytes());
        self
    }

    /// Writes a number to memory or a register of a device.
    fn store(mut self, address: u64, value: u32) -> Self {
        // mov rdi, address; mov dword [rdi], value
        self.bytes.extend([0x48, 0xbf]);
        self.bytes.extend(address.to_le_bytes());
        self.bytes.extend([0xc7, 0x07]);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Offers the next entry of a queue, if the device is done with all before it.
    fn offer(mut self, rings: u64) -> Self {
        // mov rdi, used; mov ax, [rdi]; mov rsi, available; cmp ax, [rsi]; jne behind; inc word [rsi]
        self.bytes.extend([0x48, 0xbf]);
        self.bytes.extend((rings + USED + 2).to_le_bytes());
        self.bytes.extend([0x66, 0x8b, 0x07, 0x48, 0xbe]);
        self.bytes.extend((rings + AVAILABLE + 2).to_le_bytes());
        self.bytes.extend([0x66, 0x3b, 0x06, 0x75, 3, 0x66, 0xff, 0x06]);
        self
    }

    /// The driver of a network card, the first device: says all the time what it heard last, in frames of
    /// 64 bytes.
    pub(crate) fn echo(self) -> Self {
        let register = |code: Self, offset, value| code.store(VIRTIO + offset, value);
        // The device is there, has a driver, and its second half of features is the new standard.
        let begin = [(0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11)];
        let mut code = begin.into_iter().fold(self, |code, (offset, value)| register(code, offset, value));
        // All entries of both rings name descriptor 0: the same buffer, to be filled and to be sent.
        for (index, (rings, length, flags)) in (0..).zip([(RINGS[0], 2000, 2), (RINGS[1], 12 + 64, 0)]) {
            for (word, value) in (0..).zip([BUFFER as u32, 0, length, flags]) {
                code = code.store(rings + word * 4, value);
            }
            code = register(register(code, 0x30, index), 0x38, 8);
            for (offset, address) in [(0x80, rings), (0x90, rings + AVAILABLE), (0xa0, rings + USED)] {
                code = register(register(code, offset, address as u32), offset + 4, 0);
            }
            code = register(code, 0x44, 1);
        }
        let mut code = register(code, 0x70, 15);
        code.begin = code.bytes.len();
        let code = RINGS.into_iter().fold(code, Self::offer);
        register(code, 0x50, 0).repeat()
    }

    /// An undefined instruction, without a handler for it, for the handler of that, and so on.
    pub(crate) fn fault(mut self) -> Self {
        self.bytes.extend([0x0f, 0x0b]);
        self
    }

    /// The file.
    pub(crate) fn kernel(self) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; 1024 + 0x200 + self.bytes.len().next_multiple_of(16)];
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
        put(1024 + 0x200, &self.bytes);
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }
}
