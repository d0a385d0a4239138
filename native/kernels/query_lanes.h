// Attention over bf16 rows. Queries are the lanes of a vector, keys come one after the other:
//
//   scores^T [key][query] = K Q^T, weights^T = exp2 of it, context^T [column][query] = V^T weights^T.
//
// So a query's maximum and its sum are lanes too, and no reduction runs across a vector. K and V are read as
// scalars for all lanes, which needs no transposition; the queries are transposed, and the context back, once
// per block. Both products are one register tile, kRows scalars x kColumns vectors of queries:
//
//                     queries of the block, Q^T packed as [word][query]
//                     q0 .. q15    q16 .. q31   q32 .. q47    (AVX-512)
//            word i  [.........]  [.........]  [.........]    every step i: load kColumns vectors,
//                         |            |            |         broadcast kRows words, kRows x kColumns
//     key j    --> [acc 0 0]    [acc 0 1]    [acc 0 2]        multiply-adds
//     key j+1  --> [acc 1 0]    [acc 1 1]    [acc 1 2]   --> scores [key][query] and their maxima
//        :
//     key j+7  --> [acc 7 0]    [acc 7 1]    [acc 7 2]
//
// Context: the same tile with weights [key][query] in place of Q^T and columns of V in place of keys.
//
// A word is 32 bits, what one broadcast takes: a float (attention_bf16.h), or a pair of bf16 for instructions
// that multiply pairs (attention_bf16_avx512bf16.cc). `Words` says how rows become words.
//
// Keys go in blocks of kKeyBlock, so that scores stay in the first-level cache at any length. A block raises
// the maximum; what earlier blocks have summed is scaled down to it ("online softmax", Milakov and Gimelshein
// 2018).
//
// A lane's operations and their order depend on the keys alone: not on the lane, the tile's size, or how many
// queries there are.
#pragma once

#include <math.h>
#include <string.h>

#include "linear.h"
#include "vector_math.h"

