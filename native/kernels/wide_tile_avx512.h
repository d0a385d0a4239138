// The register tile of products with AVX-512: 12 rows of x times the 32 outputs of a panel.
//
// One row of a panel's tile (linear.h) is 16 words, one an output; a word is 1 fp32, 2 bf16 or 4 int8 inputs.
// The other operand is a word of a row of x, broadcast. 24 accumulators, two weights and a broadcast take 27
// of 32 registers.
//
//                       16 outputs     16 outputs
//   word p of a line:   [w 0 ...  ]    [w 1 ...  ]
//   x row  0 [word] --> [acc  0 0 ]    [acc  0 1 ]     for each p: 2 loads of weights, 12 broadcasts,
//        :                   :              :                      24 multiply-adds
//   x row 11 [word] --> [acc 11 0 ]    [acc 11 1 ]
//
// An Operation has
//   using Accumulator = int32_t or float;
//   static constexpr size_t kLines;       // of 64 bytes, that a k-step of x takes
//   static constexpr size_t kBlockBytes;  // as linear_driver.h says
//   // sum + the products of 16 broadcast words and 16 words of weights, in the accumulator's type
//   static __m512i MultiplyAdd(__m512i sum, __m512i inputs, __m512i weights);
#pragma once

#include "linear_driver.h"

namespace crossrank::kernels {
namespace {

template <class Operation>
struct WideTile {
  static constexpr size_t kRows = 12;
  static constexpr size_t kBlockBytes = Operation::kBlockBytes;
  using Accumulator = typename Operation::Accumulator;
  struct Scope {};

  template <size_t kCount>
  static CROSSRANK_NOINLINE void MultiplyRows(const uint8_t* x, size_t x_stride, const uint8_t* panel,
                                              size_t steps, Accumulator* tile) {
    __m512i sums[kCount][2];
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_si512();
    for (size_t line = 0; line < steps * Operation::kLines; ++line, x += 64, panel += 2048) {
      for (size_t p = 0; p < 16; ++p) {
        const __m512i low = _mm512_load_si512(panel + 64 * p);
        const __m512i high = _mm512_load_si512(panel + 1024 + 64 * p);
        CROSSRANK_UNROLL
        for (size_t r = 0; r < kCount; ++r) {
          int32_t word;
          memcpy(&word, x + r * x_stride + 4 * p, sizeof word);
          const __m512i inputs = _mm512_set1_epi32(word);
          sums[r][0] = Operation::MultiplyAdd(sums[r][0], inputs, low);
          sums[r][1] = Operation::MultiplyAdd(sums[r][1], inputs, high);
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
                       Accumulator* tile) {
    MultiplyCounted<WideTile>(x, x_stride, panel, steps, rows, tile);
  }
};

}  // namespace
}  // namespace crossrank::kernels
