// Attention over packed sequences: softmax(Q K^T / sqrt(head_size)) V for one sequence and head at a time.
//
// K and V of the (sequence, head) are packed first; then queries go in blocks of kTileRows rows through three
// steps: scores, softmax, context.
//
// Scores are in double precision. One of a few hundred, rounded to fp32, is off by 1e-5, and so is its weight
// by 1e-5 of itself: as much as everything else in the model together. So they are summed in double, the
// row's maximum is taken off in double, and only the difference is rounded. It is small where the weight is
// not. log2(e) is in the queries' scale, for exp2 is cheaper than exp.
//
// A register tile is kTileRows queries x kTileColumns vectors of keys, one accumulator each.
//
//               keys of one panel, K^T packed as [head_size][kPanelKeys]
//                  k0 .. k7      k8 .. k15     (AVX-512: 2 vectors of 8 doubles)
//             d=0 [.........]   [.........]
//             d=1 [.........]   [.........]    every step d: load 2 key vectors, widened if floats,
//              :       |             |         broadcast 8 query values, 16 fused multiply-adds
//     q row 0  --> [acc 0 0]     [acc 0 1]
//     q row 1  --> [acc 1 0]     [acc 1 1]  --> scores [row][key] in the workspace, as doubles; softmax
//        :             :             :          leaves fp32 weights in the front half of every row
//     q row 7  --> [acc 7 0]     [acc 7 1]
//
// Context: the same tile in fp32 with softmax weights in place of queries, keys j in place of d and V's
// columns in place of keys. A shorter block at the end is a smaller tile of the same code. An accumulator
// always adds its terms in the order d = 0, 1, 2 ... (j = 0, 1, 2 ...) whatever the tile's size, so a row has
// the same bits in every block.
//
// Biases: q's is added to the queries. k's is not needed: it adds q . k_bias to every score of a row, and
// softmax does not see what all scores share. v's is added to the context, for the weights' sum is 1.
#pragma once

#include <math.h>

#include "kernels.h"
#include "vector_math.h"

