// The one tile configuration that every AMX kernel uses, and the product of a block of tiles.
#pragma once

#include "simd_avx512.h"
//
#include "linear.h"

namespace crossrank::kernels {
namespace {

constexpr size_t kTileRows = 16, kTileBytes = 1024;

// The operand of ldtilecfg.
struct alignas(64) TileConfiguration {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileConfiguration) == 64, "the operand of ldtilecfg is one line");

// Eight tiles of 16 rows x 64 bytes.
const TileConfiguration kWholeTiles = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// gcc 12's tile loads do not say that they read memory: stores just before them may move behind them, or go.
// Its tile stores do say that they write.
CROSSRANK_INLINE void StoresBeforeTileLoads() { __asm__ volatile("" ::: "memory"); }

// The configuration belongs to a thread and is made once a call: with its release it costs 54 ns (Sapphire
// Rapids), so no kernel makes another one for the rows that are left at the end.
class TileScope {
 public:
  TileScope() { _tile_loadconfig(&kWholeTiles); }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

// A block is up to two tiles of rows by two of columns:
//
//                        panel, one k-step (2048 bytes)
//                      columns 0-15    columns 16-31
//                        [ tmm6 ]        [ tmm7 ]      16 rows of bf16 pairs or int8 quads
//                            |               |
//     rows  0-15  [tmm4] [ tmm0 ]        [ tmm1 ]      64 bytes of each row are a k-step (kBf16x3: 128)
//     rows 16-31  [tmm5] [ tmm2 ]        [ tmm3 ]      four sums, for one product takes 52 cycles and the
//                                                      next may start after 16
//
// Every sum is made of its own row and column in the order of the k-steps, whatever the block's shape.
template <int kRows, int kColumns>
struct BlockShape {
  static_assert(kRows >= 1 && kRows <= 2 && kColumns >= 1 && kColumns <= 2, "in tiles");
  static constexpr bool kTwoRows = kRows == 2, kTwoColumns = kColumns == 2;
};

// Tile numbers are part of the instructions, so each product of the drawing is a function.
struct Int8Products {
  static constexpr Format kFormat = Format::kInt8;
  static CROSSRANK_INLINE void TopLeft() { _tile_dpbusd(0, 4, 6); }
  static CROSSRANK_INLINE void TopRight() { _tile_dpbusd(1, 4, 7); }
  static CROSSRANK_INLINE void BottomLeft() { _tile_dpbusd(2, 5, 6); }
  static CROSSRANK_INLINE void BottomRight() { _tile_dpbusd(3, 5, 7); }
};
struct Bf16Products {
  static constexpr Format kFormat = Format::kBf16;
  static CROSSRANK_INLINE void TopLeft() { _tile_dpbf16ps(0, 4, 6); }
  static CROSSRANK_INLINE void TopRight() { _tile_dpbf16ps(1, 4, 7); }
  static CROSSRANK_INLINE void BottomLeft() { _tile_dpbf16ps(2, 5, 6); }
  static CROSSRANK_INLINE void BottomRight() { _tile_dpbf16ps(3, 5, 7); }
};
struct Bf16x3Products : Bf16Products {
  static constexpr Format kFormat = Format::kBf16x3;
};

// Rows `top` + 0..15 and `bottom` + 0..15, in bytes.
struct RowTiles {
  const uint8_t *top, *bottom;
  size_t stride;

  RowTiles At(size_t offset) const { return {top + offset, bottom + offset, stride}; }
};

// Adds the products of one tile depth. Without kLoadRows or kLoadPanel, tmm4 and tmm5 or tmm6 and tmm7 hold
// theirs already.
//
// Rows come by the streaming load: they are read once a panel and must not push it out of the L1 cache. With
// 384 inputs this took bf16 from 1.5 to 1.95 TFLOP/s (Sapphire Rapids).
template <class Products, class Shape, bool kLoadRows = true, bool kLoadPanel = true>
CROSSRANK_INLINE void MultiplyTiles(RowTiles rows, const uint8_t* panel) {
  if constexpr (kLoadRows) _tile_stream_loadd(4, rows.top, rows.stride);
  if constexpr (kLoadPanel) _tile_loadd(6, panel, kLineBytes);
  Products::TopLeft();
  if constexpr (Shape::kTwoColumns) {
    if constexpr (kLoadPanel) _tile_loadd(7, panel + kTileBytes, kLineBytes);
    Products::TopRight();
  }
  if constexpr (Shape::kTwoRows) {
    if constexpr (kLoadRows) _tile_stream_loadd(5, rows.bottom, rows.stride);
    Products::BottomLeft();
    if constexpr (Shape::kTwoColumns) Products::BottomRight();
  }
}

// One k-step. kBf16x3, small products first: low * high, high * high, high * low; the order lets each step
// keep the half that its neighbour loaded, so twelve products take eight loads.
template <class Products, class Shape>
CROSSRANK_INLINE void MultiplyStep(RowTiles rows, const uint8_t* panel) {
  if constexpr (Products::kFormat == Format::kBf16x3) {
    MultiplyTiles<Products, Shape>(rows.At(kLineBytes), panel);
    MultiplyTiles<Products, Shape, true, false>(rows, nullptr);
    MultiplyTiles<Products, Shape, false, true>(rows, panel + 2 * kTileBytes);
  } else {
    MultiplyTiles<Products, Shape>(rows, panel);
  }
}

// The sums start from zero: to load the bias into them measured 6 % slower than to add it afterwards.
template <class Shape>
CROSSRANK_INLINE void ZeroBlock() {
  _tile_zero(0);
  if constexpr (Shape::kTwoColumns) _tile_zero(1);
  if constexpr (Shape::kTwoRows) _tile_zero(2);
  if constexpr (Shape::kTwoRows && Shape::kTwoColumns) _tile_zero(3);
}

// To words `top` and `bottom` on, `stride` words between rows.
template <class Shape, class Word>
CROSSRANK_INLINE void StoreBlock(Word* top, Word* bottom, size_t stride) {
  _tile_stored(0, top, stride * sizeof(Word));
  if constexpr (Shape::kTwoColumns) _tile_stored(1, top + kTileRows, stride * sizeof(Word));
  if constexpr (Shape::kTwoRows) _tile_stored(2, bottom, stride * sizeof(Word));
  if constexpr (Shape::kTwoRows && Shape::kTwoColumns) {
    _tile_stored(3, bottom + kTileRows, stride * sizeof(Word));
  }
}

// A whole block: the rows are read to the sixteenth of each tile.
template <class Products, class Shape, class Word>
CROSSRANK_INLINE void MultiplyBlock(RowTiles rows, const uint8_t* panel, size_t steps, Word* top,
                                    Word* bottom, size_t stride) {
  StoresBeforeTileLoads();
  ZeroBlock<Shape>();
  for (size_t step = 0; step < steps; ++step) {
    MultiplyStep<Products, Shape>(rows.At(step * StepRowBytes(Products::kFormat)),
                                  panel + step * StepPanelBytes(Products::kFormat));
  }
  StoreBlock<Shape>(top, bottom, stride);
}

}  // namespace
}  // namespace crossrank::kernels
