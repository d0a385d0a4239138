// How a pair of token lists, or a document by itself, becomes one sequence of this model: special tokens,
// type ids, position ids.
#pragma once

#include <cstdint>

#include "common/span.h"
#include "engine/truncation.h"
#include "model/model_spec.h"
#include "runtime/session.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

class SequenceLayout {
 public:
  struct Rules {
    size_t max_tokens;              // of a whole sequence
    size_t vocab_size;              // ids are below; 0: not known (exported graphs check themselves)
    size_t type_vocab_size;         // 0: the model takes no type ids
    bool cut_left;                  // tokenizer_config.json: truncation_side
    bool positions_follow_padding;  // see ModelSpec
    int32_t padding_id;
  };

  SequenceLayout(PairTemplate pair_template, const Rules& rules);

  size_t max_tokens() const { return rules_.max_tokens; }
  size_t special_tokens() const { return special_tokens_; }
  bool cut_left() const { return rules_.cut_left; }

  // Appends the pair, cut to `lengths`.
  void Append(Span<const uint32_t> query, Span<const uint32_t> document, PairLengths lengths,
              SequenceBatch& batch) const;

  // Throws kModelInvalid for a token the model has no embedding for.
  void CheckTokens(Span<const uint32_t> tokens) const;

 private:
  void AppendToken(uint32_t id, uint32_t type, SequenceBatch& batch, int32_t& next_position) const;

  PairTemplate template_;
  Rules rules_;
  size_t special_tokens_ = 0;
};

}  // namespace crossrank