namespace crossrank::kernels {
namespace {

constexpr size_t kPanelKeys = Vec::kTileColumns * Wide::kWidth;
static_assert(Vec::kTileColumns == 2 && kPanelKeys == Vec::kWidth,
              "a panel is one vector of weights; the ends of the loops handle one vector at most");

CROSSRANK_INLINE size_t RoundUp(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// The three parts of the workspace, in floats. Every part is a multiple of a cache line.
constexpr size_t kLine = 16;
struct AttentionLayout {
  size_t value_stride, score_stride;
  size_t values_at, scores_at, total;
};

CROSSRANK_INLINE AttentionLayout LayoutFor(size_t keys, size_t head_size) {
  AttentionLayout layout;
  layout.value_stride = RoundUp(head_size, Vec::kWidth);
  // Two floats a score. An odd number of lines: rows that are a multiple of 4 KiB apart would share their
  // cache sets.
  layout.score_stride = (RoundUp(2 * keys, 2 * kLine) / kLine | 1) * kLine;
  const size_t floats_per_key = sizeof(Wide::Packed) / sizeof(float) * head_size;
  layout.values_at = RoundUp(RoundUp(keys, kPanelKeys) * floats_per_key, kLine);
  layout.scores_at = layout.values_at + RoundUp(keys * layout.value_stride, kLine);
  layout.total = layout.scores_at + Vec::kTileRows * layout.score_stride;
  return layout;
}

size_t AttentionWorkspaceFloats(size_t longest_sequence, size_t head_size) {
  return LayoutFor(longest_sequence, head_size).total + kLine;  // a line to align the start
}

// One sequence and head.
struct Head {
  const float *q, *k, *v;  // first row of the sequence, first column of the head
  const float *q_bias, *v_bias;
  float* out;
  size_t q_stride, kv_stride, out_stride;
  size_t keys, head_size;
  double scale;
  Wide::Packed* packed_keys;
  float *packed_values, *scores;
  size_t value_stride, score_stride;

  double* ScoreRow(size_t row) const { return reinterpret_cast<double*>(scores + row * score_stride); }
};

CROSSRANK_INLINE void StoreKeys(Vec keys, float* to) { keys.Store(to); }
CROSSRANK_INLINE void StoreKeys(Vec keys, double* to) {
  WidenLow(keys).Store(to);
  WidenHigh(keys).Store(to + Wide::kWidth);
}

// K^T in panels of kPanelKeys keys. Keys past the end repeat the last one, which leaves maxima as they are.
void PackKeys(const Head& head) {
  const float* rows[kPanelKeys];
  for (size_t j = 0; j < head.keys; j += kPanelKeys) {
    for (size_t i = 0; i < kPanelKeys; ++i) {
      rows[i] = head.k + (j + i < head.keys ? j + i : head.keys - 1) * head.kv_stride;
    }
    Wide::Packed* panel = head.packed_keys + j * head.head_size;
    size_t d = 0;
    for (; d + 4 <= head.head_size; d += 4) {
      Vec x[4];
      CROSSRANK_UNROLL
      for (size_t i = 0; i < 4; ++i) x[i] = Vec::LoadLanes(rows + i, d);
      TransposeLanes(x[0], x[1], x[2], x[3]);
      CROSSRANK_UNROLL
      for (size_t i = 0; i < 4; ++i) StoreKeys(x[i], panel + (d + i) * kPanelKeys);
    }
    for (; d < head.head_size; ++d) {
      for (size_t i = 0; i < kPanelKeys; ++i) panel[d * kPanelKeys + i] = rows[i][d];
    }
  }
}

// V's rows, with zeros up to a whole vector.
void PackValues(const Head& head) {
  constexpr size_t kWidth = Vec::kWidth;
  for (size_t j = 0; j < head.keys; ++j) {
    const float* v = head.v + j * head.kv_stride;
    float* packed = head.packed_values + j * head.value_stride;
    size_t d = 0;
    for (; d + kWidth <= head.head_size; d += kWidth) Vec::Load(v + d).Store(packed + d);
    if (d < head.head_size) Vec::LoadFirst(v + d, head.head_size - d).Store(packed + d);
  }
}

// (q + bias) * scale, up to a whole vector.
CROSSRANK_INLINE void PackQuery(const Head& head, size_t row, double* packed) {
  const float* q = head.q + row * head.q_stride;
  const Wide scale = Wide::Broadcast(head.scale);
  size_t d = 0;
  for (; d + Wide::kWidth <= head.head_size; d += Wide::kWidth) {
    ((Wide::Load(q + d) + Wide::Load(head.q_bias + d)) * scale).Store(packed + d);
  }
  if (d < head.head_size) {
    const size_t n = head.head_size - d;
    const Wide rest = WidenLow(Vec::LoadFirst(q + d, n)) + WidenLow(Vec::LoadFirst(head.q_bias + d, n));
    (rest * scale).Store(packed + d);
  }
}

// tile[r][c] = sum over i of left[r][i] * right[i][c]: the inner loop of both products.
template <int kRows, int kColumns, class Lanes, class Left, class Right>
CROSSRANK_INLINE void MultiplyTile(const Left* left, size_t left_stride, const Right* right,
                                   size_t right_stride, size_t depth, Lanes (&tile)[kRows][kColumns]) {
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) tile[r][c] = Lanes::Zero();
  }
  for (size_t i = 0; i < depth; ++i) {
    Lanes column[kColumns];
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) column[c] = Lanes::Load(right + i * right_stride + c * Lanes::kWidth);
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Lanes x = Lanes::Broadcast(left[r * left_stride + i]);
      CROSSRANK_UNROLL
      for (int c = 0; c < kColumns; ++c) tile[r][c] = Fma(x, column[c], tile[r][c]);
    }
  }
}

// Scores of kColumns vectors of keys from key j on, and the running maxima of the rows.
template <int kRows, int kColumns>
CROSSRANK_INLINE void ScoreTile(const Head& head, const double* queries, size_t j, Wide (&maxima)[kRows]) {
  Wide tile[kRows][kColumns];
  MultiplyTile(queries, kMaxHeadSize, head.packed_keys + j * head.head_size, kPanelKeys, head.head_size,
               tile);
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      maxima[r] = Max(maxima[r], tile[r][c]);
      tile[r][c].Store(head.ScoreRow(r) + j + c * Wide::kWidth);
    }
  }
}

