// Vectors in memory, searched exactly by cosine similarity.
//
// The thread of the owner adds, hides and asks; scans run on other threads and see the rows and the bitmap
// that there were when they were asked, so that nothing of what they read is ever written again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "common/cancellation.h"
#include "common/span.h"
#include "search/row_store.h"
#include "search/vector_query.h"

namespace crossrank {

class VectorIndex {
 public:
  // threads: what one scan may use at most.
  VectorIndex(size_t dimension, size_t threads, const kernels::KernelTable& kernels);

  // Rows that are appended are not found before they are shown.
  RowStore& rows() { return rows_; }
  void Show(size_t first, size_t end);
  void Hide(Span<const uint32_t> rows);

  // `filter`: bits of the rows that may be found, or null for all; rows past its end may not.
  std::shared_ptr<VectorQuery> MakeQuery(Span<const float> vector, size_t top_k,
                                         const Span<const uint8_t>* filter, ScanKind kind) const;

  // True: the caller must now call Work, on another thread; until that returns, further queries are its.
  bool Submit(std::shared_ptr<VectorQuery> query);
  // In place of Work, where there can be no thread for it: the query that Submit took is forgotten.
  void GiveUp();
  // Answers queries until there are none, those that wait together in one scan. Returns early when cancelled.
  void Work(const Cancellation& cancellation);

 private:
  std::vector<std::shared_ptr<VectorQuery>> TakeWaiting();

  RowStore rows_;
  size_t threads_;
  const kernels::KernelTable& kernels_;
  std::vector<uint64_t> shown_;  // bits of rows

  std::mutex mutex_;  // guards what follows
  std::deque<std::shared_ptr<VectorQuery>> waiting_;
  bool working_ = false;
};

}  // namespace crossrank
