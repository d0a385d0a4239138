// Dot products of many rows with a query, for search. Memory sets the pace: rows come from it once, in order,
// and the loops only have to keep up.
#pragma once

#include "kernels.h"

namespace crossrank::kernels {
namespace {

// Sums that run side by side in dot_double, in every table: lane i adds up columns i, i + 16, i + 32 and so
// on.
constexpr size_t kDotLanes = 16;

// A product of two floats is exact in double, so that a fused multiply-add rounds as the two operations do.
template <size_t kRows>
CROSSRANK_INLINE void DotDoubleRows(const double* query, const float* rows, size_t columns, double* out) {
  constexpr size_t kWidth = Wide::kWidth, kSums = kDotLanes / kWidth;
  Wide sums[kRows][kSums];
  CROSSRANK_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kSums; ++i) sums[r][i] = Wide::Zero();
  }
  for (size_t c = 0; c < columns; c += kDotLanes) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kSums; ++i) {
      const Wide y = Wide::Load(query + c + i * kWidth);
      CROSSRANK_UNROLL
      for (size_t r = 0; r < kRows; ++r) {
        sums[r][i] = Fma(Wide::Load(rows + r * columns + c + i * kWidth), y, sums[r][i]);
      }
    }
  }
  CROSSRANK_UNROLL
  for (size_t r = 0; r < kRows; ++r) {
    double lanes[kDotLanes];
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kSums; ++i) sums[r][i].Store(lanes + i * kWidth);
    for (size_t half = kDotLanes / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    out[r] = lanes[0];
  }
}

[[maybe_unused]] void DotDouble(const double* query, const float* rows, size_t count, size_t columns,
                                double* out) {
  constexpr size_t kRows = Wide::kWidth / 2;  // eight sums in flight, whatever their width
  size_t r = 0;
  for (; r + kRows <= count; r += kRows) DotDoubleRows<kRows>(query, rows + r * columns, columns, out + r);
  for (; r < count; ++r) DotDoubleRows<1>(query, rows + r * columns, columns, out + r);
}

// Rows are widened once for all queries of a tile.
template <size_t kQueries, size_t kRows>
CROSSRANK_INLINE void DotInt8Tile(const int16_t* queries, const int8_t* rows, size_t count, size_t columns,
                                  int32_t* out) {
  IntSums sums[kQueries][kRows];
  CROSSRANK_UNROLL
  for (size_t q = 0; q < kQueries; ++q) {
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kRows; ++r) sums[q][r] = IntSums::Zero();
  }
  for (size_t c = 0; c < columns; c += Shorts::kWidth) {
    Shorts x[kRows];
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kRows; ++r) x[r] = Shorts::Load(rows + r * columns + c);
    CROSSRANK_UNROLL
    for (size_t q = 0; q < kQueries; ++q) {
      const Shorts y = Shorts::Load(queries + q * columns + c);
      CROSSRANK_UNROLL
      for (size_t r = 0; r < kRows; ++r) sums[q][r] = MultiplyAdd(x[r], y, sums[q][r]);
    }
  }
  CROSSRANK_UNROLL
  for (size_t q = 0; q < kQueries; ++q) {
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kRows; ++r) out[q * count + r] = ReduceAdd(sums[q][r]);
  }
}

template <size_t kRows>
CROSSRANK_INLINE void DotInt8Rows(const int16_t* queries, size_t query_count, const int8_t* rows,
                                  size_t count, size_t columns, int32_t* out) {
  size_t q = 0;
  for (; q + 2 <= query_count; q += 2) {
    DotInt8Tile<2, kRows>(queries + q * columns, rows, count, columns, out + q * count);
  }
  if (q < query_count) DotInt8Tile<1, kRows>(queries + q * columns, rows, count, columns, out + q * count);
}

// 4 rows x 2 queries: 8 sums, 4 rows and a query are 13 of AVX2's 16 registers. The four rows stay in the
// first level of the cache while all queries pass over them.
[[maybe_unused]] void DotInt8(const int16_t* queries, size_t query_count, const int8_t* rows, size_t count,
                              size_t columns, int32_t* out) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    DotInt8Rows<4>(queries, query_count, rows + r * columns, count, columns, out + r);
  }
  for (; r < count; ++r) {
    DotInt8Rows<1>(queries, query_count, rows + r * columns, count, columns, out + r);
  }
}

}  // namespace
}  // namespace crossrank::kernels
