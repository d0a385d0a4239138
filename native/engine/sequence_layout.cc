#include "engine/sequence_layout.h"

#include <string>

#include "common/error.h"

namespace crossrank {

SequenceLayout::SequenceLayout(PairTemplate pair_template, const Rules& rules)
    : template_(std::move(pair_template)), rules_(rules) {
  for (const TemplatePiece& piece : template_) {
    if (piece.kind == TemplatePiece::Kind::kSpecial) {
      special_tokens_++;
      const uint32_t id = piece.id;
      CheckTokens({&id, 1});
    }
    if (rules_.type_vocab_size > 1 && piece.type_id >= rules_.type_vocab_size) {
      throw Error(ErrorCode::kModelInvalid, "tokenizer.json gives token type " +
                                                std::to_string(piece.type_id) + " but the model has " +
                                                std::to_string(rules_.type_vocab_size));
    }
  }
  if (special_tokens_ == 0) {
    throw Error(
        ErrorCode::kModelInvalid,
        "tokenizer.json puts no special tokens around a text, as every model that is known here needs; its "
        "post_processor is missing");
  }
  if (special_tokens_ + 2 > rules_.max_tokens) {
    throw Error(ErrorCode::kModelInvalid, "the model's length of " + std::to_string(rules_.max_tokens) +
                                              " tokens leaves no room beside " +
                                              std::to_string(special_tokens_) + " special tokens");
  }
}

void SequenceLayout::CheckTokens(Span<const uint32_t> tokens) const {
  if (rules_.vocab_size == 0) return;
  for (const uint32_t id : tokens) {
    if (id >= rules_.vocab_size) {
      throw Error(ErrorCode::kModelInvalid, "tokenizer.json gives token id " + std::to_string(id) +
                                                " but the model has " + std::to_string(rules_.vocab_size) +
                                                " embeddings; tokenizer and weights are of different models");
    }
  }
}

void SequenceLayout::AppendToken(uint32_t id, uint32_t type, SequenceBatch& batch,
                                 int32_t& next_position) const {
  batch.ids.push_back(static_cast<int32_t>(id));
  // A model with a single type was trained without them, whatever the template says (RoBERTa).
  batch.type_ids.push_back(rules_.type_vocab_size > 1 ? static_cast<int32_t>(type) : 0);
  const bool padding = rules_.positions_follow_padding && static_cast<int32_t>(id) == rules_.padding_id;
  batch.position_ids.push_back(padding ? rules_.padding_id : next_position++);
}

void SequenceLayout::Append(Span<const uint32_t> query, Span<const uint32_t> document, PairLengths lengths,
                            SequenceBatch& batch) const {
  int32_t next_position = rules_.positions_follow_padding ? rules_.padding_id + 1 : 0;
  for (const TemplatePiece& piece : template_) {
    if (piece.kind == TemplatePiece::Kind::kSpecial) {
      AppendToken(piece.id, piece.type_id, batch, next_position);
      continue;
    }
    const bool is_query = piece.kind == TemplatePiece::Kind::kFirst;
    const Span<const uint32_t> all = is_query ? query : document;
    const size_t keep = is_query ? lengths.query : lengths.document;
    const Span<const uint32_t> kept = all.subspan(rules_.cut_left ? all.size() - keep : 0, keep);
    for (const uint32_t id : kept) AppendToken(id, piece.type_id, batch, next_position);
  }
  batch.offsets.push_back(static_cast<int32_t>(batch.ids.size()));
}

}  // namespace crossrank
