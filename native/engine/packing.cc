#include "engine/packing.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>

namespace crossrank {
namespace {

// Runs a function on a thread of its own and hands on what it throws.
class Background {
 public:
  template <class Function>
  explicit Background(Function function)
      : thread_([this, function] {
          try {
            function();
          } catch (...) {
            error_ = std::current_exception();
          }
        }) {}
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }
  void Join() {
    thread_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace

void RunAll(const std::vector<std::function<void()>>& functions) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < functions.size(); i = next++) functions[i]();
  };
  constexpr size_t kMostThreads = 16;
  const size_t threads =
      std::min({functions.size(), kMostThreads, size_t{std::thread::hardware_concurrency()}});
  std::vector<std::unique_ptr<Background>> others;
  for (size_t i = 1; i < threads; i++) others.push_back(std::make_unique<Background>(work));
  work();
  for (const auto& other : others) other->Join();
}

PageReleaser::~PageReleaser() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  thread_.join();
  weights_.ReleasePages();
}

void PageReleaser::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(10), [this] { return done_; }))
    weights_.ReleasePages();
}

}  // namespace crossrank
