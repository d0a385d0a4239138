// The threads of a scan: the one that calls, and helpers that sleep between scans.
//
// They are kept, and nobody waits for one that has not come when the work is done: a thread that is new, or
// that finds all processors busy, may start milliseconds late, and a scan takes no longer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/cancellation.h"

namespace crossrank {

class Crew {
 public:
  // work(thread, item), where no two threads have the same number at the same time.
  using Work = std::function<void(size_t thread, size_t item)>;

  // size: threads, the caller's among them. Helpers start with the first work for them.
  explicit Crew(size_t size) : size_(size) {}
  ~Crew();
  Crew(const Crew&) = delete;

  size_t size() const { return size_; }

  // Does all items, on `threads` threads at most, and throws what one of them threw, or kClosed when
  // cancelled. One call at a time.
  void Run(size_t threads, size_t items, const Cancellation& cancellation, const Work& work);

 private:
  struct Job {
    const Work& work;
    const Cancellation& cancellation;
    size_t items, helpers;  // helpers: at most
    std::atomic<size_t> next{0};
    size_t joined = 0;         // guarded by mutex_
    std::exception_ptr error;  // guarded by mutex_
  };

  void StartHelpers(size_t count);
  void Help();
  void Do(Job& job, size_t thread);

  const size_t size_;
  std::vector<std::thread> helpers_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Job* job_ = nullptr;  // while helpers may join it
  uint64_t jobs_ = 0;   // so far
  size_t inside_ = 0;   // helpers at work
  bool ending_ = false;
};

}  // namespace crossrank
