// What follows the product of a Linear: scales and bias, then an activation, or residual and LayerNorm, and
// the formats that the result is written in.
//
// A tile of accumulators goes to its place at once where that needs no other column:
//
//   tile [rows][32] --> scales, bias --> activation --> out (fp32) and/or encoded rows (fp32, bf16, bf16x3)
//
// LayerNorm and int8 (a scale per row) need whole rows. Then tiles are gathered as fp32 rows, in `out` where
// it is asked for, else in the workspace, and FinishRows passes over them once a block of rows is complete:
//
//   tiles --> scales, bias --> activation or + residual --> fp32 rows --> LayerNorm --> encoded rows
#pragma once

#include "activation.h"
#include "encode.h"
#include "layer_norm.h"

namespace crossrank::kernels {
namespace {

// Floats of a row in the workspace.
CROSSRANK_INLINE size_t ScratchStride(size_t outputs) { return (outputs + 15) / 16 * 16; }

struct Unchanged {
  static CROSSRANK_INLINE Vec Apply(Vec x) { return x; }
};
template <Activation kActivation>
struct Activated {
  static CROSSRANK_INLINE Vec Apply(Vec x) { return Activate<kActivation>(x); }
};
struct RoughGelu {
  static CROSSRANK_INLINE Vec Apply(Vec x) { return GeluErfRough(x); }
};

class Epilogue {
 public:
  // `compensated`: int8 products are of the stored bytes, 128 too much each, and weights.compensation is due.
  Epilogue(const LinearArgs& args, bool compensated)
      : args_(args),
        compensated_(compensated),
        whole_rows_(args.residual != nullptr ||
                    (args.encoded != nullptr && args.encoded_format == Format::kInt8)),
        rough_(args.weights.format == Format::kBf16 || args.weights.format == Format::kInt8),
        stride_(args.out != nullptr ? args.weights.outputs : ScratchStride(args.weights.outputs)),
        encoded_stride_(RowStride(args.encoded_format, args.weights.outputs)),
        floats_(args.out) {}

  // Bytes of fp32 that a row touches, for the size of blocks.
  size_t FloatBytes() const { return args_.out != nullptr || whole_rows_ ? stride_ * sizeof(float) : 0; }

  // Before the first tile of the rows from `first` on.
  void StartBlock(size_t first) {
    first_ = first;
    if (args_.out != nullptr) floats_ = args_.out + first * stride_;
    if (args_.out == nullptr && whole_rows_) floats_ = args_.workspace;
  }

  // Fetches what FinishTile will read while the tile is multiplied: lines of the residual, a row apart, which
  // the CPU does not see coming (two fifths of the epilogue's time without it).
  CROSSRANK_INLINE void PrefetchTile(size_t row, size_t rows, size_t column) const {
    if (args_.residual == nullptr) return;
    const float* residual = args_.residual + row * args_.weights.outputs + column;
    for (size_t r = 0; r < rows; ++r, residual += args_.weights.outputs) {
      CROSSRANK_PREFETCH(residual);
      CROSSRANK_PREFETCH(residual + kLineBytes / sizeof(float));
    }
  }

  // Products of rows [row, row + rows) and the columns of a panel from `column` on: [rows][32].
  template <class Number>
  void FinishTile(const Number* tile, size_t row, size_t rows, size_t column) const {
    if (!args_.has_activation) return FinishTileAs<Unchanged>(tile, row, rows, column);
    switch (args_.activation) {
      case Activation::kGeluErf:
        if (rough_) return FinishTileAs<RoughGelu>(tile, row, rows, column);
        return FinishTileAs<Activated<Activation::kGeluErf>>(tile, row, rows, column);
      case Activation::kGeluTanh:
        return FinishTileAs<Activated<Activation::kGeluTanh>>(tile, row, rows, column);
      case Activation::kRelu:
        return FinishTileAs<Activated<Activation::kRelu>>(tile, row, rows, column);
      case Activation::kTanh:
        return FinishTileAs<Activated<Activation::kTanh>>(tile, row, rows, column);
    }
  }

  // Once all tiles of the block's rows are done. A few rows take each step together: the sums of one row
  // alone would be a chain that the next step waits for (384 columns: two fifths of the time).
  void FinishRows(size_t rows) const {
    if (!whole_rows_) return;
    for (size_t r = 0; r < rows; r += kGroup) {
      const size_t count = rows - r < kGroup ? rows - r : kGroup;
      if (args_.residual != nullptr) NormalizeRows(r, count);
      if (args_.encoded != nullptr) EncodeRows(r, count);
    }
  }

 private:
  static constexpr size_t kVectors = kPanelOutputs / Vec::kWidth;
  static constexpr size_t kGroup = 4;

  CROSSRANK_INLINE float* Row(size_t row_in_block) const { return floats_ + row_in_block * stride_; }

  void NormalizeRows(size_t first, size_t count) const {
    const size_t columns = args_.weights.outputs;
    float means[kGroup], inverses[kGroup];
    for (size_t i = 0; i < count; ++i) means[i] = MeanOfRow(Row(first + i), columns);
    for (size_t i = 0; i < count; ++i) {
      inverses[i] = InverseDeviation(Row(first + i), means[i], args_.epsilon, columns);
    }
    for (size_t i = 0; i < count; ++i) {
      NormalizeRow(Row(first + i), means[i], inverses[i], args_.gamma, args_.beta, columns);
    }
  }

