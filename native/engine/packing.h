// Packing a model's weights: side by side, and without a second copy of them in memory.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "model/safetensors.h"

namespace crossrank {

// Runs functions side by side on as many threads as there are processors, and hands on the first error.
void RunAll(const std::vector<std::function<void()>>& functions);

// While a session packs its matrices it reads the whole file once. What it has read need not stay resident
// beside what it has packed: given back every few milliseconds, the peak is one copy of the weights, not two.
class PageReleaser {
 public:
  explicit PageReleaser(const TensorSet& weights) : weights_(weights), thread_([this] { Loop(); }) {}
  ~PageReleaser();

 private:
  void Loop();

  const TensorSet& weights_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace crossrank
