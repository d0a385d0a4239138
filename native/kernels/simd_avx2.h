// Eight floats in a ymm register. The interface is explained in simd_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "inline.h"

namespace crossrank::kernels {
namespace {

// Eight set lanes, then eight clear ones: a window that starts at 8 - n is the mask of the first n lanes.
alignas(64) constexpr int32_t kLaneMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

struct Vec {
  static constexpr size_t kWidth = 8;
  // 6 x 2 accumulators, two key vectors and a broadcast: 15 of 16 registers.
  static constexpr int kTileRows = 6;
  static constexpr int kTileColumns = 2;

  __m256 v;

  static CROSSRANK_INLINE __m256i First(size_t n) {
    const int32_t* window = kLaneMasks + 8 - (n >= kWidth ? kWidth : n);
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(window));
  }
  static CROSSRANK_INLINE Vec Zero() { return {_mm256_setzero_ps()}; }
  static CROSSRANK_INLINE Vec Broadcast(float x) { return {_mm256_set1_ps(x)}; }
  static CROSSRANK_INLINE Vec Load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static CROSSRANK_INLINE Vec LoadFirst(const float* p, size_t n) {
    return {_mm256_maskload_ps(p, First(n))};
  }
  static CROSSRANK_INLINE Vec LoadF16(const void* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)))};
  }
  static CROSSRANK_INLINE Vec LoadBf16(const void* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
  }
  static CROSSRANK_INLINE Vec LoadI8(const void* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))))};
  }
  static CROSSRANK_INLINE Vec FromSum(const int32_t* a, const int32_t* b) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
    const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    return {_mm256_cvtepi32_ps(_mm256_add_epi32(x, y))};
  }
  static CROSSRANK_INLINE Vec LoadLanes(const float* const* rows, size_t offset) {
    const __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(rows[0] + offset));
    return {_mm256_insertf128_ps(low, _mm_loadu_ps(rows[4] + offset), 1)};
  }
  CROSSRANK_INLINE void StoreLanes(float* p, size_t stride) const {
    _mm_storeu_ps(p, _mm256_castps256_ps128(v));
    _mm_storeu_ps(p + 4 * stride, _mm256_extractf128_ps(v, 1));
  }
  CROSSRANK_INLINE void Store(float* p) const { _mm256_storeu_ps(p, v); }
  CROSSRANK_INLINE void StoreFirst(float* p, size_t n) const { _mm256_maskstore_ps(p, First(n), v); }
};

CROSSRANK_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec Fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
CROSSRANK_INLINE Vec Fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
CROSSRANK_INLINE Vec Max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec Min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
CROSSRANK_INLINE Vec MaxBits(Vec a, Vec b) {
  return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a.v), _mm256_castps_si256(b.v)))};
}
CROSSRANK_INLINE Vec Abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
CROSSRANK_INLINE Vec WithSign(Vec magnitude, Vec x) {
  return {_mm256_or_ps(magnitude.v, _mm256_and_ps(x.v, _mm256_set1_ps(-0.0f)))};
}
CROSSRANK_INLINE Vec Round(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
CROSSRANK_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
}
CROSSRANK_INLINE Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.v, yes.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
}
CROSSRANK_INLINE Vec KeepFirst(Vec a, size_t n, Vec fill) {
  return {_mm256_blendv_ps(fill.v, a.v, _mm256_castsi256_ps(Vec::First(n)))};
}
CROSSRANK_INLINE float ReduceAdd(Vec a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
CROSSRANK_INLINE float ReduceMax(Vec a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
CROSSRANK_INLINE float ReduceMaxBits(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  __m128i x = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
  x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4E));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xB1))));
}
CROSSRANK_INLINE void StoreBytes(Vec a, uint8_t* p) {
  const __m256i x = _mm256_cvtps_epi32(a.v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i bytes = _mm_xor_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(-128));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
}
CROSSRANK_INLINE Vec RoundToBf16(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  const __m256i rounded = _mm256_blendv_epi8(up, quiet, nan);
  return {_mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32(-65536)))};
}
CROSSRANK_INLINE void StoreBf16(Vec a, uint16_t* p) {
  const __m256i halves = _mm256_srli_epi32(_mm256_castps_si256(RoundToBf16(a).v), 16);
  const __m128i low = _mm256_castsi256_si128(halves), high = _mm256_extracti128_si256(halves, 1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packus_epi32(low, high));
}
CROSSRANK_INLINE void TransposeLanes(Vec& a, Vec& b, Vec& c, Vec& d) {
  const __m256 ab_low = _mm256_unpacklo_ps(a.v, b.v), ab_high = _mm256_unpackhi_ps(a.v, b.v);
  const __m256 cd_low = _mm256_unpacklo_ps(c.v, d.v), cd_high = _mm256_unpackhi_ps(c.v, d.v);
  a.v = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
  b.v = _mm256_shuffle_ps(ab_low, cd_low, 0xEE);
  c.v = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
  d.v = _mm256_shuffle_ps(ab_high, cd_high, 0xEE);
}

struct Wide {
  using Packed = float;
  static constexpr size_t kWidth = Vec::kWidth / 2;

  __m256d v;

  static CROSSRANK_INLINE Wide Zero() { return {_mm256_setzero_pd()}; }
  static CROSSRANK_INLINE Wide Broadcast(double x) { return {_mm256_set1_pd(x)}; }
  static CROSSRANK_INLINE Wide Load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static CROSSRANK_INLINE Wide Load(const float* p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
  CROSSRANK_INLINE void Store(double* p) const { _mm256_storeu_pd(p, v); }
};

CROSSRANK_INLINE Wide operator+(Wide a, Wide b) { return {_mm256_add_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide operator-(Wide a, Wide b) { return {_mm256_sub_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide operator*(Wide a, Wide b) { return {_mm256_mul_pd(a.v, b.v)}; }
CROSSRANK_INLINE Wide Fma(Wide a, Wide b, Wide c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
CROSSRANK_INLINE Wide Max(Wide a, Wide b) { return {_mm256_max_pd(a.v, b.v)}; }
CROSSRANK_INLINE double ReduceAdd(Wide a) {
  const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}
CROSSRANK_INLINE double ReduceMax(Wide a) {
  const __m128d x = _mm_max_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)));
}
CROSSRANK_INLINE Wide WidenLow(Vec a) { return {_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))}; }
CROSSRANK_INLINE Wide WidenHigh(Vec a) { return {_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1))}; }
CROSSRANK_INLINE Vec Narrow(Wide low, Wide high) {
  const __m256 half = _mm256_castps128_ps256(_mm256_cvtpd_ps(low.v));
  return {_mm256_insertf128_ps(half, _mm256_cvtpd_ps(high.v), 1)};
}

struct Shorts {
  static constexpr size_t kWidth = 16;

  __m256i v;

  static CROSSRANK_INLINE Shorts Load(const int16_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static CROSSRANK_INLINE Shorts Load(const int8_t* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
};

struct IntSums {
  __m256i v;

  static CROSSRANK_INLINE IntSums Zero() { return {_mm256_setzero_si256()}; }
};

CROSSRANK_INLINE IntSums MultiplyAdd(Shorts a, Shorts b, IntSums sums) {
  return {_mm256_add_epi32(sums.v, _mm256_madd_epi16(a.v, b.v))};
}
CROSSRANK_INLINE int32_t ReduceAdd(IntSums a) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}

}  // namespace
}  // namespace crossrank::kernels
