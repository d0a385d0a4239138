// ONNX Runtime's own int8 product, for CPUs without an int8 kernel of ours: MatMulInteger with unsigned
// weights around 128, since its kernels for u8 x u8 alone never saturate between two products.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "runtime/library.h"

namespace crossrank::operators {

class MatMulInteger {
 public:
  MatMulInteger(const Ort::ConstKernelInfo& info, const kernels::LinearWeights& weights);

  // What a LinearKernel's run does. Thread-safe.
  void Multiply(Ort::KernelContext& context, kernels::LinearArgs& args, const kernels::KernelTable& kernels);

 private:
  Ort::Op op_{nullptr};
  Ort::MemoryInfo memory_;
  size_t inputs_, outputs_;
  std::vector<uint8_t> weights_;  // [inputs, outputs], 128 + weight
};

}  // namespace crossrank::operators
