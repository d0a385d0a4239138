// Sixteen floats in a zmm register. The interface is the same in simd_avx2.h and simd_generic.h.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts "undefined" registers from themselves (gcc.gnu.org/PR105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

#include "inline.h"

namespace crossrank::kernels {
namespace {

struct Vec {
  static constexpr size_t kWidth = 16;
  // Attention's register tile. 6 to 12 rows measured alike on Zen 5; 8 wastes least on short blocks.
  static constexpr int kTileRows = 8;
  static constexpr int kTileColumns = 2;

  __m512 v;

  static CROSSRANK_INLINE __mmask16 First(size_t n) {
    return n >= kWidth ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << n) - 1u);
  }
  static CROSSRANK_INLINE Vec Zero() { return {_mm512_setzero_ps()}; }
  static CROSSRANK_INLINE Vec Broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static CROSSRANK_INLINE Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static CROSSRANK_INLINE Vec LoadFirst(const float* p, size_t n) {
    return {_mm512_maskz_loadu_ps(First(n), p)};
  }
  static CROSSRANK_INLINE Vec LoadF16(const void* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
  }
  static CROSSRANK_INLINE Vec LoadBf16(const void* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
  }
  static CROSSRANK_INLINE Vec LoadI8(const void* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))))};
  }
  // a[i] + b[i] as floats
  static CROSSRANK_INLINE Vec FromSum(const int32_t* a, const int32_t* b) {
    return {_mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_loadu_si512(a), _mm512_loadu_si512(b)))};
  }
  // 128-bit lane i holds the four floats at rows[4 * i] + offset.
  static CROSSRANK_INLINE Vec LoadLanes(const float* const* rows, size_t offset) {
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(rows[0] + offset));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(rows[4] + offset), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(rows[8] + offset), 2);
    return {_mm512_insertf32x4(x, _mm_loadu_ps(rows[12] + offset), 3)};
  }
  // 128-bit lane i goes to p + 4 * i * stride.
  CROSSRANK_INLINE void StoreLanes(float* p, size_t stride) const {
    _mm_storeu_ps(p, _mm512_castps512_ps128(v));
    _mm_storeu_ps(p + 4 * stride, _mm512_extractf32x4_ps(v, 1));
    _mm_storeu_ps(p + 8 * stride, _mm512_extractf32x4_ps(v, 2));
    _mm_storeu_ps(p + 12 * stride, _mm512_extractf32x4_ps(v, 3));
  }
  CROSSRANK_INLINE void Store(float* p) const { _mm512_storeu_ps(p, v); }
  CROSSRANK_INLINE void StoreFirst(float* p, size_t n) const { _mm512_mask_storeu_ps(p, First(n), v); }
};

CROSSRANK_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c
CROSSRANK_INLINE Vec Fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// c - a * b
CROSSRANK_INLINE Vec Fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
// The second operand where either is NaN.
CROSSRANK_INLINE Vec Max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec Min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
// Of numbers without a sign, by their bits: infinity is more than any number, and NaN more than infinity.
CROSSRANK_INLINE Vec MaxBits(Vec a, Vec b) {
  return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a.v), _mm512_castps_si512(b.v)))};
}
CROSSRANK_INLINE Vec Abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
// magnitude >= 0 with the sign of x
CROSSRANK_INLINE Vec WithSign(Vec magnitude, Vec x) {
  return {_mm512_or_ps(magnitude.v, _mm512_and_ps(x.v, _mm512_set1_ps(-0.0f)))};
}
CROSSRANK_INLINE Vec Round(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a * 2^n for whole n in [-126, 127]
CROSSRANK_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }
// a < b ? yes : no
CROSSRANK_INLINE Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
// The first n lanes of a, fill in the others.
CROSSRANK_INLINE Vec KeepFirst(Vec a, size_t n, Vec fill) {
  return {_mm512_mask_blend_ps(Vec::First(n), fill.v, a.v)};
}
CROSSRANK_INLINE float ReduceAdd(Vec a) { return _mm512_reduce_add_ps(a.v); }
CROSSRANK_INLINE float ReduceMax(Vec a) { return _mm512_reduce_max_ps(a.v); }
CROSSRANK_INLINE float ReduceMaxBits(Vec a) {
  const int32_t bits = _mm512_reduce_max_epi32(_mm512_castps_si512(a.v));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(bits)));
}
// round(a) + 128 as bytes, for |a| <= 127.
CROSSRANK_INLINE void StoreBytes(Vec a, uint8_t* p) {
  const __m512i shifted = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(128));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(shifted));
}
// The nearest bf16 (of two equally near the even one), as a float. NaN stays NaN.
CROSSRANK_INLINE Vec RoundToBf16(Vec a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  const __m512i rounded = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
  return {_mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32(-65536)))};
}
CROSSRANK_INLINE void StoreBf16(Vec a, uint16_t* p) {
#if defined(__AVX512BF16__)
  // The same but for subnormal numbers, which become zeros.
  const __m256i halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v));
