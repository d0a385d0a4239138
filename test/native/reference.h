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
using kernels::Format;
using kernels::LinearWeights;
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

// To the nearest, of two equally near the even one, as a float's bits are rounded.
inline uint16_t FloatToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  const uint32_t low = bits & 0xFFFF, high = bits >> 16;
  return static_cast<uint16_t>(high + (low > 0x8000 || (low == 0x8000 && (high & 1) != 0) ? 1 : 0));
}

// Rows and weights of linear.h, decoded. int8 weights are whole numbers, without their scale.
inline uint16_t HalfAt(const uint8_t* bytes, size_t index) {
  uint16_t half;
  std::memcpy(&half, bytes + 2 * index, sizeof half);
  return half;
}

inline float RowScale(const uint8_t* row, size_t columns) {
  float scale;
  std::memcpy(&scale, row + kernels::ScaleOffset(columns), sizeof scale);
  return scale;
}

inline double FloatAt(const uint8_t* bytes, size_t index) {
  float value;
  std::memcpy(&value, bytes + index * sizeof value, sizeof value);
  return value;
}

// int8 without the row's scale.
inline double EncodedValue(const uint8_t* row, Format format, size_t column) {
  if (format == Format::kInt8) return row[column] - 128.0;
  if (format == Format::kFp32) return FloatAt(row, column);
  if (format == Format::kBf16) return Bf16ToDouble(HalfAt(row, column));
  const size_t at = column / 32 * 64 + column % 32;
  return Bf16ToDouble(HalfAt(row, at)) + Bf16ToDouble(HalfAt(row, at + 32));
}

inline double PackedValue(const LinearWeights& weights, size_t output, size_t input) {
  const size_t step_inputs = kernels::StepInputs(weights.format);
  const size_t each = weights.format == Format::kInt8 ? 4 : 2, in_step = input % step_inputs;
  const uint8_t* tile = weights.panels + output / 32 * kernels::PanelBytes(weights.format, weights.inputs) +
                        input / step_inputs * kernels::StepPanelBytes(weights.format) +
                        output % 32 / 16 * 1024;
  if (weights.format == Format::kFp32)
    return FloatAt(tile + in_step / 16 * 2048, in_step % 16 * 16 + output % 16);
  const size_t at = in_step / each * 16 * each + output % 16 * each + in_step % each;
  if (weights.format == Format::kInt8) return static_cast<signed char>(tile[at]);
  if (weights.format == Format::kBf16) return Bf16ToDouble(HalfAt(tile, at));
  return Bf16ToDouble(HalfAt(tile, at)) + Bf16ToDouble(HalfAt(tile + 2048, at));
}

// x W^T for rows [rows, outputs]: exact for int8, whose scales are left out.
inline std::vector<double> Products(const kernels::LinearArgs& args) {
  const LinearWeights& weights = args.weights;
  std::vector<double> w(weights.outputs * weights.inputs), x(weights.inputs), products;
  for (size_t i = 0; i < w.size(); ++i) w[i] = PackedValue(weights, i / weights.inputs, i % weights.inputs);
  for (size_t r = 0; r < args.rows; ++r) {
    const uint8_t* row = args.x + r * kernels::RowStride(weights.format, weights.inputs);
    for (size_t k = 0; k < x.size(); ++k) x[k] = EncodedValue(row, weights.format, k);
    for (size_t n = 0; n < weights.outputs; ++n) {
      double sum = 0.0;
      for (size_t k = 0; k < x.size(); ++k) sum += x[k] * w[n * x.size() + k];
      products.push_back(sum);
    }
  }
  return products;
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

// dot_double: products that are exact, in sixteen sums, which are then added up by halves.
inline double RowDot(const double* query, const float* row, size_t columns) {
  double lanes[16] = {};
  for (size_t c = 0; c < columns; ++c) lanes[c % 16] += query[c] * row[c];
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

inline int64_t RowDot(const int16_t* query, const int8_t* row, size_t columns) {
  int64_t sum = 0;
  for (size_t c = 0; c < columns; ++c) sum += int64_t{query[c]} * row[c];
  return sum;
}

}  // namespace crossrank::testing
