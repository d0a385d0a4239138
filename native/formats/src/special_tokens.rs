//! Texts that spell special tokens, read literally.

use tokenizers::{Encoding, Model, ModelWrapper, OffsetType, PreTokenizer, Token, Tokenizer};

/// Ids that ordinary text must not give, sorted, and what stands in where nothing else can.
pub struct LiteralSpecialTokens {
    ids: Vec<u32>,
    unknown: Option<u32>,
}

impl LiteralSpecialTokens {
    pub fn of(tokenizer: &Tokenizer, unigram_unknown: Option<u32>) -> Self {
        let unknown = match tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => model.token_to_id(&model.unk_token),
            ModelWrapper::WordLevel(model) => model.token_to_id(&model.unk_token),
            ModelWrapper::BPE(model) => model
                .unk_token
                .as_ref()
                .and_then(|token| model.token_to_id(token)),
            ModelWrapper::Unigram(_) => unigram_unknown,
        };
        let mut ids: Vec<u32> = tokenizer
            .get_added_tokens_decoder()
            .iter()
            .filter(|(id, token)| token.special && Some(**id) != unknown)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        Self { ids, unknown }
    }

    pub fn forbids(&self, id: u32) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// `set_encode_special_tokens` only keeps the crate from looking for special tokens before the model runs. A model
    /// still finds them when they are in its own vocabulary and the pre-tokenizer left them whole: Unigram gives `</s>`
    /// of XLM-RoBERTa the best score of all. Here each word is encoded as the crate does it, but a special token in the
    /// result is cut after its first character, so that the model has to spell it.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        offsets: OffsetType,
    ) -> tokenizers::Result<Encoding> {
        let mut words = tokenizer
            .get_added_vocabulary()
            .extract_and_normalize(tokenizer.get_normalizer(), text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut words)?;
        }
        words.tokenize(|word| self.encode_word(tokenizer.get_model(), word.get(), true))?;
        tokenizer.post_process(words.into_encoding(None, 0, offsets)?, None, false)
    }

    fn encode_word(&self, model: &ModelWrapper, word: &str, may_cut: bool) -> tokenizers::Result<Vec<Token>> {
        let mut tokens = model.tokenize(word)?;
        if may_cut {
            let cuts = self.cuts(&tokens, word);
            if !cuts.is_empty() {
                return self.encode_parts(model, word, cuts);
            }
        }
        // Nothing to cut (a special token of one character), or a part of one special token spells another.
        tokens.retain_mut(|token| {
            if self.forbids(token.id) {
                match self.unknown {
                    Some(id) => token.id = id,
                    None => return false,
                }
            }
            true
        });
        Ok(tokens)
    }

    fn encode_parts(
        &self,
        model: &ModelWrapper,
        word: &str,
        cuts: Vec<usize>,
    ) -> tokenizers::Result<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut begin = 0;
        for end in cuts.into_iter().chain([word.len()]) {
            for mut token in self.encode_word(model, &word[begin..end], false)? {
                token.offsets = (token.offsets.0 + begin, token.offsets.1 + begin);
                tokens.push(token);
            }
            begin = end;
        }
        Ok(tokens)
    }

    /// Where to cut `word`: increasing places strictly inside it.
    fn cuts(&self, tokens: &[Token], word: &str) -> Vec<usize> {
        let mut cuts: Vec<usize> = Vec::new();
        for token in tokens.iter().filter(|token| self.forbids(token.id)) {
            let (begin, end) = token.offsets;
            let first = word.get(begin..end).and_then(|spelt| spelt.chars().next());
            if let Some(first) = first {
                let cut = begin + first.len_utf8();
                if cut < end && cuts.last().is_none_or(|last| *last < cut) {
                    cuts.push(cut);
                }
            }
        }
        cuts
    }
}
