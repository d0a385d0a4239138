// out[r][c] = activation(x[r][c] + bias[c]).
#pragma once

#include "kernels.h"
#include "vector_math.h"

namespace crossrank::kernels {
namespace {

template <Activation kActivation>
CROSSRANK_INLINE Vec Activate(Vec x) {
  if constexpr (kActivation == Activation::kGeluErf) return GeluErf(x);
  if constexpr (kActivation == Activation::kGeluTanh) return GeluTanh(x);
  if constexpr (kActivation == Activation::kRelu) return Relu(x);
  if constexpr (kActivation == Activation::kTanh) return Tanh(x);
}

template <Activation kActivation>
void BiasActivationAs(const float* x, const float* bias, float* out, size_t rows, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  for (size_t r = 0; r < rows; ++r, x += columns, out += columns) {
    size_t c = 0;
    for (; c + kWidth <= columns; c += kWidth) {
      Activate<kActivation>(Vec::Load(x + c) + Vec::Load(bias + c)).Store(out + c);
    }
    if (c < columns) {
      const size_t n = columns - c;
      Activate<kActivation>(Vec::LoadFirst(x + c, n) + Vec::LoadFirst(bias + c, n)).StoreFirst(out + c, n);
    }
  }
}

[[maybe_unused]] void BiasActivation(const float* x, const float* bias, float* out, size_t rows,
                                     size_t columns, Activation activation) {
  switch (activation) {
    case Activation::kGeluErf:
      return BiasActivationAs<Activation::kGeluErf>(x, bias, out, rows, columns);
    case Activation::kGeluTanh:
      return BiasActivationAs<Activation::kGeluTanh>(x, bias, out, rows, columns);
    case Activation::kRelu:
      return BiasActivationAs<Activation::kRelu>(x, bias, out, rows, columns);
    case Activation::kTanh:
      return BiasActivationAs<Activation::kTanh>(x, bias, out, rows, columns);
  }
}

}  // namespace
}  // namespace crossrank::kernels
