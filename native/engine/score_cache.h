// Logits of pairs that were scored lately, so that a pair asked for again costs nothing.
//
// An entry lives for the time to live, or until the memory is needed for newer ones: the least recently used
// goes first. Everything lies in three arrays that grow by doubling up to the bound, so bytes() is what they
// take. Not thread-safe: the engine guards it. The caller tells the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/span.h"
#include "engine/pair_key.h"

namespace crossrank {

class ScoreCache {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    size_t max_bytes = 0;  // 0: keeps nothing
    Clock::duration time_to_live{};
  };

  ScoreCache(const Limits& limits, size_t labels);

  struct Scored {
    Span<const float> logits;  // [labels], all finite
    uint32_t tokens;           // that the model ran for the pair
    uint32_t tokens_lost;
  };

  // Valid until the next Insert.
  std::optional<Scored> Find(const PairKey& key, Clock::time_point now);
  void Insert(const PairKey& key, const Scored& scored, Clock::time_point now);

  size_t entries() const { return used_; }
  size_t bytes() const;

 private:
  using Index = uint32_t;
  static constexpr Index kNone = UINT32_MAX;

  struct Entry {
    PairKey key;
    Clock::time_point expires;
    uint32_t tokens, tokens_lost;
    Index newer, older;    // by last use
    Index next_of_bucket;  // or the next free entry
  };

  Index& Bucket(const PairKey& key) { return buckets_[key.high & (buckets_.size() - 1)]; }
  Index Lookup(const PairKey& key);
  Index Allocate();
  void Grow();
  void Remove(Index index);
  void Unlink(Index index);
  void LinkNewest(Index index);

  const Limits limits_;
  const size_t labels_;
  size_t max_entries_;
  std::vector<Entry> entries_;
  std::vector<float> logits_;   // [entries, labels]
  std::vector<Index> buckets_;  // a power of two, at least one an entry
  size_t used_ = 0;
  Index free_ = kNone, newest_ = kNone, oldest_ = kNone;
};

}  // namespace crossrank
