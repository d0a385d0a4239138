// Rows of activations in the formats of linear.h. Every instruction set gives the same bits: the operations
// are the same single ones, in the same order.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels.h"

namespace crossrank::kernels {
namespace {

// Columns [column, column + kWidth) of a row that has `columns`, zeros after the last.
CROSSRANK_INLINE Vec LoadUpTo(const float* row, size_t column, size_t columns) {
  if (column + Vec::kWidth <= columns) return Vec::Load(row + column);
  return column < columns ? Vec::LoadFirst(row + column, columns - column) : Vec::Zero();
}

CROSSRANK_INLINE void EncodeRowFp32(const float* row, size_t columns, uint8_t* out) {
  const size_t padded = Steps(Format::kFp32, columns) * StepRowBytes(Format::kFp32);
  memcpy(out, row, columns * sizeof(float));
  memset(out + columns * sizeof(float), 0, padded - columns * sizeof(float));
}

CROSSRANK_INLINE void EncodeRowBf16(const float* row, size_t columns, uint8_t* out) {
  constexpr size_t kWidth = Vec::kWidth;
  const size_t padded = Steps(Format::kBf16, columns) * StepInputs(Format::kBf16);
  uint16_t* halves = reinterpret_cast<uint16_t*>(out);
  size_t c = 0;
  for (; c + kWidth <= columns; c += kWidth) StoreBf16(Vec::Load(row + c), halves + c);
  for (; c < padded; c += kWidth) StoreBf16(LoadUpTo(row, c, columns), halves + c);
}

// x = high + low + rest. Infinity's low half is NaN, and so is then all that is made of the row.
CROSSRANK_INLINE void StoreBf16Halves(Vec x, uint16_t* high, uint16_t* low) {
  const Vec rounded = RoundToBf16(x);
  StoreBf16(rounded, high);
  StoreBf16(x - rounded, low);
}

CROSSRANK_INLINE void EncodeRowBf16x3(const float* row, size_t columns, uint8_t* out) {
  constexpr size_t kStep = StepInputs(Format::kBf16x3);
  uint16_t* halves = reinterpret_cast<uint16_t*>(out);
  for (size_t step = 0; step < columns; step += kStep, halves += 2 * kStep) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kStep; i += Vec::kWidth) {
      StoreBf16Halves(LoadUpTo(row, step + i, columns), halves + i, halves + kStep + i);
    }
  }
}

// The largest magnitude; infinity or NaN where the row holds one.
CROSSRANK_INLINE float LargestMagnitude(const float* row, size_t columns) {
  constexpr size_t kWidth = Vec::kWidth;
  Vec largest[4] = {Vec::Zero(), Vec::Zero(), Vec::Zero(), Vec::Zero()};
  size_t c = 0;
  for (; c + 4 * kWidth <= columns; c += 4 * kWidth) {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < 4; ++i) largest[i] = MaxBits(largest[i], Abs(Vec::Load(row + c + i * kWidth)));
  }
  for (; c < columns; c += kWidth) largest[0] = MaxBits(largest[0], Abs(LoadUpTo(row, c, columns)));
  return ReduceMaxBits(MaxBits(MaxBits(largest[0], largest[1]), MaxBits(largest[2], largest[3])));
}

// `largest` as LargestMagnitude gives it.
CROSSRANK_INLINE void EncodeRowInt8(const float* row, size_t columns, float largest, uint8_t* out) {
  constexpr size_t kWidth = Vec::kWidth;
  // A row below this counts as zeros: 127 / largest would be infinite soon after.
  constexpr float kTiny = 1e-35f, kHuge = 3.402823466e38f;
  const size_t padded = ScaleOffset(columns);
  float scale = 1.0f;
  if (largest >= kTiny && largest <= kHuge) {
    scale = largest / 127.0f;
    const Vec inverse = Vec::Broadcast(127.0f / largest);
    size_t c = 0;
    for (; c + kWidth <= columns; c += kWidth) StoreBytes(Vec::Load(row + c) * inverse, out + c);
    for (; c < padded; c += kWidth) StoreBytes(LoadUpTo(row, c, columns) * inverse, out + c);
  } else {
    memset(out, 128, padded);
    if (!(largest <= kHuge)) scale = NAN;
  }
  memcpy(out + padded, &scale, sizeof scale);
}

CROSSRANK_INLINE void EncodeRow(const float* row, size_t columns, Format format, uint8_t* out) {
  switch (format) {
    case Format::kFp32:
      return EncodeRowFp32(row, columns, out);
    case Format::kBf16:
      return EncodeRowBf16(row, columns, out);
    case Format::kBf16x3:
      return EncodeRowBf16x3(row, columns, out);
    case Format::kInt8:
      return EncodeRowInt8(row, columns, LargestMagnitude(row, columns), out);
  }
}

[[maybe_unused]] void Encode(const float* x, size_t rows, size_t columns, Format format, uint8_t* out) {
  const size_t stride = RowStride(format, columns);
  for (size_t r = 0; r < rows; ++r) EncodeRow(x + r * columns, columns, format, out + r * stride);
}

}  // namespace
}  // namespace crossrank::kernels
