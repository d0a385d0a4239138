// The kernels written plainly in double precision: what the fast ones are compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels.h"

namespace crossrank::testing {

using kernels::Activation;
using kernels::AttentionArgs;
using kernels::EmbeddingArgs;
using kernels::RowTable;
using kernels::TableType;

inline double HalfToDouble(uint16_t half) {
  const double sign = half & 0x8000 ? -1.0 : 1.0;
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 31) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

inline double Bf16ToDouble(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

inline double TableValue(const RowTable& table, size_t row, size_t column, size_t columns) {
  const size_t index = row * columns + column;
  const char* bytes = static_cast<const char*>(table.values);
  uint16_t half;
  float single;
  switch (table.type) {
    case TableType::kF32:
      std::memcpy(&single, bytes + 4 * index, 4);
      return single;
    case TableType::kF16:
      std::memcpy(&half, bytes + 2 * index, 2);
      return HalfToDouble(half);
    case TableType::kBf16:
      std::memcpy(&half, bytes + 2 * index, 2);
      return Bf16ToDouble(half);
    case TableType::kI8:
      return static_cast<float>(static_cast<signed char>(bytes[index])) * table.scales[row];  // as fp32
  }
  return 0.0;
}

inline double Activate(double x, Activation activation) {
  switch (activation) {
    case Activation::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh:
      return x / (1.0 + std::exp(-2.0 * std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return x > 0.0 ? x : 0.0;
    case Activation::kTanh:
      return std::tanh(x);
  }
  return 0.0;
}

inline std::vector<double> LayerNorm(const std::vector<double>& row, const float* gamma, const float* beta,
                                     double epsilon) {
  const double count = static_cast<double>(row.size());
  double mean = 0.0, variance = 0.0;
  for (double x : row) mean += x / count;
  for (double x : row) variance += (x - mean) * (x - mean) / count;
  std::vector<double> out(row.size());
  for (size_t c = 0; c < row.size(); ++c) {
    out[c] = (row[c] - mean) / std::sqrt(variance + epsilon) * gamma[c] + beta[c];
  }
  return out;
}

inline std::vector<double> EmbeddedRow(const EmbeddingArgs& args, size_t token) {
  std::vector<double> row(args.columns);
  for (size_t c = 0; c < args.columns; ++c) {
    row[c] = TableValue(args.words, args.ids[token], c, args.columns) +
             TableValue(args.positions, args.position_ids[token], c, args.columns);
    if (args.type_ids != nullptr) row[c] += TableValue(args.types, args.type_ids[token], c, args.columns);
  }
  return LayerNorm(row, args.gamma, args.beta, args.epsilon);
}

// One head of one query, with the bias of K that the kernels do without: `query` is a row of q, `sequence`
// the index of the sequence it looks at.
inline std::vector<double> AttentionRow(const AttentionArgs& args, const std::vector<float>& k_bias,
                                        size_t sequence, size_t query, size_t head) {
  const size_t column = head * args.head_size;
  const size_t first = args.offsets[sequence], keys = args.offsets[sequence + 1] - first;
  std::vector<double> weights(keys);
  double maximum = -std::numeric_limits<double>::infinity(), sum = 0.0;
  for (size_t j = 0; j < keys; ++j) {
    double score = 0.0;
    for (size_t d = column; d < column + args.head_size; ++d) {
      const double q = static_cast<double>(args.q[query * args.q_stride + d]) + args.q_bias[d];
      const double k = static_cast<double>(args.k[(first + j) * args.kv_stride + d]) + k_bias[d];
      score += q * k;
    }
    weights[j] = score / std::sqrt(static_cast<double>(args.head_size));
    maximum = std::fmax(maximum, weights[j]);
  }
  for (double& weight : weights) sum += weight = std::exp(weight - maximum);
  std::vector<double> out(args.head_size);
  for (size_t j = 0; j < keys; ++j) {
    for (size_t d = 0; d < args.head_size; ++d) {
      const size_t at = column + d;
      out[d] += weights[j] / sum *
                (static_cast<double>(args.v[(first + j) * args.kv_stride + at]) + args.v_bias[at]);
    }
  }
  return out;
}

}  // namespace crossrank::testing
