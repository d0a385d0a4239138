#include "engine/score_cache.h"

#include <algorithm>

namespace crossrank {
namespace {

constexpr size_t kFirstEntries = 256;

size_t BucketsFor(size_t entries) {
  size_t buckets = 1;
  while (buckets < entries) buckets *= 2;
  return buckets;
}

}  // namespace

ScoreCache::ScoreCache(const Limits& limits, size_t labels) : limits_(limits), labels_(labels) {
  // There are fewer than twice as many buckets as entries.
  const size_t entry_bytes = sizeof(Entry) + labels * sizeof(float) + 2 * sizeof(Index);
  max_entries_ = std::min<size_t>(limits.max_bytes / entry_bytes, kNone - 1);
}

size_t ScoreCache::bytes() const {
  return entries_.capacity() * sizeof(Entry) + logits_.capacity() * sizeof(float) +
         buckets_.capacity() * sizeof(Index);
}

ScoreCache::Index ScoreCache::Lookup(const PairKey& key) {
  if (buckets_.empty()) return kNone;
  Index index = Bucket(key);
  while (index != kNone && !(entries_[index].key == key)) index = entries_[index].next_of_bucket;
  return index;
}

std::optional<ScoreCache::Scored> ScoreCache::Find(const PairKey& key, Clock::time_point now) {
  const Index index = Lookup(key);
  if (index == kNone) return std::nullopt;
  if (now >= entries_[index].expires) {
    Remove(index);
    return std::nullopt;
  }
  Unlink(index);
  LinkNewest(index);
  return Scored{
      {logits_.data() + index * labels_, labels_}, entries_[index].tokens, entries_[index].tokens_lost};
}

void ScoreCache::Insert(const PairKey& key, const Scored& scored, Clock::time_point now) {
  if (max_entries_ == 0) return;
  Index index = Lookup(key);
  if (index == kNone) {
    index = Allocate();
    entries_[index].key = key;
    Index& bucket = Bucket(key);
    entries_[index].next_of_bucket = bucket;
    bucket = index;
    used_++;
  } else {
    Unlink(index);
  }
  LinkNewest(index);
  entries_[index].expires = now + limits_.time_to_live;
  entries_[index].tokens = scored.tokens;
  entries_[index].tokens_lost = scored.tokens_lost;
  std::copy(scored.logits.begin(), scored.logits.end(),
            logits_.begin() + static_cast<ptrdiff_t>(index * labels_));
}

ScoreCache::Index ScoreCache::Allocate() {
  if (free_ == kNone && entries_.size() == entries_.capacity()) {
    if (entries_.size() < max_entries_) {
      Grow();
    } else {
      Remove(oldest_);
    }
  }
  if (free_ == kNone) {
    entries_.emplace_back();
    logits_.resize(logits_.size() + labels_);
    return static_cast<Index>(entries_.size() - 1);
  }
  const Index index = free_;
  free_ = entries_[index].next_of_bucket;
  return index;
}

void ScoreCache::Grow() {
  const size_t entries = std::min(max_entries_, std::max(kFirstEntries, entries_.size() * 2));
  std::vector<Index> buckets(BucketsFor(entries), kNone);
  entries_.reserve(entries);
  logits_.reserve(entries * labels_);
  buckets_.swap(buckets);
  for (Index index = 0; index < entries_.size(); index++) {
    Index& bucket = Bucket(entries_[index].key);
    entries_[index].next_of_bucket = bucket;
    bucket = index;
  }
}

void ScoreCache::Remove(Index index) {
  Index* link = &Bucket(entries_[index].key);
  while (*link != index) link = &entries_[*link].next_of_bucket;
  *link = entries_[index].next_of_bucket;
  Unlink(index);
  entries_[index].next_of_bucket = free_;
  free_ = index;
  used_--;
}

void ScoreCache::Unlink(Index index) {
  const Entry& entry = entries_[index];
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
}

void ScoreCache::LinkNewest(Index index) {
  entries_[index].newer = kNone;
  entries_[index].older = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = index;
  newest_ = index;
}

}  // namespace crossrank
