#include "search/vector_index.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "search/scan.h"

namespace crossrank {

VectorIndex::VectorIndex(size_t dimension, size_t threads, const kernels::KernelTable& kernels)
    : rows_(dimension, kernels), threads_(threads), kernels_(kernels) {}

void VectorIndex::Show(size_t first, size_t end) {
  shown_.resize((rows_.count() + kRowGroup - 1) / kRowGroup);
  for (size_t row = first; row < end; ++row) shown_[row / kRowGroup] |= uint64_t{1} << row % kRowGroup;
}

void VectorIndex::Hide(Span<const uint32_t> rows) {
  for (const uint32_t row : rows) shown_[row / kRowGroup] &= ~(uint64_t{1} << row % kRowGroup);
}

std::shared_ptr<VectorQuery> VectorIndex::MakeQuery(Span<const float> vector, size_t top_k,
                                                    const Span<const uint8_t>* filter, ScanKind kind) const {
  std::vector<uint64_t> allowed = shown_;
  if (filter != nullptr) {
    std::vector<uint64_t> wanted(allowed.size());
    if (!wanted.empty() && !filter->empty()) {
      std::memcpy(wanted.data(), filter->data(), std::min(filter->size(), wanted.size() * sizeof(uint64_t)));
    }
    for (size_t i = 0; i < allowed.size(); ++i) allowed[i] &= wanted[i];
  }
  // Where many rows are wanted, hardly one is ruled out by its bounds.
  if (kind == ScanKind::kFastest) {
    kind = top_k > rows_.count() / 16 ? ScanKind::kPlain : ScanKind::kQuantized;
  }
  return std::make_shared<VectorQuery>(vector, rows_.view(), std::move(allowed), top_k, kind);
}

bool VectorIndex::Submit(std::shared_ptr<VectorQuery> query) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(query));
  return !std::exchange(working_, true);
}

void VectorIndex::GiveUp() {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.clear();
  working_ = false;
}

std::vector<std::shared_ptr<VectorQuery>> VectorIndex::TakeWaiting() {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t count = std::min(waiting_.size(), kMostQueriesAPass);
  std::vector<std::shared_ptr<VectorQuery>> queries(std::make_move_iterator(waiting_.begin()),
                                                    std::make_move_iterator(waiting_.begin() + count));
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  working_ = count > 0;
  return queries;
}

void VectorIndex::Work(const Cancellation& cancellation) {
  for (auto queries = TakeWaiting(); !queries.empty(); queries = TakeWaiting()) {
    std::vector<Hits> hits(queries.size());
    std::optional<Error> error;
    try {
      hits = Scan(queries, kernels_, threads_, cancellation);
    } catch (...) {
      if (cancellation.cancelled()) return;
      error = CurrentError();
    }
    for (size_t i = 0; i < queries.size(); ++i) queries[i]->done(std::move(hits[i]), error);
  }
}

}  // namespace crossrank
