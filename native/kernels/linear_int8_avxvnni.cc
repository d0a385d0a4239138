#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx2.h"
//
#include "linear_driver.h"

namespace crossrank::kernels {
namespace {

// The tile of linear_int8_avx512vnni.cc for 16 registers of half the width: 6 rows x 16 outputs in 12
// accumulators, once for each half of the panel.
struct Tile {
  static constexpr size_t kRows = 6;
  static constexpr size_t kBlockBytes = kUsualBlockBytes;
  using Accumulator = int32_t;
  struct Scope {};

  template <size_t kCount>
  static CROSSRANK_NOINLINE void MultiplyRows(const uint8_t* x, size_t x_stride, const uint8_t* panel,
                                              size_t steps, int32_t* tile) {
    __m256i sums[kCount][2];
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (size_t step = 0; step < steps; ++step, x += 64, panel += 2048) {
      for (size_t p = 0; p < 16; ++p) {
        const __m256i* weights = reinterpret_cast<const __m256i*>(panel + 64 * p);
        const __m256i low = _mm256_load_si256(weights), high = _mm256_load_si256(weights + 1);
        CROSSRANK_UNROLL
        for (size_t r = 0; r < kCount; ++r) {
          int32_t four;
          memcpy(&four, x + r * x_stride + 4 * p, sizeof four);
          const __m256i inputs = _mm256_set1_epi32(four);
          sums[r][0] = _mm256_dpbusd_avx_epi32(sums[r][0], inputs, low);
          sums[r][1] = _mm256_dpbusd_avx_epi32(sums[r][1], inputs, high);
        }
      }
    }
    CROSSRANK_UNROLL
    for (size_t r = 0; r < kCount; ++r) {
      __m256i* to = reinterpret_cast<__m256i*>(tile + kPanelOutputs * r);
      _mm256_store_si256(to, sums[r][0]);
      _mm256_store_si256(to + 1, sums[r][1]);
    }
  }

  static void Multiply(const uint8_t* x, size_t x_stride, const uint8_t* panel, size_t steps, size_t rows,
                       int32_t* tile) {
    MultiplyCounted<Tile>(x, x_stride, panel, steps, rows, tile);
    MultiplyCounted<Tile>(x, x_stride, panel + 1024, steps, rows, tile + 16);
  }
};

}  // namespace

const LinearKernel kLinearInt8AvxVnni = {"avx-vnni", RunLinear<Tile>, LinearWorkspaceFloats<Tile>};

}  // namespace crossrank::kernels
