//! The ports by which a guest ends: sleep, reset and panic. Pure.

use crate::vmm::{Exit, layout};

/// Sleep control register: sleep type in bits 2 to 4, then "enter it" in bit 5.
const SLEEP_ENABLE: u8 = 1 << 5;

/// What a guest may tell of its panic.
const PANICKED: u8 = 1;
const CRASH_LOADED: u8 = 2;

/// Remembers a panic until the guest ends.
#[derive(Debug, Default)]
pub struct Power {
    panicked: bool,
}

impl Power {
    /// A guest writes `untrusted_value` to `port`. Says if this ends the machine.
    pub fn write(&mut self, port: u16, untrusted_value: u8) -> Option<Exit> {
        match port {
            layout::SLEEP_CONTROL => {
                let off = untrusted_value >> 2 & 7 == layout::SLEEP_TYPE_OFF;
                (off && untrusted_value & SLEEP_ENABLE != 0).then(|| self.ended(Exit::PowerOff))
            }
            layout::RESET => (untrusted_value == layout::RESET_VALUE).then(|| self.ended(Exit::Reset)),
            layout::PVPANIC => {
                // It may stay in the panic for ever, so it is ended here.
                self.panicked |= untrusted_value & PANICKED != 0;
                self.panicked.then_some(Exit::Panic)
            }
            _ => None,
        }
    }

    /// A guest reads from `port`; `None` if there is nothing.
    pub fn read(&self, port: u16) -> Option<u8> {
        match port {
            // Woken, or never asleep.
            layout::SLEEP_CONTROL | layout::SLEEP_STATUS | layout::RESET => Some(0),
            // What it may tell.
            layout::PVPANIC => Some(PANICKED | CRASH_LOADED),
            _ => None,
        }
    }

    /// The processor gave up.
    pub fn triple_fault(&self) -> Exit {
        self.ended(Exit::TripleFault)
    }

    fn ended(&self, how: Exit) -> Exit {
        if self.panicked { Exit::Panic } else { how }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_values_end_the_machine() {
        let mut power = Power::default();
        for port in [layout::SLEEP_CONTROL, layout::SLEEP_STATUS, layout::RESET, 0x80] {
            for value in 0..=u8::MAX {
                let expected = match (port, value) {
                    (layout::SLEEP_CONTROL, value) if value & 0b11_1100 == 5 << 2 | 1 << 5 => {
                        Some(Exit::PowerOff)
                    }
                    (layout::RESET, layout::RESET_VALUE) => Some(Exit::Reset),
                    _ => None,
                };
                assert_eq!(power.write(port, value), expected, "{port:#x} {value:#x}");
            }
        }
        assert_eq!(power.write(layout::PVPANIC, CRASH_LOADED), None);
        assert_eq!(power.write(layout::PVPANIC, PANICKED), Some(Exit::Panic));
        assert_eq!(power.triple_fault(), Exit::Panic);
    }
}
