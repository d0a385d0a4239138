#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx512.h"
//
#include "wide_tile_avx512.h"

namespace crossrank::kernels {
namespace {

// Zen 5: 480 to 515 Gop/s of 530.
struct Bf16 {
  using Accumulator = float;
  static constexpr size_t kLines = 1;
  static constexpr size_t kBlockBytes = kUsualBlockBytes;

  static CROSSRANK_INLINE __m512i MultiplyAdd(__m512i sum, __m512i inputs, __m512i weights) {
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), reinterpret_cast<__m512bh>(inputs),
                                                reinterpret_cast<__m512bh>(weights)));
  }
};

}  // namespace

const LinearKernel kLinearBf16Avx512Bf16 = {"avx512-bf16", RunLinear<WideTile<Bf16>>,
                                            LinearWorkspaceFloats<WideTile<Bf16>>};

}  // namespace crossrank::kernels
