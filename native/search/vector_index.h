// Vectors in memory, searched exactly by cosine similarity.
//
// The thread of the owner adds, hides and asks; scans run on other threads and see the rows and the bitmap
// that there were when they were asked, so that nothing of what they read is ever written again.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "common/cancellation.h"
#include "common/span.h"
#include "search/crew.h"
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

  // True, for the first query: the caller must now call Work, on another thread.
  bool Submit(std::shared_ptr<VectorQuery> query);
  // In place of Work, where there can be no thread for it: the query that Submit took is forgotten.
  void GiveUp();
  // Answers queries as they come, those that wait together in one scan. Returns when the index is closed and
  // has answered them all, or when cancelled.
  void Work(Cancellation& cancellation);
  // No more queries will come.
  void Close();

 private:
  void Answer(const std::vector<std::shared_ptr<VectorQuery>>& queries, Crew& crew,
              const Cancellation& cancellation);
  // Waits for some; empty when there is nothing more to do.
  std::vector<std::shared_ptr<VectorQuery>> TakeWaiting(const Cancellation& cancellation);

  RowStore rows_;
  size_t threads_;
  const kernels::KernelTable& kernels_;
  std::vector<uint64_t> shown_;  // bits of rows

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<VectorQuery>> waiting_;
  bool working_ = false, closed_ = false;
};

}  // namespace crossrank
