#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx512.h"
//
#include "wide_tile_avx512.h"

namespace crossrank::kernels {
namespace {

// Zen 5: 222 to 236 Gop/s of 245, where ONNX Runtime's GEMM has about 216.
struct Fp32 {
  using Accumulator = float;
  static constexpr size_t kLines = 2;
  // Weights are four bytes each here: reading them once for 512 rows matters more than an x that stays in L2
  // (1024 to 4096: blocks of 256 KB reach 158 Gop/s, 1 MB 211, 4 MB 233).
  static constexpr size_t kBlockBytes = size_t{4} << 20;

  static CROSSRANK_INLINE __m512i MultiplyAdd(__m512i sum, __m512i inputs, __m512i weights) {
    return _mm512_castps_si512(
        _mm512_fmadd_ps(_mm512_castsi512_ps(inputs), _mm512_castsi512_ps(weights), _mm512_castsi512_ps(sum)));
  }
};

}  // namespace

const LinearKernel kLinearFp32Avx512 = {"avx512", RunLinear<WideTile<Fp32>>,
                                        LinearWorkspaceFloats<WideTile<Fp32>>};

}  // namespace crossrank::kernels
