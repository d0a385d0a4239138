#include "search/row_store.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include "common/error.h"
#include "search/unit_length.h"

namespace crossrank {
namespace {

constexpr size_t kMostChunkBytes = size_t{32} << 20;  // of fp32 rows
constexpr size_t kLeastChunkRows = 1024;

size_t ChunkRows(size_t columns) {
  size_t rows = kLeastChunkRows;
  while (2 * rows * columns * sizeof(float) <= kMostChunkBytes) rows *= 2;
  return rows;
}

// A little more than the length of x - scale * bytes, so that rounding cannot make it too small.
float ErrorLength(const float* x, float scale, const int8_t* bytes, size_t columns) {
  double sum = 0.0;
  for (size_t c = 0; c < columns; ++c) {
    const double rest = static_cast<double>(x[c]) - static_cast<double>(scale) * bytes[c];
    sum += rest * rest;
  }
  return static_cast<float>(std::sqrt(sum) * (1.0 + 1e-6));
}

}  // namespace

RowChunk::RowChunk(size_t rows, size_t columns)
    : columns_(columns),
      values_(rows * columns * sizeof(float)),
      bytes_(rows * columns),
      scales_(rows),
      errors_(rows) {}

RowStore::RowStore(size_t dimension, const kernels::KernelTable& kernels)
    : dimension_(dimension), kernels_(kernels) {
  constexpr size_t kStep = kernels::kDotColumns;
  view_.columns = (dimension + kStep - 1) / kStep * kStep;
  view_.chunk_rows = ChunkRows(view_.columns);
  view_.chunks = std::make_shared<const RowsView::Chunks>();
  encoded_.resize(kernels::RowStride(kernels::Format::kInt8, view_.columns));
}

void RowStore::Reserve(size_t count) {
  const size_t needed = (count + view_.chunk_rows - 1) / view_.chunk_rows;
  if (needed <= view_.chunks->size()) return;
  try {
    RowsView::Chunks chunks = *view_.chunks;  // views keep the list they have
    while (chunks.size() < needed) {
      chunks.push_back(std::make_shared<RowChunk>(view_.chunk_rows, view_.columns));
    }
    view_.chunks = std::make_shared<const RowsView::Chunks>(std::move(chunks));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kMemory, "no memory for " + std::to_string(count) + " vectors of " +
                                        std::to_string(dimension_) + " dimensions");
  }
}

bool RowStore::Append(Span<const float> rows) {
  const size_t added = rows.size() / dimension_;
  std::vector<double> norms(added);
  for (size_t i = 0; i < added; ++i) {
    norms[i] = Length(rows.data() + i * dimension_, dimension_);
    if (!std::isfinite(norms[i])) return false;
  }
  Reserve(view_.count + added);
  for (size_t i = 0; i < added; ++i) SetRow(view_.count + i, rows.data() + i * dimension_, norms[i]);
  view_.count += added;
  return true;
}

bool RowStore::AppendUnit(Span<const float> rows) {
  const size_t added = rows.size() / dimension_;
  for (size_t i = 0; i < added; ++i) {
    const double norm = Length(rows.data() + i * dimension_, dimension_);
    if (norm != 0.0 && !(std::fabs(norm - 1.0) <= kUnitTolerance)) return false;
  }
  Reserve(view_.count + added);
  for (size_t i = 0; i < added; ++i) SetRow(view_.count + i, rows.data() + i * dimension_, 1.0);
  view_.count += added;
  return true;
}

void RowStore::SetRow(size_t row, const float* values, double norm) {
  RowChunk& chunk = view_.chunk_of(row);
  const size_t r = view_.in_chunk(row);
  float* unit = chunk.values(r);  // fresh pages: the padding is zeros already
  ToUnitLength(values, dimension_, norm, unit);

  kernels_.encode(unit, 1, view_.columns, kernels::Format::kInt8, encoded_.data());
  int8_t* bytes = chunk.bytes(r);
  for (size_t c = 0; c < view_.columns; ++c) bytes[c] = static_cast<int8_t>(encoded_[c] - 128);
  std::memcpy(&chunk.scale(r), &encoded_[kernels::ScaleOffset(view_.columns)], sizeof(float));
  chunk.error(r) = ErrorLength(unit, chunk.scale(r), bytes, view_.columns);
}

void RowStore::AppendFrom(const RowStore& other, Span<const uint32_t> rows) {
  Reserve(view_.count + rows.size());
  for (const uint32_t from : rows) {
    const size_t source = other.view_.in_chunk(from), target = view_.in_chunk(view_.count);
    const RowChunk& old = other.view_.chunk_of(from);
    RowChunk& chunk = view_.chunk_of(view_.count);
    std::copy_n(old.values(source), view_.columns, chunk.values(target));
    std::copy_n(old.bytes(source), view_.columns, chunk.bytes(target));
    chunk.scale(target) = old.scale(source);
    chunk.error(target) = old.error(source);
    ++view_.count;
  }
}

void RowStore::Read(Span<const uint32_t> rows, float* out) const {
  for (const uint32_t row : rows) {
    out = std::copy_n(view_.chunk_of(row).values(view_.in_chunk(row)), dimension_, out);
  }
}

}  // namespace crossrank
