#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx512.h"
//
#include "linear_driver.h"

namespace crossrank::kernels {
namespace {

// The tile of linear_bf16_avx512bf16.cc with one fp32 in place of a pair of bf16. Zen 5: 222 to 236 Gop/s of
// 245, where ONNX Runtime's GEMM has about 216.
struct Tile {
  static constexpr size_t kRows = 12;
  // Weights are four bytes each here: reading them once for 512 rows matters more than an x that stays in L2
  // (1024 to 4096: blocks of 256 KB reach 158 Gop/s, 1 MB 211, 4 MB 233).
  static constexpr size_t kBlockBytes = size_t{4} << 20;
  using Accumulator = float;
  struct Scope {};

  template <size_t kCount>
  static CROSSRANK_NOINLINE void MultiplyRows(const uint8_t* x, size_t x_stride, const uint8_t* panel,
                                              size_t steps, float* tile) {
    __m512 sums[kCount][2];
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
    for (size_t line = 0; line < 2 * steps; ++line, x += 64, panel += 2048) {
      for (size_t p = 0; p < 16; ++p) {
        const __m512 low = _mm512_load_ps(panel + 64 * p);
        const __m512 high = _mm512_load_ps(panel + 1024 + 64 * p);
        CROSSRANK_UNROLL
        for (size_t r = 0; r < kCount; ++r) {
          float value;
          memcpy(&value, x + r * x_stride + 4 * p, sizeof value);
          const __m512 inputs = _mm512_set1_ps(value);
          sums[r][0] = _mm512_fmadd_ps(inputs, low, sums[r][0]);
          sums[r][1] = _mm512_fmadd_ps(inputs, high, sums[r][1]);
        }
      }
    }
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) {
      _mm512_store_ps(tile + kPanelOutputs * r, sums[r][0]);
      _mm512_store_ps(tile + kPanelOutputs * r + 16, sums[r][1]);
    }
  }

  static void Multiply(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps, size_t rows,
                       float* tile) {
    MultiplyCounted<Tile>(x, x_stride, panel, steps, rows, tile);
  }
};

}  // namespace

const LinearKernel kLinearFp32Avx512 = {"avx512", RunLinear<Tile>, LinearWorkspaceFloats<Tile>};

}  // namespace crossrank::kernels
