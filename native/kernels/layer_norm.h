// LayerNorm of a row, alone and after bias and residual. A row is passed over three times (sum, squared
// deviations, result): it sits in the L1 cache, and the two-pass variance does not cancel.
#pragma once

#include <math.h>

#include "kernels.h"

namespace crossrank::kernels {
namespace {

CROSSRANK_INLINE float SumOfRow(const float* row, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  Vec sum[4] = {Vec::Zero(), Vec::Zero(), Vec::Zero(), Vec::Zero()};
  size_t c = 0;
  for (; c + 4 * kWidth <= columns; c += 4 * kWidth) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < 4; ++i) sum[i] = sum[i] + Vec::Load(row + c + i * kWidth);
  }
  for (; c + kWidth <= columns; c += kWidth) sum[0] = sum[0] + Vec::Load(row + c);
  if (c < columns) sum[1] = sum[1] + Vec::LoadFirst(row + c, columns - c);
  return ReduceAdd((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

CROSSRANK_INLINE float SquaredDeviations(const float* row, float mean, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  const Vec m = Vec::Broadcast(mean);
  Vec sum[4] = {Vec::Zero(), Vec::Zero(), Vec::Zero(), Vec::Zero()};
  size_t c = 0;
  for (; c + 4 * kWidth <= columns; c += 4 * kWidth) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < 4; ++i) {
      const Vec d = Vec::Load(row + c + i * kWidth) - m;
      sum[i] = Fma(d, d, sum[i]);
    }
  }
  for (; c + kWidth <= columns; c += kWidth) {
    const Vec d = Vec::Load(row + c) - m;
    sum[0] = Fma(d, d, sum[0]);
  }
  if (c < columns) {
    const size_t n = columns - c;
    const Vec d = KeepFirst(Vec::LoadFirst(row + c, n) - m, n, Vec::Zero());
    sum[1] = Fma(d, d, sum[1]);
  }
  return ReduceAdd((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

CROSSRANK_INLINE float MeanOfRow(const float* row, size_t columns) {
  return SumOfRow(row, columns) / static_cast<float>(columns);
}

CROSSRANK_INLINE float InverseDeviation(const float* row, float mean, float epsilon, size_t columns) {
  const float variance = SquaredDeviations(row, mean, columns) / static_cast<float>(columns);
  return 1.0f / sqrtf(variance + epsilon);
}

CROSSRANK_INLINE void NormalizeRow(float* row, float mean, float inverse_deviation, const float* gamma,
                                   const float* beta, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  const Vec m = Vec::Broadcast(mean), inverse = Vec::Broadcast(inverse_deviation);
  size_t c = 0;
  for (; c + kWidth <= columns; c += kWidth) {
    const Vec normal = (Vec::Load(row + c) - m) * inverse;
    Fma(normal, Vec::Load(gamma + c), Vec::Load(beta + c)).Store(row + c);
  }
  if (c < columns) {
    const size_t n = columns - c;
    const Vec normal = (Vec::LoadFirst(row + c, n) - m) * inverse;
    Fma(normal, Vec::LoadFirst(gamma + c, n), Vec::LoadFirst(beta + c, n)).StoreFirst(row + c, n);
  }
}

CROSSRANK_INLINE void LayerNormInPlace(float* row, const float* gamma, const float* beta, float epsilon,
                                       size_t columns) {
  const float mean = MeanOfRow(row, columns);
  NormalizeRow(row, mean, InverseDeviation(row, mean, epsilon, columns), gamma, beta, columns);
}

[[maybe_unused]] void BiasResidualLayerNorm(const float* x, const float* bias, const float* residual,
                                            const float* gamma, const float* beta, float epsilon, float* out,
                                            size_t rows, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  for (size_t r = 0; r < rows; ++r, x += columns, residual += columns, out += columns) {
    size_t c = 0;
    for (; c + kWidth <= columns; c += kWidth) {
      ((Vec::Load(x + c) + Vec::Load(bias + c)) + Vec::Load(residual + c)).Store(out + c);
    }
    if (c < columns) {
      const size_t n = columns - c;
      const Vec biased = Vec::LoadFirst(x + c, n) + Vec::LoadFirst(bias + c, n);
      (biased + Vec::LoadFirst(residual + c, n)).StoreFirst(out + c, n);
    }
    LayerNormInPlace(out, gamma, beta, epsilon, columns);
  }
}

}  // namespace
}  // namespace crossrank::kernels
