// Rows of a checkpoint's table as fp32. Tables lie in a memory-mapped file, at any alignment.
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

enum class RowUse { kWrite, kAdd };

template <RowUse kUse, TableType kType>
void ReadRowAs(const RowTable& table, size_t row, size_t columns, float* out) {
  constexpr size_t kWidth = Vec::kWidth;
  constexpr size_t kBytes = kValueBytes<kType>;
  const char* values = static_cast<const char*>(table.values) + row * columns * kBytes;
  const Vec scale = Vec::Broadcast(kType == TableType::kI8 ? table.scales[row] : 1.0f);
  const auto value = [&](const char* at) {
    const Vec x = LoadAs<kType>(at);
    return kType == TableType::kI8 ? x * scale : x;
  };
  size_t c = 0;
  for (; c + kWidth <= columns; c += kWidth) {
    Vec x = value(values + c * kBytes);
    if (kUse == RowUse::kAdd) x = x + Vec::Load(out + c);
    x.Store(out + c);
  }
  if (c < columns) {
    const size_t n = columns - c;
    char padded[kWidth * kBytes] = {};  // a whole vector read here could leave the mapped file
    memcpy(padded, values + c * kBytes, n * kBytes);
    Vec x = value(padded);
    if (kUse == RowUse::kAdd) x = x + Vec::LoadFirst(out + c, n);
    x.StoreFirst(out + c, n);
  }
}

template <RowUse kUse>
void ReadRow(const RowTable& table, size_t row, size_t columns, float* out) {
  switch (table.type) {
    case TableType::kF32:
      return ReadRowAs<kUse, TableType::kF32>(table, row, columns, out);
    case TableType::kF16:
      return ReadRowAs<kUse, TableType::kF16>(table, row, columns, out);
    case TableType::kBf16:
      return ReadRowAs<kUse, TableType::kBf16>(table, row, columns, out);
    case TableType::kI8:
      return ReadRowAs<kUse, TableType::kI8>(table, row, columns, out);
  }
}

void ToFloat(const RowTable& table, size_t first_row, size_t row_count, size_t columns, float* out) {
  for (size_t r = 0; r < row_count; ++r, out += columns) {
    ReadRow<RowUse::kWrite>(table, first_row + r, columns, out);
  }
}

}  // namespace
}  // namespace crossrank::kernels
