// Vectors of unit length in fp32, whose dot product is their cosine similarity.
#pragma once

#include <cmath>
#include <cstddef>

namespace crossrank {

// How far from 1 the length of a row may be; rounding to fp32 leaves 1e-7.
constexpr double kUnitTolerance = 1e-5;

// Of finite floats: exact enough, and neither too large nor too small for double. NaN or infinity where a
// value is.
inline double Length(const float* values, size_t count) {
  double sums[4] = {};
  for (size_t i = 0; i < count; ++i) {
    const double value = values[i];
    sums[i % 4] += value * value;
  }
  return std::sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// out = values / length; zeros where the length is zero.
inline void ToUnitLength(const float* values, size_t count, double length, float* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = length == 0.0 ? 0.0f : static_cast<float>(static_cast<double>(values[i]) / length);
  }
}

}  // namespace crossrank
