// The loops of a Linear around a register tile of some instruction set.
//
//   for each block of rows            x and the fp32 rows of the epilogue stay in the L2 cache
//     for each panel of 32 outputs    the panel stays in L1 (inputs to about 1024) or L2
//       for each tile of kRows rows   one Multiply over all inputs, then its epilogue
//
// An accumulator adds up its inputs in order, whatever the tile's height: a row has the same bits in any
// call.
//
// A Tile has
//   static constexpr size_t kRows;
//   static constexpr size_t kBlockBytes;  // of x and fp32 rows that stay in the L2 cache
//   using Accumulator = int32_t or float;
//   struct Scope;  // lives as long as the call: AMX's tile configuration
//   // tile[r][c] = row r of x times output c of the panel, for `rows` rows, 1 to kRows. `tile` is
//   [kRows][32],
//   // 64-byte aligned; rows past the last need not be written. int8: of the stored bytes, 128 too much each.
//   static void Multiply(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps, size_t rows,
//                        Accumulator* tile);
#pragma once

#include "linear_epilogue.h"

namespace crossrank::kernels {
namespace {

// A block's bytes should fit into L2, but every block reads all weights anew, most often from L3. 48 to 768
// KB measured alike on one core of a Zen 5 (1 MB of L2); fewer rows than this would need more than 3 bytes of
// weights a cycle, which cores that share an L3 cannot all have.
constexpr size_t kUsualBlockBytes = size_t{256} << 10;
constexpr size_t kMinBlockRows = 48;

template <class Tile>
CROSSRANK_INLINE size_t BlockRows(size_t row_bytes) {
  const size_t rows = Tile::kBlockBytes / row_bytes;
  return ((rows > kMinBlockRows ? rows : kMinBlockRows) + Tile::kRows - 1) / Tile::kRows * Tile::kRows;
}

// Brings the next panel into L2, a share before each tile of this one. Zen 5's own prefetcher loses the
// stream while a panel is read again and again: 390 against 485 Gop/s for bf16, 1024 to 4096. Where a panel
// is used for a few tiles only it does better alone (4 tiles: 5 % faster, one: 30 %).
class PanelPrefetch {
 public:
  PanelPrefetch(size_t panel_bytes, size_t tiles)
      : share_(tiles < 8 ? 0 : (panel_bytes / kLineBytes + tiles - 1) / tiles * kLineBytes) {}

  void Start(const uint8_t* next_panel) { at_ = next_panel; }
  CROSSRANK_INLINE void Step() {
    for (const uint8_t* end = at_ + share_; at_ < end; at_ += kLineBytes) CROSSRANK_PREFETCH(at_);
  }

 private:
  const size_t share_;
  const uint8_t* at_ = nullptr;
};

// Calls Tile::MultiplyRows for as many rows as there are: a register tile of its own for every height.
template <class Tile, size_t kCount = Tile::kRows>
CROSSRANK_INLINE void MultiplyCounted(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps,
                                      size_t rows, typename Tile::Accumulator* tile) {
  if constexpr (kCount > 1) {
    if (rows < kCount) return MultiplyCounted<Tile, kCount - 1>(x, x_stride, panel, steps, rows, tile);
  }
  Tile::template MultiplyRows<kCount>(x, x_stride, panel, steps, tile);
}

// kSigned: Multiply takes the 128 off each byte itself.
template <class Tile, bool kSigned = false>
void RunLinear(const LinearArgs& args) {
  [[maybe_unused]] typename Tile::Scope scope;
  const LinearWeights& weights = args.weights;
  const size_t steps = Steps(weights.format, weights.inputs);
  const size_t panel_bytes = PanelBytes(weights.format, weights.inputs);
  const size_t x_stride = RowStride(weights.format, weights.inputs);
  alignas(64) typename Tile::Accumulator tile[Tile::kRows * kPanelOutputs];
  Epilogue epilogue(args, !kSigned);
  const size_t block = BlockRows<Tile>(x_stride + epilogue.FloatBytes());
  for (size_t first = 0; first < args.rows; first += block) {
    const size_t end = args.rows - first < block ? args.rows : first + block;
    epilogue.StartBlock(first);
    const uint8_t* panel = weights.panels;
    PanelPrefetch prefetch(panel_bytes, (end - first + Tile::kRows - 1) / Tile::kRows);
    for (size_t column = 0; column < weights.outputs; column += kPanelOutputs, panel += panel_bytes) {
      prefetch.Start(panel + panel_bytes);
      for (size_t row = first; row < end; row += Tile::kRows) {
        prefetch.Step();
        const size_t rows = end - row < Tile::kRows ? end - row : Tile::kRows;
        epilogue.PrefetchTile(row, rows, column);
        Tile::Multiply(args.x + row * x_stride, x_stride, panel, steps, rows, tile);
        epilogue.FinishTile(tile, row, rows, column);
      }
    }
    epilogue.FinishRows(end - first);
  }
}

template <class Tile>
size_t LinearWorkspaceFloats(const LinearWeights& weights, size_t rows) {
  const size_t stride = ScratchStride(weights.outputs);
  const size_t block = BlockRows<Tile>(RowStride(weights.format, weights.inputs) + stride * sizeof(float));
  return (rows < block ? rows : block) * stride;
}

}  // namespace
}  // namespace crossrank::kernels
