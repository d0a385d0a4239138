// Rows of unit length, twice: as fp32, and as int8 for the first look of a search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/page_buffer.h"
#include "common/span.h"
#include "kernels/kernels.h"

namespace crossrank {

// Rows are one after the other and padded with zeros to `columns`. A row x is about scale * int8, and what is
// left of it, x - scale * int8, is at most `error` long.
class RowChunk {
 public:
  RowChunk(size_t rows, size_t columns);

  float* values(size_t row) const { return static_cast<float*>(values_.data()) + row * columns_; }
  int8_t* bytes(size_t row) const { return static_cast<int8_t*>(bytes_.data()) + row * columns_; }
  float& scale(size_t row) { return scales_[row]; }
  float& error(size_t row) { return errors_[row]; }
  float scale(size_t row) const { return scales_[row]; }
  float error(size_t row) const { return errors_[row]; }

 private:
  size_t columns_;
  PageBuffer values_, bytes_;
  std::vector<float> scales_, errors_;
};

// What another thread may read while rows are appended: those there were when it was made. Appending never
// moves a row, and writes none of these again.
struct RowsView {
  using Chunks = std::vector<std::shared_ptr<RowChunk>>;

  std::shared_ptr<const Chunks> chunks;
  size_t count = 0;
  size_t columns = 0;
  size_t chunk_rows = 0;  // a power of two, a multiple of kRowGroup

  RowChunk& chunk_of(size_t row) const { return *(*chunks)[row / chunk_rows]; }
  size_t in_chunk(size_t row) const { return row & (chunk_rows - 1); }
};

// What a bitmap of rows holds in a word.
constexpr size_t kRowGroup = 64;

// One thread appends. Chunks are never moved or copied to grow, and their memory goes back to the system with
// the store and the last view of it.
class RowStore {
 public:
  RowStore(size_t dimension, const kernels::KernelTable& kernels);

  size_t dimension() const { return dimension_; }
  size_t count() const { return view_.count; }
  const RowsView& view() const { return view_; }

  // Brings `rows`, dimension() values each, to unit length (a row of zeros stays one) and appends them;
  // nothing of them, and false, where a value is NaN or infinite.
  bool Append(Span<const float> rows);
  // Appends rows that were read from a store, as they are; nothing of them, and false, where one is neither
  // of unit length nor zeros.
  bool AppendUnit(Span<const float> rows);
  // Appends these rows of a store of the same dimension.
  void AppendFrom(const RowStore& other, Span<const uint32_t> rows);
  // `out`: dimension() values a row.
  void Read(Span<const uint32_t> rows, float* out) const;

 private:
  void Reserve(size_t count);
  void SetRow(size_t row, const float* values, double norm);

  size_t dimension_;
  const kernels::KernelTable& kernels_;
  RowsView view_;
  std::vector<uint8_t> encoded_;  // workspace
};

}  // namespace crossrank
