// Finds the layer that computed the first value that is not finite: while a probe is in force on a thread,
// the operators that run there show it their results.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>

namespace crossrank {

class FiniteProbe {
 public:
  FiniteProbe() : outer_(current_) { current_ = this; }
  ~FiniteProbe() { current_ = outer_; }
  FiniteProbe(const FiniteProbe&) = delete;

  static FiniteProbe* OfThisThread() { return current_; }

  void See(const std::string& layer, const float* values, size_t count) {
    for (size_t i = 0; layer_.empty() && i < count; i++) {
      if (!std::isfinite(values[i])) layer_ = layer;
    }
  }
  // Empty where all was finite.
  const std::string& layer() const { return layer_; }

 private:
  static inline thread_local FiniteProbe* current_ = nullptr;
  FiniteProbe* outer_;
  std::string layer_;
};

}  // namespace crossrank
