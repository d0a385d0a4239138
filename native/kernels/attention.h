// Attention over packed sequences: softmax(Q K^T / sqrt(head_size)) V for one sequence and head at a time.
//
// K and V of the (sequence, head) are packed first, with their biases; then queries go in blocks of kTileRows
// rows through three steps: scores, softmax, context.
//
// Scores: a register tile is kTileRows queries x kTileColumns vectors of keys, one accumulator each.
//
//               keys of one panel, K^T packed as [head_size][kPanelKeys]
//                  k0 .. k15     k16 .. k31        (AVX-512: 2 vectors of 16)
//             d=0 [.........]   [.........]
//             d=1 [.........]   [.........]        every step d: load 2 key vectors,
//              :       |             |             broadcast 8 query values, 16 fused multiply-adds
//     q row 0  --> [acc 0 0]     [acc 0 1]
//     q row 1  --> [acc 1 0]     [acc 1 1]   -->  scores [row][key] in the workspace, and the row's maximum
//        :             :             :
//     q row 7  --> [acc 7 0]     [acc 7 1]
//
// Context: the same tile with softmax weights in place of queries, keys j in place of d and V's columns in
// place of keys. A shorter block at the end is a smaller tile of the same code. An accumulator always adds
// its terms in the order d = 0, 1, 2 ... (j = 0, 1, 2 ...) whatever the tile's size, so a row has the same
// bits in every block.
#pragma once

#include <math.h>

#include "kernels.h"
#include "vector_math.h"

namespace crossrank::kernels {
namespace {

constexpr size_t kPanelKeys = Vec::kTileColumns * Vec::kWidth;

CROSSRANK_INLINE size_t RoundUp(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// The three parts of the workspace, in floats. Every part is a multiple of 64 bytes.
struct AttentionLayout {
  size_t value_stride, score_stride;
  size_t values_at, scores_at, total;
};

CROSSRANK_INLINE AttentionLayout LayoutFor(size_t keys, size_t head_size) {
  constexpr size_t kLine = 16;
  AttentionLayout layout;
  layout.value_stride = RoundUp(head_size, Vec::kWidth);
  // An odd number of cache lines: rows of scores that are a multiple of 4 KiB apart would share their cache
  // sets.
  layout.score_stride = (RoundUp(keys, kPanelKeys > kLine ? kPanelKeys : kLine) / kLine | 1) * kLine;
  layout.values_at = RoundUp(RoundUp(keys, kPanelKeys) * head_size, kLine);
  layout.scores_at = layout.values_at + RoundUp(keys * layout.value_stride, kLine);
  layout.total = layout.scores_at + Vec::kTileRows * layout.score_stride;
  return layout;
}

size_t AttentionWorkspaceFloats(size_t longest_sequence, size_t head_size) {
  return LayoutFor(longest_sequence, head_size).total;
}

// One sequence and head.
struct Head {
  const float *q, *k, *v;  // first row of the sequence, first column of the head
  const float *q_bias, *k_bias, *v_bias;
  float* out;
  size_t stride;  // between rows of q, k, v and out
  size_t keys, head_size;
  float scale;
  float *packed_keys, *packed_values, *scores;
  size_t value_stride, score_stride;
};

// K^T in panels of kPanelKeys keys. Keys past the end repeat the last one; their scores are masked.
void PackKeys(const Head& head) {
  constexpr size_t kWidth = Vec::kWidth;
  const float* rows[kWidth];
  for (size_t j = 0; j < head.keys; j += kWidth) {
    for (size_t i = 0; i < kWidth; ++i) {
      rows[i] = head.k + (j + i < head.keys ? j + i : head.keys - 1) * head.stride;
    }
    float* panel = head.packed_keys + j / kPanelKeys * kPanelKeys * head.head_size + j % kPanelKeys;
    size_t d = 0;
    for (; d + 4 <= head.head_size; d += 4) {
      const Vec bias = Vec::RepeatFour(head.k_bias + d);
      Vec x[4];
      CROSSRANK_UNROLL
      for (size_t i = 0; i < 4; ++i) x[i] = Vec::LoadLanes(rows + i, d) + bias;
      TransposeLanes(x[0], x[1], x[2], x[3]);
      CROSSRANK_UNROLL
      for (size_t i = 0; i < 4; ++i) x[i].Store(panel + (d + i) * kPanelKeys);
    }
    for (; d < head.head_size; ++d) {
      for (size_t i = 0; i < kWidth; ++i) panel[d * kPanelKeys + i] = rows[i][d] + head.k_bias[d];
    }
  }
}

// (x + bias) * scale, with zeros up to a whole vector.
CROSSRANK_INLINE void PackRow(const float* x, const float* bias, Vec scale, size_t columns, float* out) {
  constexpr size_t kWidth = Vec::kWidth;
  size_t d = 0;
  for (; d + kWidth <= columns; d += kWidth) {
    ((Vec::Load(x + d) + Vec::Load(bias + d)) * scale).Store(out + d);
  }
  if (d < columns) {
    const size_t n = columns - d;
    ((Vec::LoadFirst(x + d, n) + Vec::LoadFirst(bias + d, n)) * scale).Store(out + d);
  }
}

void PackValues(const Head& head) {
  for (size_t j = 0; j < head.keys; ++j) {
    PackRow(head.v + j * head.stride, head.v_bias, Vec::Broadcast(1.0f), head.head_size,
            head.packed_values + j * head.value_stride);
  }
}

// tile[r][c] += sum over i of left[r][i] * right[i][c]: the inner loop of both products.
template <int kRows, int kColumns>
CROSSRANK_INLINE void MultiplyTile(const float* left, size_t left_stride, const float* right,
                                   size_t right_stride, size_t depth, Vec (&tile)[kRows][kColumns]) {
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) tile[r][c] = Vec::Zero();
  }
  for (size_t i = 0; i < depth; ++i) {
    Vec column[kColumns];
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) column[c] = Vec::Load(right + i * right_stride + c * Vec::kWidth);
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Vec x = Vec::Broadcast(left[r * left_stride + i]);
      CROSSRANK_UNROLL
      for (int c = 0; c < kColumns; ++c) tile[r][c] = Fma(x, column[c], tile[r][c]);
    }
  }
}

