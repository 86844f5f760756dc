//! Choices made from bytes, so that proptest and libfuzzer can both drive and shrink them.

/// Choices from a string of bytes; when it has run out, every choice is the first one.
#[derive(Clone)]
pub(crate) struct Dice<'a> {
    data: &'a [u8],
}

impl<'a> Dice<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        *first
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n <= 256 { usize::from(self.byte()) % n } else { u32::from_le_bytes(self.bytes()) as usize % n }
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// An id from 1 to `n`.
    pub(crate) fn id(&mut self, n: usize) -> u32 {
        1 + self.below(n) as u32
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())]) }
    }

    /// Up to `most` bytes.
    pub(crate) fn blob(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        // A short string of choices repeats itself, so that long values need no long input.
        let seed: [u8; 7] = self.bytes();
        seed.iter()
            .copied()
            .cycle()
            .zip(0u8..=255)
            .map(|(a, b)| a.wrapping_add(b))
            .cycle()
            .take(length)
            .collect()
    }

    /// Text of up to `most` bytes.
    pub(crate) fn text(&mut self, most: usize) -> String {
        const SOME: [char; 12] = ['a', 'Z', '0', ' ', '\n', 'ä', 'ß', '€', '語', '🦀', '\u{202e}', '\u{301}'];
        let length = self.below(most + 1);
        let seed: [u8; 5] = self.bytes();
        let mut text = String::new();
        for at in seed.iter().cycle() {
            let next = SOME[usize::from(*at) % SOME.len()];
            if text.len() + next.len_utf8() > length {
                return text;
            }
            text.push(next);
        }
        text
    }

    /// Up to `most` MIME types.
    pub(crate) fn mime_types(&mut self, most: usize) -> Vec<String> {
        (0..self.below(most + 1)).map(|_| self.mime_type()).collect()
    }

    pub(crate) fn mime_type(&mut self) -> String {
        let length = self.below(255) + 1;
        let first = self.byte();
        (0..length).map(|at| char::from(b' ' + (first.wrapping_add(at as u8)) % 95)).collect()
    }
}
