// Softmax of sixteen rows of scores at once, for attention_bf16_amx.cc.
#pragma once

#include <math.h>

#include "simd_avx512.h"

namespace crossrank::kernels {
namespace {

// sixteen rows of sixteen 32-bit words, in place
CROSSRANK_INLINE void TransposeWords(__m512i (&rows)[16]) {
  __m512i a[16], b[16];
  CROSSRANK_UNROLL
  for (int i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  // Now the 4 x 4 words of four rows in each 128-bit lane: b[4 * i + c], lane l: column 4 * l + c, rows 4 * i
  // ...
  CROSSRANK_UNROLL
  for (int i = 0; i < 4; ++i) {
    b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
  // And the 4 x 4 lanes.
  CROSSRANK_UNROLL
  for (int c = 0; c < 4; ++c) {
    const __m512i top_even = _mm512_shuffle_i32x4(b[c], b[4 + c], 0x88);
    const __m512i top_odd = _mm512_shuffle_i32x4(b[c], b[4 + c], 0xDD);
    const __m512i bottom_even = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0x88);
    const __m512i bottom_odd = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0xDD);
    rows[c] = _mm512_shuffle_i32x4(top_even, bottom_even, 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(top_even, bottom_even, 0xDD);
    rows[4 + c] = _mm512_shuffle_i32x4(top_odd, bottom_odd, 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(top_odd, bottom_odd, 0xDD);
  }
}

// Thirty-two values as bf16, rounded to nearest even.
CROSSRANK_INLINE __m512i PairToBf16(__m512 low, __m512 high) {
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// 2^x for x <= 0 with a relative error of 1e-4: a fortieth of what rounding to bf16 may add. The floor of
// 2^-126 keeps denormals out, which cost a microcode assist each. NaN stays NaN.
CROSSRANK_INLINE __m512 CoarseExp2(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-126.0f), x);
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);  // exact
  // Minimax on [-1/2, 1/2].
  __m512 p = _mm512_set1_ps(5.517166908e-2f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4261112219e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9326098546e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.9992807354e-1f));
  return _mm512_scalef_ps(p, n);
}

// Lane i of the result is the maximum of the first `keys` scores that lane i holds.
CROSSRANK_INLINE __m512 LaneMaxima(const float* scores, size_t keys) {
  __m512 maxima[4];
  CROSSRANK_UNROLL
  for (__m512& maximum : maxima) maximum = _mm512_set1_ps(-INFINITY);
  size_t j = 0;
  for (; j + 64 <= keys; j += 64) {
    CROSSRANK_UNROLL
    for (int i = 0; i < 4; ++i) maxima[i] = _mm512_max_ps(maxima[i], _mm512_load_ps(scores + j + 16 * i));
  }
  for (; j < keys; j += 16) {
    const __mmask16 rest = Vec::First(keys - j);
    maxima[0] = _mm512_mask_max_ps(maxima[0], rest, maxima[0], _mm512_maskz_load_ps(rest, scores + j));
  }
  return _mm512_max_ps(_mm512_max_ps(maxima[0], maxima[1]), _mm512_max_ps(maxima[2], maxima[3]));
}

// The difference comes first: it is exact for scores near the maximum, whatever their size, and never above
// zero. One multiply-add instead could overflow with scores of 1e8 and more.
CROSSRANK_INLINE __m512 Weight(__m512 scores, __m512 maximum, __m512 scale) {
  return CoarseExp2(_mm512_mul_ps(_mm512_sub_ps(scores, maximum), scale));
}

// The weights of a row in place of its scores, bf16 in the front half, with zeros up to 32 keys; the lanes of
// the result add up to their sum. It is the rounded weights that are added: with those the context is an
// average, whose rounding errors multiply differences between values and not the values. And vdpbf16ps by
// ones adds 32 of them in one instruction.
CROSSRANK_INLINE __m512 WeighRow(float* row, size_t keys, __m512 maximum, __m512 scale) {
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3F80);
  uint16_t* weights = reinterpret_cast<uint16_t*>(row);
  __m512 sum = _mm512_setzero_ps();
  size_t j = 0;
  for (; j + 32 <= keys; j += 32) {
    const __m512 low = Weight(_mm512_load_ps(row + j), maximum, scale);
    const __m512 high = Weight(_mm512_load_ps(row + j + 16), maximum, scale);
    const __m512i pair = PairToBf16(low, high);
    _mm512_store_si512(weights + j, pair);
    sum = _mm512_dpbf16_ps(sum, (__m512bh)pair, ones);
  }
  if (j < keys) {
    const size_t n = keys - j;
    const __mmask16 first = Vec::First(n), second = Vec::First(n > 16 ? n - 16 : 0);
    const __m512 x = _mm512_maskz_load_ps(first, row + j), y = _mm512_maskz_load_ps(second, row + j + 16);
    const __m512 low = _mm512_maskz_mov_ps(first, Weight(x, maximum, scale));
    const __m512 high = _mm512_maskz_mov_ps(second, Weight(y, maximum, scale));
    const __m512i pair = PairToBf16(low, high);
    _mm512_store_si512(weights + j, pair);
    sum = _mm512_dpbf16_ps(sum, (__m512bh)pair, ones);
  }
  return sum;
}

// The weights of up to sixteen rows; lane r of the result is the inverse of row r's sum. Three loops over the
// rows, with the maxima and sums of all of them by one transposition: so no row waits for its own horizontal
// reductions, which made attention 13 % faster (Sapphire Rapids).
CROSSRANK_INLINE __m512 WeighRows(float* scores, size_t stride, size_t rows, size_t keys, float scale) {
  const __m512 scales = _mm512_set1_ps(scale);
  __m512i lanes[16];
  CROSSRANK_UNROLL
  for (__m512i& row : lanes) row = _mm512_setzero_si512();
  for (size_t r = 0; r < rows; ++r) {
    lanes[r] = _mm512_castps_si512(LaneMaxima(scores + r * stride, keys));
  }
  TransposeWords(lanes);
  __m512 maxima = _mm512_castsi512_ps(lanes[0]);
  CROSSRANK_UNROLL
  for (int i = 1; i < 16; ++i) maxima = _mm512_max_ps(maxima, _mm512_castsi512_ps(lanes[i]));
  alignas(64) float row_maxima[16];
  _mm512_store_ps(row_maxima, maxima);

  CROSSRANK_UNROLL
  for (__m512i& row : lanes) row = _mm512_setzero_si512();
  for (size_t r = 0; r < rows; ++r) {
    const __m512 maximum = _mm512_set1_ps(row_maxima[r]);
    lanes[r] = _mm512_castps_si512(WeighRow(scores + r * stride, keys, maximum, scales));
  }
  TransposeWords(lanes);
  __m512 sums = _mm512_castsi512_ps(lanes[0]);
  CROSSRANK_UNROLL
  for (int i = 1; i < 16; ++i) sums = _mm512_add_ps(sums, _mm512_castsi512_ps(lanes[i]));
  return _mm512_div_ps(_mm512_set1_ps(1.0f), sums);
}

}  // namespace
}  // namespace crossrank::kernels
