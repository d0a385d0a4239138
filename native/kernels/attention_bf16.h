// softmax(Q K^T / sqrt(head_size)) V over bf16 rows, with fp32 arithmetic.
#pragma once

#include "query_lanes_run.h"

namespace crossrank::kernels {
namespace {
namespace query_lanes {

// `count` bf16 values as floats; count is a multiple of 8, a vector may be wider.
CROSSRANK_INLINE void Widen(const uint16_t* from, size_t count, float* to) {
  size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Vec::LoadBf16(from + i).Store(to + i);
  if constexpr (kWidth > 8) {
    if (i < count) {
      uint16_t rest[kWidth] = {};
      memcpy(rest, from + i, 8 * sizeof(uint16_t));
      Vec::LoadBf16(rest).StoreFirst(to + i, 8);
    }
  }
}

// Arithmetic in fp32: words are floats, and the scale is in the queries.
struct FloatWords {
  static constexpr size_t Count(size_t values) { return values; }

  static CROSSRANK_INLINE Vec MultiplyAdd(Vec word, Vec lanes, Vec sum) { return Fma(word, lanes, sum); }

  static void PackValues(const Head& head) {
    for (size_t j = 0; j < head.keys; ++j) {
      Widen(head.v + j * head.kv_stride, head.head_size, head.packed_values + j * head.head_size);
    }
  }
  // `count` rows times the scale, as rows that LoadLanes can read.
  static CROSSRANK_INLINE void Rows(const Head& head, const uint16_t* from, size_t stride, size_t count,
                                    float scale, const float** rows) {
    const Vec factor = Vec::Broadcast(scale);
    for (size_t i = 0; i < kWidth; ++i) {
      float* row = head.rows + (i < count ? i : count - 1) * head.head_size;
      rows[i] = row;
      if (i >= count) continue;
      Widen(from + i * stride, head.head_size, row);
      size_t d = 0;
      for (; d + kWidth <= head.head_size; d += kWidth) (Vec::Load(row + d) * factor).Store(row + d);
      if (d < head.head_size) (Vec::LoadFirst(row + d, 8) * factor).StoreFirst(row + d, 8);
    }
  }
  // Weights of `keys` keys in the place of their scores; adds to the sums.
  template <int kTileColumns>
  static CROSSRANK_INLINE void Weights(const Head& head, size_t keys, const Vec (&maxima)[kTileColumns],
                                       Vec (&sums)[kTileColumns]) {
    for (size_t j = 0; j < keys; ++j) {
      float* scores = head.scores + j * kTileColumns * kWidth;
      CROSSRANK_UNROLL
      for (int c = 0; c < kTileColumns; ++c) {
        const Vec weight = RoughExp2OfNegative(Vec::Load(scores + c * kWidth) - maxima[c]);
        weight.Store(scores + c * kWidth);
        sums[c] = sums[c] + weight;
      }
    }
  }
  // 2^(difference of two scores), for the scores that Weights takes.
  static CROSSRANK_INLINE Vec Factor(const Head&, Vec difference) { return RoughExp2OfNegative(difference); }
};

}  // namespace query_lanes

void AttentionBf16(const AttentionBf16Args& args) { query_lanes::Run<query_lanes::FloatWords>(args); }

size_t AttentionBf16WorkspaceFloats(size_t longest, size_t heads, size_t head_size, Format out_format) {
  return query_lanes::WorkspaceFloats<query_lanes::FloatWords>(longest, heads, head_size, out_format);
}

}  // namespace
}  // namespace crossrank::kernels
