// One rerank or predict call on its way through the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/span.h"
#include "engine/truncation.h"
#include "model/model_spec.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

using Clock = std::chrono::steady_clock;

struct RequestOptions {
  size_t max_tokens = 0;  // of a pair; at most the model's
  Truncation truncation = Truncation::kLongestFirst;
  ScoreActivation activation = ScoreActivation::kIdentity;
  // Ranking: the best top_k of those that reach min_score. Without it all scores come back in input order.
  bool rank = true;
  size_t top_k = std::numeric_limits<size_t>::max();
  double min_score = -std::numeric_limits<double>::infinity();
};

struct RankedDocument {
  uint32_t index;  // into the request's documents
  float score;
  uint32_t tokens_lost;  // 0: the model saw the whole pair
};

struct Outcome {
  std::optional<Error> error;
  std::vector<RankedDocument> ranked;  // options.rank
  std::vector<float> scores;           // else: [pairs, labels]
  size_t pairs = 0;
  size_t tokens = 0;  // that the model computed, special tokens included
  double tokenize_ms = 0, queue_ms = 0, compute_ms = 0;
};

// The state is written by one engine thread at a time: first the lanes that tokenize (each its own texts),
// then the lane that plans, then the lanes that score (each its own logits), then the lane that finishes. The
// atomic counters hand it on.
struct Request {
  // Texts: queries first, then documents. Document d is paired with query query_of[d], or query 0 where that
  // is empty.
  std::vector<std::string> queries, documents;
  std::vector<uint32_t> query_of;
  RequestOptions options;
  std::function<void(Outcome)> done;  // called exactly once, on an engine thread

  size_t texts() const { return queries.size() + documents.size(); }

  // Tokenization
  std::vector<EncodedBatch> encoded;         // one for each slice of texts
  std::vector<Span<const uint32_t>> tokens;  // [texts], into encoded
  std::atomic<size_t> slices_left{0};

  // Plan
  std::vector<PairLengths> lengths;   // [documents], after truncation
  std::vector<uint32_t> tokens_lost;  // [documents]
  size_t total_tokens = 0;

  // Scoring
  std::vector<float> logits;  // [documents, labels]
  std::atomic<size_t> pairs_left{0};
  std::atomic<bool> failed{false};  // what is left of it is dropped

  std::shared_ptr<void> ticket;  // of who submitted it; let go when nothing works on it any more

  Clock::time_point submitted, tokenizing, tokenized, computing;
  std::once_flag first_slice, first_chunk, finished;

  Span<const uint32_t> query_tokens(size_t document) const {
    return tokens[query_of.empty() ? 0 : query_of[document]];
  }
  Span<const uint32_t> document_tokens(size_t document) const { return tokens[queries.size() + document]; }
};

}  // namespace crossrank
