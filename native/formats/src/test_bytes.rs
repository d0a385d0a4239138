//! Deterministic damage for the tests of the parsers.

/// xorshift64: the same damage on every run and machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// `count` damaged copies: cut, with bytes changed, removed, repeated, or digits and punctuation exchanged.
pub fn mutations(original: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    const TOKENS: &[u8] = b"0123456789-{}[],:\"\\e.ntf \x00\xff";
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..count).map(move |_| {
        let mut bytes = original.to_vec();
        for _ in 0..=random.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = random.below(bytes.len());
            match random.below(6) {
                0 => bytes.truncate(at),
                1 => bytes[at] = random.below(256) as u8,
                2 => bytes[at] = TOKENS[random.below(TOKENS.len())],
                3 => {
                    bytes.remove(at);
                }
                4 => bytes.insert(at, TOKENS[random.below(TOKENS.len())]),
                _ => {
                    let end = (at + random.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    })
}
