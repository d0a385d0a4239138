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
  changed_.notify_all();
  return !std::exchange(working_, true);
}

void VectorIndex::GiveUp() {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_.clear();
  working_ = false;
}

void VectorIndex::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::vector<std::shared_ptr<VectorQuery>> VectorIndex::TakeWaiting(const Cancellation& cancellation) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return !waiting_.empty() || closed_ || cancellation.cancelled(); });
  if (cancellation.cancelled()) return {};
  const auto end = waiting_.begin() + std::min(waiting_.size(), kMostQueriesAPass);
  std::vector<std::shared_ptr<VectorQuery>> queries(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  return queries;
}

void VectorIndex::Work(Cancellation& cancellation) {
  const Cancellation::Listener listener(cancellation, [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  });
  Crew crew(threads_);
  for (auto queries = TakeWaiting(cancellation); !queries.empty(); queries = TakeWaiting(cancellation)) {
    Answer(queries, crew, cancellation);
  }
}

void VectorIndex::Answer(const std::vector<std::shared_ptr<VectorQuery>>& queries, Crew& crew,
                         const Cancellation& cancellation) {
  std::vector<Hits> hits(queries.size());
  std::optional<Error> error;
  try {
    hits = Scan(queries, kernels_, crew, cancellation);
  } catch (...) {
    if (cancellation.cancelled()) return;
    error = CurrentError();
  }
  for (size_t i = 0; i < queries.size(); ++i) queries[i]->done(std::move(hits[i]), error);
}

}  // namespace crossrank
