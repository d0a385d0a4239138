// Sequences, heads and output rows of query_lanes.h.
#pragma once

#include "encode.h"
#include "query_lanes.h"

namespace crossrank::kernels {
namespace {
namespace query_lanes {

template <class Words>
void QueryBlocks(const Head& head, size_t first, float* out, size_t stride) {
  const size_t left = head.queries - first;
  if (kColumns >= 3 && left > 2 * kWidth) return QueryBlock<Words, 3>(head, first, out, stride);
  if (left > kWidth) return QueryBlock<Words, 2>(head, first, out, stride);
  QueryBlock<Words, 1>(head, first, out, stride);
}

// A row of a head as bf16. It may be the row's end, without padding for a whole vector.
CROSSRANK_INLINE void StoreHead(const float* row, size_t head_size, uint16_t* out) {
  size_t d = 0;
  for (; d + kWidth <= head_size; d += kWidth) StoreBf16(Vec::Load(row + d), out + d);
  if constexpr (kWidth > 8) {
    if (d < head_size) {
      uint16_t rest[kWidth];
      StoreBf16(Vec::LoadFirst(row + d, 8), rest);
      memcpy(out + d, rest, 8 * sizeof(uint16_t));
    }
  }
}

template <class Words>
void Run(const AttentionBf16Args& args) {
  const size_t columns = args.heads * args.head_size;
  const size_t stride = SequenceStride(columns);
  const size_t out_stride = RowStride(args.out_format, columns);
  Head head = {};
  head.q_stride = args.q_stride;
  head.kv_stride = args.kv_stride;
  head.head_size = args.head_size;
  head.scale = static_cast<float>(1.44269504088896340736 / sqrt(static_cast<double>(args.head_size)));
  for (size_t s = 0; s < args.sequences; ++s) {
    const size_t first = static_cast<size_t>(args.offsets[s]);
    head.keys = static_cast<size_t>(args.offsets[s + 1]) - first;
    if (head.keys == 0) continue;
    const size_t row = args.one_query ? s : first;
    head.queries = args.one_query ? 1 : head.keys;
    const Layout at = LayoutFor<Words>(head.keys, args.heads, args.head_size, args.out_format);
    head.packed_keys = args.workspace + at.keys;
    head.packed_values = args.workspace + at.values;
    head.packed_queries = args.workspace + at.queries;
    head.rows = args.workspace + at.rows;
    head.scores = args.workspace + at.scores;
    head.context = args.workspace + at.context;
    float* sequence = args.workspace + at.sequence;
    uint8_t* out = args.out + row * out_stride;
    for (size_t h = 0; h < args.heads; ++h) {
      const size_t column = h * args.head_size;
      head.q = args.q + row * args.q_stride + column;
      head.k = args.k + first * args.kv_stride + column;
      head.v = args.v + first * args.kv_stride + column;
      PackKeys<Words>(head);
      Words::PackValues(head);
      for (size_t q = 0; q < head.queries; q += kColumns * kWidth) {
        if (args.out_format == Format::kInt8) {
          QueryBlocks<Words>(head, q, sequence + q * stride + column, stride);
          continue;
        }
        QueryBlocks<Words>(head, q, head.rows, args.head_size);
        const size_t left = head.queries - q, rows = left < kColumns * kWidth ? left : kColumns * kWidth;
        for (size_t i = 0; i < rows; ++i) {
          StoreHead(head.rows + i * args.head_size, args.head_size,
                    reinterpret_cast<uint16_t*>(out + (q + i) * out_stride) + column);
        }
      }
    }
    for (size_t i = 0; i < head.queries; ++i) {
      if (args.out_format == Format::kInt8) {
        EncodeRow(sequence + i * stride, columns, Format::kInt8, out + i * out_stride);
      } else if (columns % 32 != 0) {
        memset(out + i * out_stride + 2 * columns, 0, 2 * (UpTo(columns, 32) - columns));
      }
    }
  }
}

}  // namespace query_lanes
}  // namespace
}  // namespace crossrank::kernels
