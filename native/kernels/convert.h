// Rows of a checkpoint's table as fp32, or added up in double. Tables lie in a memory-mapped file, at any
// alignment.
#pragma once

#include <string.h>

#include "kernels.h"

namespace crossrank::kernels {
namespace {

template <TableType kType>
constexpr size_t kValueBytes = kType == TableType::kF32  ? 4
                               : kType == TableType::kI8 ? 1
                                                         : 2;

template <TableType kType>
CROSSRANK_INLINE Vec LoadAs(const char* values) {
  if constexpr (kType == TableType::kF32) return Vec::Load(reinterpret_cast<const float*>(values));
  if constexpr (kType == TableType::kF16) return Vec::LoadF16(values);
  if constexpr (kType == TableType::kBf16) return Vec::LoadBf16(values);
  if constexpr (kType == TableType::kI8) return Vec::LoadI8(values);
}

// use(i, x) for every vector x of values [first, first + count), i counted from first.
template <TableType kType, class Use>
void VisitValuesAs(const RowTable& table, size_t first, size_t count, Use use) {
  constexpr size_t kWidth = Vec::kWidth;
  constexpr size_t kBytes = kValueBytes<kType>;
  const char* values = static_cast<const char*>(table.values) + first * kBytes;
  size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) use(i, LoadAs<kType>(values + i * kBytes));
  if (i < count) {
    char padded[kWidth * kBytes] = {};  // a whole vector read here could leave the mapped file
    memcpy(padded, values + i * kBytes, (count - i) * kBytes);
    use(i, LoadAs<kType>(padded));
  }
}

template <class Use>
CROSSRANK_INLINE void VisitValues(const RowTable& table, size_t first, size_t count, Use use) {
  switch (table.type) {
    case TableType::kF32:
      return VisitValuesAs<TableType::kF32>(table, first, count, use);
    case TableType::kF16:
      return VisitValuesAs<TableType::kF16>(table, first, count, use);
    case TableType::kBf16:
      return VisitValuesAs<TableType::kBf16>(table, first, count, use);
    case TableType::kI8:
      return VisitValuesAs<TableType::kI8>(table, first, count, use);
  }
}

CROSSRANK_INLINE float ScaleOfRow(const RowTable& table, size_t row) {
  return table.type == TableType::kI8 ? table.scales[row] : 1.0f;
}

// sum[c] += the row's value in column first + c; sum is written up to a whole Vec. An int8 value is the fp32
// product that it stands for, so a table expanded to fp32 gives the same bits.
void AddToSum(const RowTable& table, size_t row, size_t columns, size_t first, size_t count, double* sum) {
  const Vec scale = Vec::Broadcast(ScaleOfRow(table, row));
  VisitValues(table, row * columns + first, count, [=](size_t c, Vec x) {
    const Vec value = x * scale;
    double *low = sum + c, *high = low + Wide::kWidth;
    (Wide::Load(low) + WidenLow(value)).Store(low);
    (Wide::Load(high) + WidenHigh(value)).Store(high);
  });
}

void ToFloat(const RowTable& table, size_t first_row, size_t row_count, size_t columns, float* out) {
  for (size_t r = 0; r < row_count; ++r, out += columns) {
    const Vec scale = Vec::Broadcast(ScaleOfRow(table, first_row + r));
    VisitValues(table, (first_row + r) * columns, columns, [=](size_t c, Vec x) {
      const Vec value = x * scale;
      if (c + Vec::kWidth <= columns) {
        value.Store(out + c);
      } else {
        value.StoreFirst(out + c, columns - c);
      }
    });
  }
}

}  // namespace
}  // namespace crossrank::kernels
