#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx2.h"
//
#include "linear_driver.h"

namespace crossrank::kernels {
namespace {

// The tile of linear_int8_avxvnni.cc without its instruction. vpmaddubsw adds pairs of u8 x s8 in 16 bits and
// saturates, so the first operand is |w| and the second x with the sign of w: at most 2 * 127 * 127, which
// fits. Then pairs are added up by a multiplication with ones. x is signed here, the stored bytes less 128.
//
// Worth it: 185 Gop/s on Zen 5, where fp32 in 256 bits cannot exceed 133. 4 rows, with |w| and constants in
// registers, measured as 3, 5 and 6 did.
struct Tile {
  static constexpr size_t kRows = 4;
  static constexpr size_t kBlockBytes = kUsualBlockBytes;
  using Accumulator = int32_t;
  struct Scope {};

  static CROSSRANK_INLINE __m256i AddProducts(__m256i sums, __m256i x, __m256i weights, __m256i sizes) {
    const __m256i pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(x, weights));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

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
        const __m256i low_size = _mm256_abs_epi8(low), high_size = _mm256_abs_epi8(high);
        CROSSRANK_UNROLL
        for (size_t r = 0; r < kCount; ++r) {
          int32_t four;
          memcpy(&four, x + r * x_stride + 4 * p, sizeof four);
          const __m256i inputs = _mm256_xor_si256(_mm256_set1_epi32(four), _mm256_set1_epi8(-128));
          sums[r][0] = AddProducts(sums[r][0], inputs, low, low_size);
          sums[r][1] = AddProducts(sums[r][1], inputs, high, high_size);
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

const LinearKernel kLinearInt8Avx2 = {"avx2", RunLinear<Tile, true>, LinearWorkspaceFloats<Tile>};

}  // namespace crossrank::kernels