// Softmax weights of a row from its scores, in their place: weights never overtake the scores they are made
// of. Weights are relative to the largest; the result is the inverse of their sum.
CROSSRANK_INLINE float WeightRow(const Head& head, size_t row, Wide maxima) {
  constexpr size_t kWidth = Vec::kWidth;
  const double* scores = head.ScoreRow(row);
  float* weights = head.scores + row * head.score_stride;
  const Wide maximum = Wide::Broadcast(ReduceMax(maxima));
  const auto weight = [&](size_t j) {
    return Exp2OfNegative(
        Narrow(Wide::Load(scores + j) - maximum, Wide::Load(scores + j + Wide::kWidth) - maximum));
  };
  Vec sum[2] = {Vec::Zero(), Vec::Zero()};
  size_t j = 0;
  for (; j + 2 * kWidth <= head.keys; j += 2 * kWidth) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < 2; ++i) {
      const Vec w = weight(j + i * kWidth);
      w.Store(weights + j + i * kWidth);
      sum[i] = sum[i] + w;
    }
  }
  for (; j < head.keys; j += kWidth) {
    const Vec w = KeepFirst(weight(j), head.keys - j, Vec::Zero());
    w.Store(weights + j);
    sum[0] = sum[0] + w;
  }
  return 1.0f / ReduceAdd(sum[0] + sum[1]);
}

// kColumns vectors of the output from column d on.
template <int kRows, int kColumns>
CROSSRANK_INLINE void ContextTile(const Head& head, const float* inverse_sums, size_t d, float* out) {
  constexpr size_t kWidth = Vec::kWidth;
  Vec tile[kRows][kColumns];
  MultiplyTile(head.scores, head.score_stride, head.packed_values + d, head.value_stride, head.keys, tile);
  CROSSRANK_UNROLL
  for (int c = 0; c < kColumns; ++c) {
    const size_t column = d + c * kWidth, n = head.head_size - column;
    const bool whole = n >= kWidth;
    const Vec bias = whole ? Vec::Load(head.v_bias + column) : Vec::LoadFirst(head.v_bias + column, n);
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Vec context = Fma(tile[r][c], Vec::Broadcast(inverse_sums[r]), bias);
      float* to = out + r * head.out_stride + column;
      if (whole) {
        context.Store(to);
      } else {
        context.StoreFirst(to, n);
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
  alignas(64) double queries[kRows * kMaxHeadSize];
  for (size_t r = 0; r < kRows; ++r) PackQuery(head, first + r, queries + r * kMaxHeadSize);

  Wide maxima[kRows];
  for (Wide& maximum : maxima) maximum = Wide::Broadcast(-INFINITY);
  size_t j = 0;
  for (; j + Wide::kWidth < head.keys; j += kPanelKeys) ScoreTile<kRows, 2>(head, queries, j, maxima);
  if (j < head.keys) ScoreTile<kRows, 1>(head, queries, j, maxima);

  float inverse_sums[kRows];
  for (int r = 0; r < kRows; ++r) inverse_sums[r] = WeightRow(head, r, maxima[r]);

  float* out = head.out + first * head.out_stride;
  size_t d = 0;
  for (; d + Vec::kWidth < head.head_size; d += 2 * Vec::kWidth) {
    ContextTile<kRows, 2>(head, inverse_sums, d, out);
  }
  if (d < head.head_size) ContextTile<kRows, 1>(head, inverse_sums, d, out);
}

void Attention(const AttentionArgs& args) {
  constexpr double kLog2E = 1.44269504088896340736;
  const uintptr_t aligned = RoundUp(reinterpret_cast<uintptr_t>(args.workspace), kLine * sizeof(float));
  float* workspace = reinterpret_cast<float*>(aligned);
  Head head;
  head.q_stride = args.q_stride;
  head.kv_stride = args.kv_stride;
  head.out_stride = args.heads * args.head_size;
  head.head_size = args.head_size;
  head.scale = kLog2E / sqrt(static_cast<double>(args.head_size));
  for (size_t s = 0; s < args.sequences; ++s) {
    const size_t first_token = static_cast<size_t>(args.offsets[s]);
    const size_t tokens = static_cast<size_t>(args.offsets[s + 1]) - first_token;
    if (tokens == 0) continue;
    const size_t first_query = args.one_query ? s : first_token;
    const size_t queries = args.one_query ? 1 : tokens;
    const AttentionLayout layout = LayoutFor(tokens, args.head_size);
    head.keys = tokens;
    head.packed_keys = reinterpret_cast<Wide::Packed*>(workspace);
    head.packed_values = workspace + layout.values_at;
    head.scores = workspace + layout.scores_at;
    head.value_stride = layout.value_stride;
    head.score_stride = layout.score_stride;
    for (size_t h = 0; h < args.heads; ++h) {
      const size_t column = h * args.head_size;
      head.q = args.q + first_query * args.q_stride + column;
      head.k = args.k + first_token * args.kv_stride + column;
      head.v = args.v + first_token * args.kv_stride + column;
      head.q_bias = args.q_bias + column;
      head.v_bias = args.v_bias + column;
      head.out = args.out + first_query * head.out_stride + column;
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
