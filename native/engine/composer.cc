#include "engine/composer.h"

#include <algorithm>

namespace crossrank {
namespace {

// Work is cut to occupy every lane, but not finer than the matrix multiplications can live with (measured on
// the MiniLM-L6 shape, one thread, Zen 5: 8 tokens run at 55 % of the full speed, 16 at 80 %, 32 at all of
// it).
constexpr size_t kMinChunkTokens = 32;

}  // namespace

void Composer::Add(std::shared_ptr<Request> request, size_t special_tokens) {
  Waiting waiting;
  std::vector<Pair> pairs(request->lengths.size());
  for (size_t i = 0; i < pairs.size(); i++) {
    const PairLengths& lengths = request->lengths[i];
    pairs[i] = {static_cast<uint32_t>(i),
                static_cast<uint32_t>(lengths.query + lengths.document + special_tokens)};
    waiting_tokens_ += pairs[i].tokens;
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.tokens > b.tokens; });
  waiting.pairs.assign(pairs.begin(), pairs.end());
  waiting.request = std::move(request);
  waiting_.push_back(std::move(waiting));
}

void Composer::DropFailed() {
  for (const Waiting& waiting : waiting_) {
    if (!waiting.request->failed) continue;
    for (const Pair& pair : waiting.pairs) waiting_tokens_ -= pair.tokens;
  }
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                [](const Waiting& waiting) { return waiting.request->failed.load(); }),
                 waiting_.end());
}

// What is left is shared out evenly, so that the lanes finish together.
size_t Composer::Budget() const {
  const size_t share = (waiting_tokens_ + limits_.lanes - 1) / limits_.lanes;
  return std::min(limits_.max_tokens, std::max(share, kMinChunkTokens));
}

bool Composer::Fits(const Filling& chunk, const Pair& pair, size_t budget) const {
  if (chunk.items.empty()) return true;
  if (chunk.items.size() >= limits_.max_rows) return false;
  if (!limits_.padded) return chunk.tokens + pair.tokens <= budget;
  return std::max<size_t>(chunk.longest, pair.tokens) * (chunk.items.size() + 1) <= budget;
}

void Composer::Take(Waiting& from, bool longest, Filling& chunk) {
  const Pair pair = longest ? from.pairs.front() : from.pairs.back();
  longest ? from.pairs.pop_front() : from.pairs.pop_back();
  chunk.items.push_back({from.request, pair.document});
  chunk.tokens += pair.tokens;
  chunk.longest = std::max<size_t>(chunk.longest, pair.tokens);
  waiting_tokens_ -= pair.tokens;
}

std::vector<ChunkItem> Composer::Next() {
  DropFailed();
  const size_t budget = Budget();
  Filling chunk;
  for (Waiting& waiting : waiting_) {
    while (!waiting.pairs.empty() && Fits(chunk, waiting.pairs.front(), budget)) Take(waiting, true, chunk);
    if (limits_.padded) break;  // the shortest pairs and other requests' would be padded to the longest here
    while (!waiting.pairs.empty() && Fits(chunk, waiting.pairs.back(), budget)) Take(waiting, false, chunk);
    if (chunk.tokens >= budget || chunk.items.size() >= limits_.max_rows) break;
  }
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                [](const Waiting& waiting) { return waiting.pairs.empty(); }),
                 waiting_.end());
  return std::move(chunk.items);
}

}  // namespace crossrank