// Scores of kColumns vectors of keys from key j on, and the running maxima of the rows.
template <int kRows, int kColumns>
CROSSRANK_INLINE void ScoreTile(const Head& head, const float* queries, size_t j, Vec (&maxima)[kRows]) {
  constexpr size_t kWidth = Vec::kWidth;
  Vec tile[kRows][kColumns];
  MultiplyTile<kRows, kColumns>(queries, kMaxHeadSize, head.packed_keys + j * head.head_size, kPanelKeys,
                                head.head_size, tile);
  const size_t valid = head.keys - j;
  if (valid < kColumns * kWidth) {
    const Vec masked = Vec::Broadcast(-INFINITY);
    const size_t in_last = valid - (kColumns - 1) * kWidth;
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) tile[r][kColumns - 1] = KeepFirst(tile[r][kColumns - 1], in_last, masked);
  }
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      maxima[r] = Max(maxima[r], tile[r][c]);
      tile[r][c].Store(head.scores + r * head.score_stride + j + c * kWidth);
    }
  }
}

// exp(score - maximum) in place; the result is the sum's inverse. Masked keys give 1e-38, lost in a sum >= 1.
CROSSRANK_INLINE float ExponentialRow(float* scores, size_t keys, Vec maxima) {
  constexpr size_t kWidth = Vec::kWidth;
  const Vec maximum = Vec::Broadcast(ReduceMax(maxima));
  Vec sum[2] = {Vec::Zero(), Vec::Zero()};
  size_t j = 0;
  for (; j + kWidth < keys; j += 2 * kWidth) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < 2; ++i) {
      const Vec e = ExpOfNegative(Vec::Load(scores + j + i * kWidth) - maximum);
      e.Store(scores + j + i * kWidth);
      sum[i] = sum[i] + e;
    }
  }
  if (j < keys) {
    const Vec e = ExpOfNegative(Vec::Load(scores + j) - maximum);
    e.Store(scores + j);
    sum[0] = sum[0] + e;
  }
  return 1.0f / ReduceAdd(sum[0] + sum[1]);
}

