// The two loops that Bf16BeatsFp32 compares (cpu.cc): 24 accumulators, everything in registers.
#include "tables.h"
// The vector type comes first.
#include "simd_avx512.h"

namespace crossrank::kernels {
namespace {

constexpr int kSums = 24;

template <class MultiplyAdd>
CROSSRANK_INLINE float Repeat(size_t steps, MultiplyAdd multiply_add) {
  __m512 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_setzero_ps();
  for (size_t step = 0; step < steps; ++step) {
    _Pragma("GCC unroll 24") for (int i = 0; i < kSums; ++i) sums[i] = multiply_add(sums[i]);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_reduce_add_ps(sums[0]);
}

}  // namespace

float MultiplyAddBf16(size_t steps) {
  const __m512bh one = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F803F80));
  return Repeat(steps, [=](__m512 sum) { return _mm512_dpbf16_ps(sum, one, one); });
}

float MultiplyAddFp32(size_t steps) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return Repeat(steps, [=](__m512 sum) { return _mm512_fmadd_ps(one, one, sum); });
}

}  // namespace crossrank::kernels
