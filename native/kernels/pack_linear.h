// A Linear's weight in the layout of linear.h.
#pragma once

#include "common/page_buffer.h"
#include "linear.h"

namespace crossrank::kernels {

// Filled by rows, as a checkpoint has them: [outputs, inputs]. Matrices that share their input (query, key
// and value) can be joined into one by giving their rows one after the other.
class PackedLinear {
 public:
  PackedLinear(Format format, size_t outputs, size_t inputs);  // throws std::bad_alloc

  // Packs outputs [first, first + count) from rows [count, inputs]; bias [count], or null for zeros. False,
  // and some of them unpacked, where a number is infinite or NaN. Threads may set different outputs at once.
  bool SetRows(size_t first, size_t count, const float* rows, const float* bias);

  LinearWeights view() const { return view_; }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* At(size_t offset) const { return static_cast<uint8_t*>(memory_.data()) + offset; }
  void SetRow(size_t output, const uint8_t* encoded);

  size_t bytes_;
  PageBuffer memory_;  // panels, bias, scales, compensation; zeros where nothing was set
  LinearWeights view_;
};

}  // namespace crossrank::kernels
