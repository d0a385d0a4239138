// A packed batch of bf16 rows for the attention tests, and what a kernel makes of it.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "check.h"
#include "kernel_fixture.h"
#include "kernels.h"
#include "reference.h"

namespace crossrank::testing {

using kernels::AttentionBf16Args;
using kernels::AttentionBf16Kernel;
using kernels::Format;
using kernels::RowStride;

// Bytes on a 64-byte line, between canaries that a stray store would hit.
class LineBuffer {
 public:
  explicit LineBuffer(size_t bytes) : end_(bytes), storage_(bytes + 3 * kGuard, kCanary) {
    start_ = kGuard + (64 - reinterpret_cast<uintptr_t>(storage_.data() + kGuard) % 64) % 64;
  }
  LineBuffer(const LineBuffer&) = delete;

  uint8_t* data() { return storage_.data() + start_; }
  bool Intact() const {
    const auto is_canary = [](uint8_t x) { return x == kCanary; };
    return std::all_of(storage_.begin(), storage_.begin() + start_, is_canary) &&
           std::all_of(storage_.begin() + start_ + end_, storage_.end(), is_canary);
  }

  static constexpr uint8_t kCanary = 0xA5;

 private:
  static constexpr size_t kGuard = 128;
  size_t start_, end_;
  std::vector<uint8_t> storage_;
};

inline uint16_t ToBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
constexpr uint16_t kNan = 0x7FC0;

// q, k and v are columns of one matrix whose other columns are NaN.
struct AttentionBf16Case {
  size_t heads, head_size, columns, stride;
  std::vector<int32_t> offsets{0};
  bool one_query = false;
  Format format = Format::kBf16;
  std::vector<uint16_t> matrix;   // [tokens, stride]
  std::vector<uint16_t> queries;  // of one_query

  AttentionBf16Case(unsigned seed, size_t head_count, size_t size, const std::vector<int32_t>& lengths,
                    float deviation = 1.0f)
      : heads(head_count), head_size(size), columns(heads * size), stride(3 * columns + 40) {
    for (int32_t length : lengths) offsets.push_back(offsets.back() + length);
    Random random(seed);
    const auto values = random.Normal(offsets.back() * 3 * columns, deviation);
    matrix.assign(offsets.back() * stride, kNan);
    for (size_t i = 0; i < values.size(); ++i) {
      matrix[i / (3 * columns) * stride + i % (3 * columns)] = ToBf16(values[i]);
    }
    for (float value : random.Normal(lengths.size() * columns, deviation)) queries.push_back(ToBf16(value));
  }

  size_t QueryRows() const { return one_query ? offsets.size() - 1 : offsets.back(); }
  const uint16_t* Q() const { return one_query ? queries.data() : matrix.data(); }
  size_t QStride() const { return one_query ? columns : stride; }
  uint16_t& K(size_t token, size_t column) { return matrix[token * stride + columns + column]; }
  uint16_t& V(size_t token, size_t column) { return matrix[token * stride + 2 * columns + column]; }
};

struct AttentionOutput {
  size_t rows, columns;
  Format format;
  LineBuffer bytes;

  AttentionOutput(size_t row_count, size_t column_count, Format out_format)
      : rows(row_count), columns(column_count), format(out_format), bytes(rows * Stride()) {}

  size_t Stride() const { return RowStride(format, columns); }
  const uint8_t* Row(size_t row) { return bytes.data() + row * Stride(); }
  float Scale(size_t row) {
    float scale;
    std::memcpy(&scale, Row(row) + kernels::ScaleOffset(columns), sizeof scale);
    return scale;
  }
  double At(size_t row, size_t column) {
    if (format == Format::kInt8) return (Row(row)[column] - 128.0) * Scale(row);
    uint16_t value;
    std::memcpy(&value, Row(row) + 2 * column, sizeof value);
    return Bf16ToDouble(value);
  }
  // What a product reads beyond the columns multiplies zeros, but must not be NaN.
  bool Padded(size_t row) {
    const bool is_int8 = format == Format::kInt8;
    const size_t begin = is_int8 ? columns : 2 * columns;
    const size_t end = kernels::Steps(format, columns) * kernels::StepRowBytes(format);
    return std::all_of(Row(row) + begin, Row(row) + end, [&](uint8_t x) { return x == (is_int8 ? 128 : 0); });
  }
};

inline std::unique_ptr<AttentionOutput> RunAttentionBf16(const AttentionBf16Kernel& kernel,
                                                         const AttentionBf16Case& c, size_t first_sequence,
                                                         size_t sequences) {
  const size_t token = c.offsets[first_sequence];
  std::vector<int32_t> offsets;
  int32_t longest = 0;
  for (size_t s = first_sequence; s <= first_sequence + sequences; ++s) {
    offsets.push_back(c.offsets[s] - c.offsets[first_sequence]);
    if (s > first_sequence) longest = std::max(longest, c.offsets[s] - c.offsets[s - 1]);
  }
  // Copies that end with their last value, for a sanitizer to see reads beyond it.
  const size_t tokens = offsets.back(), rows = c.one_query ? sequences : tokens;
  const std::vector<uint16_t> matrix(
      c.matrix.begin() + token * c.stride,
      c.matrix.begin() + (tokens == 0 ? token * c.stride : (token + tokens) * c.stride - 40));
  const std::vector<uint16_t> queries(c.queries.begin() + first_sequence * c.columns,
                                      c.queries.begin() + (first_sequence + sequences) * c.columns);
  auto out = std::make_unique<AttentionOutput>(rows, c.columns, c.format);
  LineBuffer workspace(sizeof(float) * kernel.workspace_floats(longest, c.heads, c.head_size, c.format));
  AttentionBf16Args args{};
  args.q = c.one_query ? queries.data() : matrix.data();
  args.k = matrix.data() + c.columns;
  args.v = matrix.data() + 2 * c.columns;
  args.q_stride = c.QStride();
  args.kv_stride = c.stride;
  args.offsets = offsets.data();
  args.sequences = sequences;
  args.one_query = c.one_query;
  args.heads = c.heads;
  args.head_size = c.head_size;
  args.out = out->bytes.data();
  args.out_format = c.format;
  args.workspace = reinterpret_cast<float*>(workspace.data());
  kernel.run(args);
  CHECK(workspace.Intact());
  CHECK(out->bytes.Intact());
  return out;
}

inline std::unique_ptr<AttentionOutput> RunAll(const AttentionBf16Kernel& kernel,
                                               const AttentionBf16Case& c) {
  return RunAttentionBf16(kernel, c, 0, c.offsets.size() - 1);
}

}  // namespace crossrank::testing