#else
  const __m512i bits = _mm512_castps_si512(RoundToBf16(a).v);
  const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
#endif
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
}
// Transposes the 4 x 4 floats that a, b, c, d hold in each 128-bit lane.
CROSSRANK_INLINE void TransposeLanes(Vec& a, Vec& b, Vec& c, Vec& d) {
  const __m512 ab_low = _mm512_unpacklo_ps(a.v, b.v), ab_high = _mm512_unpackhi_ps(a.v, b.v);
  const __m512 cd_low = _mm512_unpacklo_ps(c.v, d.v), cd_high = _mm512_unpackhi_ps(c.v, d.v);
  a.v = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
  b.v = _mm512_shuffle_ps(ab_low, cd_low, 0xEE);
  c.v = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
  d.v = _mm512_shuffle_ps(ab_high, cd_high, 0xEE);
}

// Half as many doubles, in the same register, for sums that fp32 would round too often.
struct Wide {
  // What attention packs keys as. Widening on load is free here, and floats take half the cache.
  using Packed = float;
  static constexpr size_t kWidth = Vec::kWidth / 2;

  __m512d v;

  static CROSSRANK_INLINE Wide Zero() { return {_mm512_setzero_pd()}; }
  static CROSSRANK_INLINE Wide Broadcast(double x) { return {_mm512_set1_pd(x)}; }
  static CROSSRANK_INLINE Wide Load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static CROSSRANK_INLINE Wide Load(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  CROSSRANK_INLINE void Store(double* p) const { _mm512_storeu_pd(p, v); }
};

CROSSRANK_INLINE Wide operator+(Wide a, Wide b) { return {_mm512_add_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide operator-(Wide a, Wide b) { return {_mm512_sub_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide operator*(Wide a, Wide b) { return {_mm512_mul_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide Fma(Wide a, Wide b, Wide c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
CROSSRANK_INLINE Wide Max(Wide a, Wide b) { return {_mm512_max_pd(a.v, b.v)}; }
CROSSRANK_INLINE double ReduceAdd(Wide a) { return _mm512_reduce_add_pd(a.v); }
CROSSRANK_INLINE double ReduceMax(Wide a) { return _mm512_reduce_max_pd(a.v); }
// The two halves of a Vec, exactly.
CROSSRANK_INLINE Wide WidenLow(Vec a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
CROSSRANK_INLINE Wide WidenHigh(Vec a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }
// Back again, each lane rounded to the nearest float.
CROSSRANK_INLINE Vec Narrow(Wide low, Wide high) {
  const __m512 half = _mm512_castps256_ps512(_mm512_cvtpd_ps(low.v));
  return {_mm512_insertf32x8(half, _mm512_cvtpd_ps(high.v), 1)};
}

// Whole numbers of 16 bits, for sums of 32.
struct Shorts {
  static constexpr size_t kWidth = 32;

  __m512i v;

  static CROSSRANK_INLINE Shorts Load(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
  static CROSSRANK_INLINE Shorts Load(const int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
};

struct IntSums {
  __m512i v;

  static CROSSRANK_INLINE IntSums Zero() { return {_mm512_setzero_si512()}; }
};

// sums + a * b, neighbouring products added up: no product of two of them may be 2^31.
CROSSRANK_INLINE IntSums MultiplyAdd(Shorts a, Shorts b, IntSums sums) {
  return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(a.v, b.v))};
}
CROSSRANK_INLINE int32_t ReduceAdd(IntSums a) { return _mm512_reduce_add_epi32(a.v); }

}  // namespace
}  // namespace crossrank::kernels
