//! A Hugging Face `tokenizer.json`: texts to ids, and the layout of special tokens around them.
//!
//! Rows are encoded one after another: `encode_batch` would start rayon's pool, and the engine's own threads call from
//! outside instead.

use crate::offsets::Utf16Offsets;
use crate::special_tokens::LiteralSpecialTokens;
use crate::status::{Failure, Status};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserialize;
use tokenizers::models::bpe::BPE;
use tokenizers::{ModelWrapper, OffsetType, Tokenizer};

pub const LITERAL_SPECIAL_TOKENS: u32 = 1;
pub const ENCODE_OFFSETS: u32 = 1;

/// The Unigram model keeps its pieces in a tree that is freed recursively, a level a byte: a longer piece could
/// overflow the stack, which no guard can catch. Real pieces are some tens of bytes long.
const MAX_PIECE_BYTES: usize = 1024;

/// Offsets inside the crate are 32-bit in places.
const MAX_TEXT_BYTES: usize = u32::MAX as usize;

#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    Special = 0,
    A = 1,
    B = 2,
}

/// Layout equals `cr_piece`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: PieceKind,
    pub id: u32,
    pub type_id: u32,
}

#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    pub ids: Vec<u32>,
    /// Where each token begins and ends in its text, in UTF-16 code units; empty unless they were asked for.
    pub starts: Vec<u32>,
    pub ends: Vec<u32>,
    /// One more than there are rows.
    pub row_starts: Vec<u64>,
}

pub struct Handle {
    tokenizer: Tokenizer,
    literal: Option<LiteralSpecialTokens>,
    vocab_size: usize,
    single: Result<Vec<Piece>, Failure>,
    pair: Result<Vec<Piece>, Failure>,
}

impl Handle {
    pub fn load(json: &[u8], flags: u32) -> Result<Self, Failure> {
        let outline = Outline::read(json)?;
        let mut tokenizer =
            Tokenizer::from_bytes(json).map_err(|error| not_a_tokenizer(&error.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| not_a_tokenizer(&error.to_string()))?;
        switch_off_dropout(&mut tokenizer);
        let literal = (flags & LITERAL_SPECIAL_TOKENS != 0).then(|| {
            tokenizer.set_encode_special_tokens(true);
            LiteralSpecialTokens::of(&tokenizer, outline.model.unk_id)
        });
        Ok(Self {
            vocab_size: tokenizer.get_vocab_size(true),
            single: probe_template(&tokenizer, false),
            pair: probe_template(&tokenizer, true),
            tokenizer,
            literal,
        })
    }

    pub fn encode<'a>(
        &self,
        texts: impl ExactSizeIterator<Item = &'a [u8]>,
        flags: u32,
    ) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        batch.row_starts.reserve(texts.len() + 1);
        batch.row_starts.push(0);
        for (index, bytes) in texts.enumerate() {
            self.encode_one(bytes, flags & ENCODE_OFFSETS != 0, &mut batch)
                .map_err(|failure| failure.at(index))?;
            batch.row_starts.push(batch.ids.len() as u64);
        }
        Ok(batch)
    }

    fn encode_one(&self, bytes: &[u8], with_offsets: bool, batch: &mut Batch) -> Result<(), Failure> {
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(Failure::new(
                Status::InvalidArgument,
                format!("it has {} bytes, but 4 GiB is the limit", bytes.len()),
            ));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Failure::new(Status::InvalidUtf8, format!("it is not UTF-8 ({error})")))?;
        let not_encoded = |error: tokenizers::Error| {
            Failure::new(Status::Encode, format!("it cannot be encoded ({error})"))
        };
        let mut encoding = if with_offsets {
            self.tokenizer.encode(text, false)
        } else {
            self.tokenizer.encode_fast(text, false)
        }
        .map_err(not_encoded)?;
        if let Some(literal) = &self.literal {
            if encoding.get_ids().iter().any(|id| literal.forbids(*id)) {
                let offsets = if with_offsets {
                    OffsetType::Byte
                } else {
                    OffsetType::None
                };
                encoding = literal
                    .encode(&self.tokenizer, text, offsets)
                    .map_err(not_encoded)?;
            }
        }
        batch.ids.extend_from_slice(encoding.get_ids());
        if with_offsets {
            let utf16 = Utf16Offsets::of(text);
            for offsets in encoding.get_offsets() {
                let (start, end) = utf16.convert(*offsets);
                batch.starts.push(start);
                batch.ends.push(end);
            }
        }
        Ok(())
    }

    pub fn template(&self, pair: bool) -> Result<&[Piece], Failure> {
        let template = if pair { &self.pair } else { &self.single };
        template.as_deref().map_err(Clone::clone)
    }

    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }
}