// kColumns vectors of the output from column d on.
template <int kRows, int kColumns>
CROSSRANK_INLINE void ContextTile(const Head& head, const float* inverse_sums, size_t d, float* out) {
  constexpr size_t kWidth = Vec::kWidth;
  Vec tile[kRows][kColumns];
  MultiplyTile<kRows, kColumns>(head.scores, head.score_stride, head.packed_values + d, head.value_stride,
                                head.keys, tile);
  const bool whole = d + kColumns * kWidth <= head.head_size;
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      const size_t column = d + c * kWidth;
      const Vec context = tile[r][c] * Vec::Broadcast(inverse_sums[r]);
      float* to = out + r * head.stride + column;
      if (whole) {
        context.Store(to);
      } else {
        context.StoreFirst(to, head.head_size - column);
      }
    }
  }
}

// Queries [first, first + rows), 1 <= rows <= kRows: the tile that has exactly as many rows.
template <int kRows>
void QueryBlock(const Head& head, size_t first, size_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return QueryBlock<kRows - 1>(head, first, rows);
  }
  constexpr size_t kWidth = Vec::kWidth;
  alignas(64) float queries[kRows * kMaxHeadSize];
  for (size_t r = 0; r < kRows; ++r) {
    PackRow(head.q + (first + r) * head.stride, head.q_bias, Vec::Broadcast(head.scale), head.head_size,
            queries + r * kMaxHeadSize);
  }

  Vec maxima[kRows];
  for (Vec& maximum : maxima) maximum = Vec::Broadcast(-INFINITY);
  size_t j = 0;
  for (; j + kWidth * (Vec::kTileColumns - 1) < head.keys; j += kPanelKeys) {
    ScoreTile<kRows, Vec::kTileColumns>(head, queries, j, maxima);
  }
  if (j < head.keys) ScoreTile<kRows, 1>(head, queries, j, maxima);

  float inverse_sums[kRows];
  for (int r = 0; r < kRows; ++r) {
    inverse_sums[r] = ExponentialRow(head.scores + r * head.score_stride, head.keys, maxima[r]);
  }

  float* out = head.out + first * head.stride;
  size_t d = 0;
  for (; d + kWidth * (Vec::kTileColumns - 1) < head.head_size; d += kPanelKeys) {
    ContextTile<kRows, Vec::kTileColumns>(head, inverse_sums, d, out);
  }
  if (d < head.head_size) ContextTile<kRows, 1>(head, inverse_sums, d, out);
}

void Attention(const AttentionArgs& args) {
  static_assert(Vec::kTileColumns == 2, "the ends of the key and column loops handle one vector at most");
  const size_t stride = args.heads * args.head_size;
  Head head;
  head.stride = stride;
  head.head_size = args.head_size;
  head.scale = 1.0f / sqrtf(static_cast<float>(args.head_size));
  for (size_t s = 0; s < args.sequences; ++s) {
    const size_t first_token = static_cast<size_t>(args.offsets[s]);
    const size_t tokens = static_cast<size_t>(args.offsets[s + 1]) - first_token;
    if (tokens == 0) continue;
    const size_t first_query = args.first_only ? s : first_token;
    const size_t queries = args.first_only ? 1 : tokens;
    const AttentionLayout layout = LayoutFor(tokens, args.head_size);
    head.keys = tokens;
    head.packed_keys = args.workspace;
    head.packed_values = args.workspace + layout.values_at;
    head.scores = args.workspace + layout.scores_at;
    head.value_stride = layout.value_stride;
    head.score_stride = layout.score_stride;
    for (size_t h = 0; h < args.heads; ++h) {
      const size_t column = h * args.head_size;
      head.q = args.q + first_query * stride + column;
      head.k = args.k + first_token * stride + column;
      head.v = args.v + first_token * stride + column;
      head.q_bias = args.q_bias + column;
      head.k_bias = args.k_bias + column;
      head.v_bias = args.v_bias + column;
      head.out = args.out + first_query * stride + column;
      PackKeys(head);
      PackValues(head);
      for (size_t q = 0; q < queries; q += Vec::kTileRows) {
        const size_t rows = queries - q < Vec::kTileRows ? queries - q : Vec::kTileRows;
        QueryBlock<Vec::kTileRows>(head, q, rows);
      }
    }
  }
}

}  // namespace
}  // namespace crossrank::kernels