namespace crossrank::kernels {
namespace {
namespace query_lanes {

constexpr size_t kWidth = Vec::kWidth;
constexpr size_t kMaxHead = 128;
constexpr size_t kLineFloats = kLineBytes / sizeof(float);
constexpr size_t kKeyBlock = 256;  // 128 to 512 measured alike on Zen 5

// Vectors of queries in a whole block, and the rows of a tile of so many vectors: registers for accumulators,
// a vector of queries each, and a broadcast.
constexpr int kColumns = 3;
template <int kTileColumns>
constexpr int kTileRows = (kWidth == 16 ? 8 : 4) * (kTileColumns == 1 ? 2 : 1);
constexpr size_t kKeyStep = 16;  // a multiple of every tile's rows
static_assert(kKeyBlock % kKeyStep == 0, "whole tiles in a block");

CROSSRANK_INLINE size_t UpTo(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Floats between a sequence's rows of context: an odd number of lines, for rows 4 KiB apart share their cache
// sets.
CROSSRANK_INLINE size_t SequenceStride(size_t columns) {
  return (UpTo(columns, kLineFloats) / kLineFloats | 1) * kLineFloats;
}

// Parts of the workspace, in floats, each on a cache line.
struct Layout {
  size_t keys, values, queries, rows, scores, context, sequence, total;
};

template <class Words>
CROSSRANK_INLINE Layout LayoutFor(size_t keys, size_t heads, size_t head_size, Format format) {
  constexpr size_t kLanes = kColumns * kWidth;
  Layout at = {};
  const auto place = [&at](size_t floats) {
    const size_t start = at.total;
    at.total += UpTo(floats, kLineFloats);
    return start;
  };
  at.keys = place(UpTo(keys, kKeyStep) * Words::Count(head_size));
  at.values = place(Words::Count(keys) * head_size);
  at.queries = place(Words::Count(head_size) * kLanes);
  at.rows = place(kLanes * head_size);
  at.scores = place(kKeyBlock * kLanes);
  at.context = place(head_size * kLanes);
  at.sequence = place(format == Format::kInt8 ? UpTo(keys, kWidth) * SequenceStride(heads * head_size) : 0);
  return at;
}

template <class Words>
size_t WorkspaceFloats(size_t longest_sequence, size_t heads, size_t head_size, Format out_format) {
  return LayoutFor<Words>(longest_sequence, heads, head_size, out_format).total;
}

// One sequence and head.
struct Head {
  const uint16_t *q, *k, *v;  // first row of the sequence, first column of the head
  size_t q_stride, kv_stride;
  size_t keys, queries, head_size;
  float scale;  // log2(e) / sqrt(head_size)
  // In the workspace.
  float *packed_keys, *packed_values, *packed_queries, *rows, *scores, *context;
};

// The words of up to kWidth rows of q or k as columns, `step` floats from one word to the next. Columns past
// `count` repeat the last row: keys leave maxima as they are, and nobody reads what queries give.
template <class Words>
CROSSRANK_INLINE void PackColumns(const Head& head, const uint16_t* from, size_t stride, size_t count,
                                  float scale, float* packed, size_t step) {
  const float* rows[kWidth];
  Words::Rows(head, from, stride, count, scale, rows);
  for (size_t i = 0; i < Words::Count(head.head_size); i += 4) {
    Vec x[4];
    CROSSRANK_UNROLL
    for (size_t n = 0; n < 4; ++n) x[n] = Vec::LoadLanes(rows + n, i);
    TransposeLanes(x[0], x[1], x[2], x[3]);
    CROSSRANK_UNROLL
    for (size_t n = 0; n < 4; ++n) x[n].Store(packed + (i + n) * step);
  }
}

// K in panels [word][kKeyStep keys]: a tile's broadcasts are then next to each other. As rows they took a
// pointer each, more than there are registers for the tile of 16.
template <class Words>
void PackKeys(const Head& head) {
  const size_t words = Words::Count(head.head_size), end = UpTo(head.keys, kKeyStep);
  for (size_t j = 0; j < end; j += kWidth) {
    // A last panel may have whole vectors past the end.
    const size_t key = j < head.keys ? j : head.keys - 1, left = head.keys - key;
    float* panel = head.packed_keys + j / kKeyStep * kKeyStep * words + j % kKeyStep;
    PackColumns<Words>(head, head.k + key * head.kv_stride, head.kv_stride, left < kWidth ? left : kWidth,
                       1.0f, panel, kKeyStep);
  }
}

// tile[r][c] += sum over i < depth of left[r + i * step] * right[i][c].
template <class Words, int kRows, int kTileColumns>
CROSSRANK_INLINE void MultiplyTile(const float* left, size_t step, const float* right, size_t depth,
                                   Vec (&tile)[kRows][kTileColumns]) {
  for (size_t i = 0; i < depth; ++i) {
    Vec lanes[kTileColumns];
    CROSSRANK_UNROLL
    for (int c = 0; c < kTileColumns; ++c) lanes[c] = Vec::Load(right + (i * kTileColumns + c) * kWidth);
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Vec word = Vec::Broadcast(left[r + i * step]);
      CROSSRANK_UNROLL
      for (int c = 0; c < kTileColumns; ++c) tile[r][c] = Words::MultiplyAdd(word, lanes[c], tile[r][c]);
    }
  }
}

// Scores of keys [first, first + count), and the maxima raised to them.
template <class Words, int kTileColumns>
CROSSRANK_INLINE void Scores(const Head& head, size_t first, size_t count, Vec (&maxima)[kTileColumns]) {
  constexpr int kRows = kTileRows<kTileColumns>;
  const size_t words = Words::Count(head.head_size);
  for (size_t j = 0; j < count; j += kRows) {
    Vec tile[kRows][kTileColumns];
    CROSSRANK_UNROLL
    for (int r = 0; r < kRows; ++r) {
      CROSSRANK_UNROLL
      for (int c = 0; c < kTileColumns; ++c) tile[r][c] = Vec::Zero();
    }
    const size_t key = first + j;
    MultiplyTile<Words>(head.packed_keys + key / kKeyStep * kKeyStep * words + key % kKeyStep, kKeyStep,
                        head.packed_queries, words, tile);
    CROSSRANK_UNROLL
    for (int c = 0; c < kTileColumns; ++c) {
      CROSSRANK_UNROLL
      for (int r = 0; r < kRows; ++r) tile[r][c].Store(head.scores + ((j + r) * kTileColumns + c) * kWidth);
      CROSSRANK_UNROLL
      for (int half = kRows / 2; half > 0; half /= 2) {
        CROSSRANK_UNROLL
        for (int r = 0; r < half; ++r) tile[r][c] = Max(tile[r][c], tile[r + half][c]);
      }
      maxima[c] = Max(maxima[c], tile[0][c]);
    }
  }
}

// Columns [d, d + kRows) of the context: what earlier blocks gave, times factors, and this block's.
template <class Words, int kRows, int kTileColumns>
CROSSRANK_INLINE void ContextTile(const Head& head, size_t first, size_t count, size_t d, bool add,
                                  const Vec (&factors)[kTileColumns]) {
  Vec tile[kRows][kTileColumns];
  float* context = head.context + d * kTileColumns * kWidth;
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kTileColumns; ++c) {
      tile[r][c] = add ? Vec::Load(context + (r * kTileColumns + c) * kWidth) * factors[c] : Vec::Zero();
    }
  }
  MultiplyTile<Words>(head.packed_values + Words::Count(first) * head.head_size + d, head.head_size,
                      head.scores, Words::Count(count), tile);
  CROSSRANK_UNROLL
  for (int r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (int c = 0; c < kTileColumns; ++c) tile[r][c].Store(context + (r * kTileColumns + c) * kWidth);
  }
}

// Softmax and context of keys [first, first + count), whose scores and maxima are there.
template <class Words, int kTileColumns>
CROSSRANK_INLINE void Context(const Head& head, size_t first, size_t count, const Vec (&maxima)[kTileColumns],
                              Vec (&factors)[kTileColumns], Vec (&sums)[kTileColumns]) {
  const bool add = first != 0;
  CROSSRANK_UNROLL
  for (int c = 0; c < kTileColumns; ++c) {
    if (add) {
      factors[c] = Words::Factor(head, factors[c] - maxima[c]);
      sums[c] = sums[c] * factors[c];
    }
  }
  Words::template Weights<kTileColumns>(head, count, maxima, sums);
  constexpr int kRows = kTileRows<kTileColumns>;
  size_t d = 0;
  for (; d + kRows <= head.head_size; d += kRows) {
    ContextTile<Words, kRows, kTileColumns>(head, first, count, d, add, factors);
  }
  for (; d < head.head_size; d += 8) {
    ContextTile<Words, 8, kTileColumns>(head, first, count, d, add, factors);
  }
}

// Queries [first, first + kTileColumns * kWidth), or as many of them as there are, to rows of fp32 `stride`
// apart, of which whole vectors are written.
template <class Words, int kTileColumns>
void QueryBlock(const Head& head, size_t first, float* out, size_t stride) {
  for (int c = 0; c < kTileColumns; ++c) {
    const size_t start = first + c * kWidth, left = head.queries - start;
    PackColumns<Words>(head, head.q + start * head.q_stride, head.q_stride, left < kWidth ? left : kWidth,
                       head.scale, head.packed_queries + c * kWidth, kTileColumns * kWidth);
  }
  Vec maxima[kTileColumns], sums[kTileColumns];
  CROSSRANK_UNROLL
  for (int c = 0; c < kTileColumns; ++c) {
    maxima[c] = Vec::Broadcast(-INFINITY);
    sums[c] = Vec::Zero();
  }
  for (size_t j = 0; j < head.keys; j += kKeyBlock) {
    const size_t count = head.keys - j < kKeyBlock ? head.keys - j : kKeyBlock;
    Vec factors[kTileColumns];
    CROSSRANK_UNROLL
    for (int c = 0; c < kTileColumns; ++c) factors[c] = maxima[c];
    Scores<Words, kTileColumns>(head, j, count, maxima);
    Context<Words, kTileColumns>(head, j, count, maxima, factors, sums);
  }
  CROSSRANK_UNROLL
  for (int c = 0; c < kTileColumns; ++c) {
    const Vec inverse = Vec::Broadcast(1.0f) / sums[c];
    float* rows = out + c * kWidth * stride;
    for (size_t d = 0; d < head.head_size; d += 4) {
      Vec x[4];
      CROSSRANK_UNROLL
      for (size_t n = 0; n < 4; ++n) {
        x[n] = Vec::Load(head.context + ((d + n) * kTileColumns + c) * kWidth) * inverse;
      }
      TransposeLanes(x[0], x[1], x[2], x[3]);
      CROSSRANK_UNROLL
      for (size_t n = 0; n < 4; ++n) x[n].StoreLanes(rows + n * stride + d, stride);
    }
  }
}

}  // namespace query_lanes
}  // namespace
}  // namespace crossrank::kernels
