#include "runtime/pool_text.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace crossrank {
namespace {

constexpr double kShortestLength = 1e-12;

void Mean(const float* hidden, size_t tokens, size_t columns, float* out) {
  constexpr size_t kBlock = 64;  // columns whose sums stay in the first-level cache
  for (size_t first = 0; first < columns; first += kBlock) {
    const size_t count = std::min(kBlock, columns - first);
    double sums[kBlock] = {};
    for (size_t t = 0; t < tokens; t++) {
      const float* const row = hidden + t * columns + first;
      for (size_t c = 0; c < count; c++) sums[c] += static_cast<double>(row[c]);
    }
    for (size_t c = 0; c < count; c++)
      out[first + c] = static_cast<float>(sums[c] / static_cast<double>(tokens));
  }
}

}  // namespace

void NormalizeText(float* embedding, size_t columns) {
  double squares = 0;
  for (size_t c = 0; c < columns; c++) squares += static_cast<double>(embedding[c]) * embedding[c];
  const double length = std::max(std::sqrt(squares), kShortestLength);
  for (size_t c = 0; c < columns; c++) embedding[c] = static_cast<float>(embedding[c] / length);
}

void PoolText(const float* hidden, size_t tokens, size_t columns, const PoolingRule& rule, float* out) {
  if (rule.pooling == Pooling::kMean) {
    Mean(hidden, tokens, columns, out);
  } else {
    const size_t token = rule.pooling == Pooling::kCls ? 0 : tokens - 1;
    std::memcpy(out, hidden + token * columns, columns * sizeof(float));
  }
  if (rule.normalize) NormalizeText(out, columns);
}

}  // namespace crossrank
