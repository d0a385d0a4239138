//! 128 bits that stand for a text. With a key that nobody knows, nobody can make two texts share them.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

pub fn of(text: &[u8], key: [u64; 2]) -> [u64; 2] {
    let mut hasher = SipHasher24::new_with_keys(key[0], key[1]);
    hasher.write(text);
    let hash = hasher.finish128();
    [hash.h1, hash.h2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first vectors of the reference implementation (vectors.h, vectors_sip128): the key 00 01 .. 0f, the
    /// texts "", 00, 00 01.
    #[test]
    fn it_is_siphash_2_4_with_128_bits() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes = |words: [u64; 2]| [words[0].to_le_bytes(), words[1].to_le_bytes()].concat();
        let expected = [
            "a3817f04ba25a8e66df67214c7550293",
            "da87c1d86b99af44347659119b22fc45",
            "8177228da4a45dc7fca38bdef60affe4",
        ];
        for (size, expected) in expected.iter().enumerate() {
            let text: Vec<u8> = (0..size as u8).collect();
            let hex: String = bytes(of(&text, key))
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, *expected);
        }
    }

    #[test]
    fn another_key_gives_another_fingerprint() {
        assert_ne!(of(b"planet", [1, 2]), of(b"planet", [1, 3]));
    }
}