  void EncodeRows(size_t first, size_t count) const {
    const size_t columns = args_.weights.outputs;
    uint8_t* to = args_.encoded + (first_ + first) * encoded_stride_;
    if (args_.encoded_format != Format::kInt8) {
      for (size_t i = 0; i < count; ++i) {
        EncodeRow(Row(first + i), columns, args_.encoded_format, to + i * encoded_stride_);
      }
      return;
    }
    float largest[kGroup];
    for (size_t i = 0; i < count; ++i) largest[i] = LargestMagnitude(Row(first + i), columns);
    for (size_t i = 0; i < count; ++i) {
      EncodeRowInt8(Row(first + i), columns, largest[i], to + i * encoded_stride_);
    }
  }

  template <class Post, class Number>
  void FinishTileAs(const Number* tile, size_t row, size_t rows, size_t column) const {
    const size_t columns = args_.weights.outputs - column;
    for (size_t r = row; r < row + rows; ++r, tile += kPanelOutputs) {
      Vec y[kVectors];
      Scale(tile, r, column, y);
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) y[i] = Post::Apply(y[i]);
      if (columns >= kPanelOutputs) {
        StoreWhole(y, r, column);
      } else {
        StoreFirst(y, r, column, columns);
      }
    }
  }

  CROSSRANK_INLINE void Scale(const float* tile, size_t, size_t column, Vec (&y)[kVectors]) const {
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kVectors; ++i) {
      const size_t at = i * Vec::kWidth;
      y[i] = Vec::Load(tile + at) + Vec::Load(args_.weights.bias + column + at);
    }
  }
  CROSSRANK_INLINE void Scale(const int32_t* tile, size_t row, size_t column, Vec (&y)[kVectors]) const {
    alignas(64) static constexpr int32_t kZeros[kPanelOutputs] = {};
    const LinearWeights& weights = args_.weights;
    const int32_t* compensation = compensated_ ? weights.compensation + column : kZeros;
    const uint8_t* x = args_.x + row * RowStride(Format::kInt8, weights.inputs);
    float scale;
    memcpy(&scale, x + ScaleOffset(weights.inputs), sizeof scale);
    const Vec row_scale = Vec::Broadcast(scale);
    CROSSRANK_UNROLL
    for (size_t i = 0; i < kVectors; ++i) {
      const size_t at = i * Vec::kWidth;
      const Vec product = Vec::FromSum(tile + at, compensation + at) * row_scale;
      y[i] = Fma(product, Vec::Load(weights.scales + column + at), Vec::Load(weights.bias + column + at));
    }
  }

  CROSSRANK_INLINE void StoreWhole(Vec (&y)[kVectors], size_t row, size_t column) const {
    if (args_.residual != nullptr) {
      const float* residual = args_.residual + row * args_.weights.outputs + column;
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) y[i] = y[i] + Vec::Load(residual + i * Vec::kWidth);
    }
    if (floats_ != nullptr) {
      float* to = Row(row - first_) + column;
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) y[i].Store(to + i * Vec::kWidth);
    }
    if (!whole_rows_ && args_.encoded != nullptr) StoreEncoded(y, row, column);
  }

  // The last panel, where only n < 32 of its columns are outputs.
  void StoreFirst(Vec (&y)[kVectors], size_t row, size_t column, size_t n) const {
    const float* residual = args_.residual + (args_.residual ? row * args_.weights.outputs + column : 0);
    float* to = floats_ + (floats_ ? (row - first_) * stride_ + column : 0);
    for (size_t i = 0; i < kVectors; ++i) {
      const size_t at = i * Vec::kWidth, left = at < n ? n - at : 0;
      if (left == 0) {
        y[i] = Vec::Zero();
        continue;
      }
      // The padding of an encoded row must be zeros, also where the row is NaN.
      y[i] = KeepFirst(y[i], left, Vec::Zero());
      if (args_.residual != nullptr) y[i] = y[i] + Vec::LoadFirst(residual + at, left);
      if (floats_ != nullptr) y[i].StoreFirst(to + at, left);
    }
    if (!whole_rows_ && args_.encoded != nullptr) StoreEncoded(y, row, column);
  }

  // A panel is a k-step of the next Linear.
  CROSSRANK_INLINE void StoreEncoded(const Vec (&y)[kVectors], size_t row, size_t column) const {
    static_assert(StepInputs(Format::kFp32) == kPanelOutputs && StepInputs(Format::kBf16) == kPanelOutputs &&
                  StepInputs(Format::kBf16x3) == kPanelOutputs);
    uint8_t* encoded = args_.encoded + row * encoded_stride_;
    if (args_.encoded_format == Format::kFp32) {
      float* to = reinterpret_cast<float*>(encoded) + column;
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) y[i].Store(to + i * Vec::kWidth);
    } else if (args_.encoded_format == Format::kBf16) {
      uint16_t* to = reinterpret_cast<uint16_t*>(encoded) + column;
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) StoreBf16(y[i], to + i * Vec::kWidth);
    } else {
      uint16_t* high = reinterpret_cast<uint16_t*>(encoded) + 2 * column;
      uint16_t* low = high + kPanelOutputs;
      CROSSRANK_UNROLL
      for (size_t i = 0; i < kVectors; ++i) {
        StoreBf16Halves(y[i], high + i * Vec::kWidth, low + i * Vec::kWidth);
      }
    }
  }

  const LinearArgs& args_;
  const bool compensated_, whole_rows_, rough_;
  const size_t stride_, encoded_stride_;  // of floats_, in floats; of args_.encoded, in bytes
  float* floats_;                         // the block's rows as fp32, or null
  size_t first_ = 0;                      // the block's first row
};

}  // namespace
}  // namespace crossrank::kernels
