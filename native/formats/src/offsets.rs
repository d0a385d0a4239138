//! Where tokens lie in a text, as JavaScript counts: in UTF-16 code units.

use tokenizers::Offsets;

/// Bytes between two counts that are kept: a lookup counts fewer.
const STEP: usize = 64;

/// Converts byte offsets of one text. A lookup costs the same wherever it is, in whatever order.
pub struct Utf16Offsets<'a> {
    text: &'a str,
    /// Code units before each multiple of `STEP` bytes; empty where bytes are code units.
    before: Vec<u32>,
}

impl<'a> Utf16Offsets<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut before = Vec::new();
        if !text.is_ascii() {
            let mut units = 0;
            before.reserve(text.len() / STEP + 1);
            for block in text.as_bytes().chunks(STEP) {
                before.push(units);
                units += code_units(block);
            }
            before.push(units);
        }
        Self { text, before }
    }

    /// The range of code units that holds the bytes, whole characters alone: what a tokenizer says of a text it has
    /// normalized may begin or end inside one, or outside of the text.
    pub fn convert(&self, (start, end): Offsets) -> (u32, u32) {
        let mut start = start.min(self.text.len());
        let mut end = end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        (self.code_units_before(start), self.code_units_before(end))
    }

    fn code_units_before(&self, byte: usize) -> u32 {
        if self.before.is_empty() {
            return byte as u32; // a text has less than 4 GiB
        }
        let block = byte / STEP;
        self.before[block] + code_units(&self.text.as_bytes()[block * STEP..byte])
    }
}

/// Of UTF-8: a character's first byte counts for one, that of a character beyond the basic plane for two.
fn code_units(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .map(|byte| u32::from(byte & 0xC0 != 0x80) + u32::from(*byte >= 0xF0))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of one to four bytes a character, longer than several steps.
    fn texts() -> Vec<String> {
        let mixed = "aé中👍🏽\u{0}\u{ffff}e\u{301}".repeat(40);
        vec![
            String::new(),
            "plain ".repeat(50),
            "é".repeat(64),
            "👍".repeat(33),
            mixed,
        ]
    }

    #[test]
    fn characters_are_found_where_utf_16_has_them() {
        for text in texts() {
            let offsets = Utf16Offsets::of(&text);
            let mut units = 0;
            for (byte, character) in text.char_indices() {
                let end = units + character.len_utf16() as u32;
                assert_eq!(offsets.convert((byte, byte + character.len_utf8())), (units, end));
                units = end;
            }
            assert_eq!(offsets.convert((0, text.len())), (0, units));
        }
    }

    #[test]
    fn offsets_inside_a_character_or_outside_the_text_are_mended() {
        for text in texts() {
            let offsets = Utf16Offsets::of(&text);
            let units: Vec<u16> = text.encode_utf16().collect();
            for start in 0..=text.len() + 2 {
                for end in [0, start, start + 1, start + 3, text.len(), usize::MAX] {
                    let (from, to) = offsets.convert((start, end));
                    assert!(from <= to && to as usize <= units.len());
                    assert!(String::from_utf16(&units[from as usize..to as usize]).is_ok());
                }
            }
        }
    }
}
