#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx512.h"
//
#include "linear_driver.h"

namespace crossrank::kernels {
namespace {

// One row of a panel's tile is 16 outputs x 4 inputs: the second operand of vpdpbusd. The first is 4 inputs
// of a row of x, broadcast. 24 accumulators, two weights and a broadcast take 27 of 32 registers.
//
//                          16 outputs     16 outputs
//   inputs 4p .. 4p+3:     [w 0 ...  ]    [w 1 ...  ]
//   x row  0 [4 bytes] --> [acc  0 0 ]    [acc  0 1 ]     for each p: 2 loads of weights, 12 broadcasts,
//        :                      :              :                      24 vpdpbusd
//   x row 11 [4 bytes] --> [acc 11 0 ]    [acc 11 1 ]
//
// Zen 5: 900 to 1020 Gop/s, 86 to 97 % of a loop of vpdpbusd on registers.
struct Tile {
  static constexpr size_t kRows = 12;
  static constexpr size_t kBlockBytes = kUsualBlockBytes;
  using Accumulator = int32_t;
  struct Scope {};

  template <size_t kCount>
  static CROSSRANK_NOINLINE void MultiplyRows(const uint8_t* x, size_t x_stride, const uint8_t* panel,
                                              size_t steps, int32_t* tile) {
    __m512i sums[kCount][2];
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_si512();
    for (size_t step = 0; step < steps; ++step, x += 64, panel += 2048) {
      for (size_t p = 0; p < 16; ++p) {
        const __m512i low = _mm512_load_si512(panel + 64 * p);
        const __m512i high = _mm512_load_si512(panel + 1024 + 64 * p);
        CROSSRANK_UNROLL
        for (size_t r = 0; r < kCount; ++r) {
          int32_t four;
          memcpy(&four, x + r * x_stride + 4 * p, sizeof four);
          const __m512i inputs = _mm512_set1_epi32(four);
          sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], inputs, low);
          sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], inputs, high);
        }
      }
    }
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) {
      _mm512_store_si512(tile + kPanelOutputs * r, sums[r][0]);
      _mm512_store_si512(tile + kPanelOutputs * r + 16, sums[r][1]);
    }
  }

  static void Multiply(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps, size_t rows,
                       int32_t* tile) {
    MultiplyCounted<Tile>(x, x_stride, panel, steps, rows, tile);
  }
};

}  // namespace

const LinearKernel kLinearInt8Avx512Vnni = {"avx512-vnni", RunLinear<Tile>, LinearWorkspaceFloats<Tile>};

}  // namespace crossrank::kernels
