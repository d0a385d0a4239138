// The AMX product of the fused Linear: a Tile policy of linear_driver.h for each format.
#pragma once

#include "amx_tiles.h"

namespace crossrank::kernels {
namespace {

// Fewer rows than a tile. A tile load reads sixteen, and the caller's memory may end with the last, so each
// k-step is copied first: at most 15 loads and stores of a line beside the 64 lines that its tiles read.
template <class Products, class Word>
void MultiplyFewRows(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps, size_t rows,
                     Word* tile) {
  using Shape = BlockShape<1, 2>;
  constexpr size_t kStepBytes = StepRowBytes(Products::kFormat);
  alignas(kLineBytes) uint8_t copy[kTileRows * kStepBytes];
  for (size_t at = rows * kStepBytes; at < sizeof copy; at += kLineBytes) {
    _mm512_store_si512(copy + at, _mm512_setzero_si512());
  }
  ZeroBlock<Shape>();
  for (size_t step = 0; step < steps; ++step) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t line = 0; line < kStepBytes; line += kLineBytes) {
        const uint8_t* from = x + r * x_stride + step * kStepBytes + line;
        _mm512_store_si512(copy + r * kStepBytes + line, _mm512_loadu_si512(from));
      }
    }
    StoresBeforeTileLoads();
    MultiplyStep<Products, Shape>({copy, copy, kStepBytes}, panel + step * StepPanelBytes(Products::kFormat));
  }
  StoreBlock<Shape>(tile, tile, kPanelOutputs);
}

template <class Products, class Word>
struct AmxTile {
  static constexpr size_t kRows = 2 * kTileRows;
  // CPUs with AMX have 2 MB of L2 a core. On Sapphire Rapids blocks of 1 MB gained 0.74 -> 1.08 TFLOP/s for
  // 3072 inputs (measured by the prototype).
  static constexpr size_t kBlockBytes = size_t{1} << 20;
  using Accumulator = Word;
  using Scope = TileScope;

  static CROSSRANK_INLINE void Multiply(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps,
                                        size_t rows, Accumulator* tile) {
    if (rows > kTileRows) {
      // The second tile ends with the last row. With fewer than 32 rows it begins within the first, and what
      // both hold is computed and stored twice, to the same bits.
      const size_t second = rows - kTileRows;
      MultiplyBlock<Products, BlockShape<2, 2>>({x, x + second * x_stride, x_stride}, panel, steps, tile,
                                                tile + second * kPanelOutputs, kPanelOutputs);
    } else if (rows == kTileRows) {
      MultiplyBlock<Products, BlockShape<1, 2>>({x, x, x_stride}, panel, steps, tile, tile, kPanelOutputs);
    } else {
      MultiplyFewRows<Products>(x, x_stride, panel, steps, rows, tile);
    }
  }
};

using Int8AmxTile = AmxTile<Int8Products, int32_t>;
using Bf16AmxTile = AmxTile<Bf16Products, float>;
using Bf16x3AmxTile = AmxTile<Bf16x3Products, float>;

}  // namespace
}  // namespace crossrank::kernels
