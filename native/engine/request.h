// One rerank or predict call on its way through the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/span.h"
#include "engine/pair_queue.h"
#include "engine/piece.h"
#include "engine/truncation.h"
#include "engine/windows.h"
#include "model/model_spec.h"
#include "tokenizer/tokenizer.h"

namespace crossrank {

using Clock = std::chrono::steady_clock;

enum class Priority { kInteractive, kBulk };
constexpr size_t kPriorities = 2;

// What a request gets whose time is over before all pairs are scored.
enum class OnTimeout {
  kError,
  kPartial,     // a ranking of what was scored, then the rest in input order
  kInputOrder,  // the documents in input order
};

enum class CancelReason { kAborted, kTimedOut, kClosed };

struct RequestOptions {
  size_t max_tokens = 0;  // of a pair; at most the model's
  Truncation truncation = Truncation::kLongestFirst;
  ScoreActivation activation = ScoreActivation::kIdentity;
  Priority priority = Priority::kInteractive;
  OnTimeout on_timeout = OnTimeout::kError;
  // Documents that do not fit are cut into these; without it they are truncated. Of a ranking alone.
  std::optional<WindowOptions> windows;
  // Whether scores of the same pairs are taken from, and shared with, other requests: from the cache and from
  // work that waits or runs. Without it every pair is scored for this request alone.
  bool share = true;
  // Ranking: the best top_k of those that reach min_score. Without it all scores come back in input order.
  bool rank = true;
  size_t top_k = std::numeric_limits<size_t>::max();
  double min_score = -std::numeric_limits<double>::infinity();
};

struct RankedDocument {
  uint32_t index;        // into the request's documents
  float score;           // NaN: not scored
  uint32_t tokens_lost;  // 0: the model saw the whole pair
  uint32_t windows = 0;  // that were scored
  TextSpan span{};       // of the best of them, where options.windows
};

struct Outcome {
  std::optional<Error> error;
  std::vector<RankedDocument> ranked;  // options.rank
  std::vector<float> scores;           // else: [pairs, labels],
  std::vector<uint32_t> tokens_lost;   // and of each pair what was cut
  size_t pairs = 0;
  size_t scored = 0;         // of them; all, or the answer is degraded
  size_t windows = 0;        // scored: as many as pairs, but where documents were cut into several
  size_t cached = 0;         // of the windows: by the cache, or by the same pair of this or another request
  size_t tokens = 0;         // that the model computed for this request, special tokens included
  size_t cached_tokens = 0;  // of the cached windows, which it did not compute
  bool degraded = false;     // time was over
  double tokenize_ms = 0, queue_ms = 0, compute_ms = 0;
};

// Who may touch what:
// - what comes before Submit (texts, options, done) is only read after it, but for document texts, which
//   Engine::Plan frees when all of them have been encoded;
// - what is for tokenization belongs to the lanes that tokenize, each its own texts, then to the lane that
//   plans; slices_left hands it on. The tokens are only read from then on;
// - the rest is guarded by the engine's mutex until the request has ended, and then belongs to the one who
//   ended it.
struct Request : std::enable_shared_from_this<Request> {
  // Texts: queries first, then documents. Document d is paired with query query_of[d], or query 0 where that
  // is empty. Without queries, documents are texts to be embedded, and a pair is one of them.
  std::vector<std::string> queries, documents;
  std::vector<uint32_t> query_of;
  RequestOptions options;
  std::function<void(Outcome)>
      done;  // called exactly once, on an engine thread or on that of Cancel or Submit

  size_t texts() const { return queries.size() + documents.size(); }
  size_t pairs() const { return documents.size(); }
  size_t query(size_t document) const { return query_of.empty() ? 0 : query_of[document]; }

  // Tokenization
  std::vector<PairKey> keys;                 // [documents], where options.share
  std::vector<uint32_t> missing;             // documents of pairs that the cache does not know
  std::vector<uint32_t> wanted;              // texts of these
  std::vector<EncodedBatch> encoded;         // one for each slice of wanted texts
  std::vector<Span<const uint32_t>> tokens;  // [texts], into encoded
  std::vector<TokenOffsets> offsets;         // the same, where options.windows
  std::atomic<size_t> slices_left{0};
  std::vector<Piece> pieces;  // of the missing documents, in their order

  // Under the engine's mutex
  std::atomic<bool> ended{false};  // set under the mutex; lanes may look without it to save themselves work
  std::vector<float> logits;       // [documents, labels]; of the best piece so far; NaN: none
  std::vector<Progress> progress;  // [documents]
  std::vector<uint32_t> tokens_lost;  // [documents]
  size_t pairs_left = 0;
  size_t windows_scored = 0;
  size_t cached = 0, computed_tokens = 0, cached_tokens = 0;
  size_t queued_tokens = 0;  // that admission counts for it
  uint64_t number = 0;       // of admission
  PairQueue queue;

  Clock::time_point submitted, tokenizing, tokenized, computing;  // zero: not come so far

  std::shared_ptr<void> ticket;  // of who submitted it; let go when nothing works on it any more

  Span<const uint32_t> query_tokens(size_t document) const {
    return queries.empty() ? Span<const uint32_t>() : tokens[query(document)];
  }
  Span<const uint32_t> document_tokens(size_t document) const { return tokens[queries.size() + document]; }
};

}  // namespace crossrank