fn not_a_tokenizer(reason: &str) -> Failure {
    Failure::new(
        Status::Malformed,
        format!("not a valid Hugging Face tokenizer.json ({reason}); download the file again"),
    )
}

/// BPE dropout is a training aid: it would make the ids of a text random.
fn switch_off_dropout(tokenizer: &mut Tokenizer) {
    if let ModelWrapper::BPE(BPE { dropout: Some(_), .. }) = tokenizer.get_model() {
        let mut model = tokenizer.get_model().clone();
        if let ModelWrapper::BPE(bpe) = &mut model {
            bpe.dropout = None;
        }
        tokenizer.with_model(model);
    }
}

/// Reads the layout off the encoding of probe texts: every kind of post-processor is asked the same way.
fn probe_template(tokenizer: &Tokenizer, pair: bool) -> Result<Vec<Piece>, Failure> {
    // A text that gives no token leaves no trace of its place; some tokenizer may know none of the first.
    const PROBES: [(&str, &str); 5] = [("a", "b"), ("1", "2"), ("the", "of"), ("A.", "B."), ("中", "文")];
    let expected: &[PieceKind] = if pair {
        &[PieceKind::A, PieceKind::B]
    } else {
        &[PieceKind::A]
    };
    let mut last = None;
    for (first, second) in PROBES {
        let encoding = if pair {
            tokenizer.encode((first, second), true)
        } else {
            tokenizer.encode(first, true)
        }
        .map_err(|error| unusual(&format!("a probe text cannot be encoded: {error}")))?;
        let sequences = encoding.get_sequence_ids();
        let mut pieces: Vec<Piece> = Vec::new();
        let tokens = encoding.get_ids().iter().zip(encoding.get_type_ids());
        for (sequence, (id, type_id)) in sequences.iter().zip(tokens) {
            let kind = match sequence {
                None => PieceKind::Special,
                Some(0) => PieceKind::A,
                Some(_) => PieceKind::B,
            };
            let text = kind != PieceKind::Special;
            let previous = pieces.last().filter(|previous| text && previous.kind == kind);
            if let Some(previous) = previous {
                if previous.type_id != *type_id {
                    return Err(unusual("the tokens of one text have different type ids"));
                }
                continue;
            }
            pieces.push(Piece {
                kind,
                id: if text { 0 } else { *id },
                type_id: *type_id,
            });
        }
        let places: Vec<PieceKind> = pieces
            .iter()
            .map(|piece| piece.kind)
            .filter(|kind| *kind != PieceKind::Special)
            .collect();
        if places == expected {
            return Ok(pieces);
        }
        last = Some(places);
    }
    let wanted = if pair {
        "the first and then the second text"
    } else {
        "the text"
    };
    let found = last.map_or(String::new(), |places| format!("{places:?}"));
    Err(unusual(&format!(
        "it should place {wanted} once, but places {found}"
    )))
}

fn unusual(reason: &str) -> Failure {
    Failure::new(
        Status::Unsupported,
        format!("its post_processor lays out texts in a way that crossrank cannot use: {reason}"),
    )
}

/// What must be known about the file before the crate builds a model of it.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    model: ModelOutline,
}

#[derive(Default, Deserialize)]
struct ModelOutline {
    #[serde(default)]
    unk_id: Option<u32>,
    #[serde(default, rename = "vocab")]
    _vocab: Vocab,
}

impl Outline {
    fn read(json: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(json).map_err(|error| not_a_tokenizer(&error.to_string()))
    }
}

/// Checks the length of Unigram pieces (`[["piece", score], ...]`); the maps of other models hold nothing to check.
#[derive(Default)]
struct Vocab;

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VocabVisitor;

        impl<'de> Visitor<'de> for VocabVisitor {
            type Value = Vocab;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a vocabulary")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Vocab, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Vocab)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut pieces: S) -> Result<Vocab, S::Error> {
                while pieces.next_element::<(ShortPiece, IgnoredAny)>()?.is_some() {}
                Ok(Vocab)
            }
        }

        deserializer.deserialize_any(VocabVisitor)
    }
}

struct ShortPiece;

impl<'de> Deserialize<'de> for ShortPiece {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PieceVisitor;

        impl Visitor<'_> for PieceVisitor {
            type Value = ShortPiece;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a piece of the vocabulary")
            }

            fn visit_str<E: serde::de::Error>(self, piece: &str) -> Result<ShortPiece, E> {
                if piece.len() > MAX_PIECE_BYTES {
                    return Err(E::custom(format!(
                        "a piece of the vocabulary has {} bytes, the limit is {MAX_PIECE_BYTES}",
                        piece.len()
                    )));
                }
                Ok(ShortPiece)
            }
        }

        deserializer.deserialize_str(PieceVisitor)
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
