// Attention with vdpbf16ps, which multiplies pairs of bf16: of adjacent columns for the scores, of adjacent
// keys for the context.
#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx512.h"
//
#include "query_lanes_run.h"

namespace crossrank::kernels {
namespace {

CROSSRANK_INLINE __m512bh AsPairs(Vec words) { return (__m512bh)words.v; }

struct PairWords {
  static constexpr size_t Count(size_t values) { return (values + 1) / 2; }

  static CROSSRANK_INLINE Vec MultiplyAdd(Vec word, Vec lanes, Vec sum) {
    return {_mm512_dpbf16_ps(sum.v, AsPairs(lanes), AsPairs(word))};
  }

  // Word d of row j: column d of keys 2 j and 2 j + 1. A last key without a partner has zeros for it.
  static void PackValues(const query_lanes::Head& head) {
    for (size_t j = 0; j < head.keys; j += 2) {
      const uint16_t* even = head.v + j * head.kv_stride;
      const uint16_t* odd = even + head.kv_stride;
      const __mmask16 has_odd = j + 1 < head.keys ? 0xFFFF : 0;
      float* to = head.packed_values + j / 2 * head.head_size;
      for (size_t d = 0; d < head.head_size; d += 16) {
        const __mmask16 mask = Vec::First(head.head_size - d);
        const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, even + d));
        const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask & has_odd, odd + d));
        _mm512_mask_storeu_epi32(to + d, mask, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      }
    }
  }

  // The rows as they are; the scale comes with the weights.
  static CROSSRANK_INLINE void Rows(const query_lanes::Head&, const uint16_t* from, size_t stride,
                                    size_t count, float, const float** rows) {
    for (size_t i = 0; i < query_lanes::kWidth; ++i) {
      rows[i] = reinterpret_cast<const float*>(from + (i < count ? i : count - 1) * stride);
    }
  }

  // 2^((score - maximum) * scale), relative error 7.5e-5 (the cubic of RoughExp2OfNegative on [0, 1)).
  // The difference comes before the product: with huge scores their rounded products could differ by more.
  static CROSSRANK_INLINE __m512 Weight(Vec score, Vec maximum, __m512 scale) {
    const __m512 x = _mm512_mul_ps((score - maximum).v, scale);
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);  // x - floor(x)
    __m512 p = _mm512_set1_ps(7.8024523e-2f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.2606716e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9583354e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.9992522e-1f));
    return _mm512_scalef_ps(p, x);  // by 2^floor(x)
  }

  // The sums are those of the rounded weights, by which V is multiplied.
  template <int kTileColumns>
  static CROSSRANK_INLINE void Weights(const query_lanes::Head& head, size_t keys,
                                       const Vec (&maxima)[kTileColumns], Vec (&sums)[kTileColumns]) {
    constexpr size_t kLanes = kTileColumns * Vec::kWidth;
    const __m512 scale = _mm512_set1_ps(head.scale);
    const __m512i ones = _mm512_set1_epi32(0x3F803F80);
    alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                             21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                             11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i interleave = _mm512_load_si512(kInterleave);
    const auto store = [&](size_t j, int c, __m512 even, __m512 odd) {
      const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
      const __m512i pairs = _mm512_permutexvar_epi16(interleave, halves);
      _mm512_store_si512(head.scores + j / 2 * kLanes + c * Vec::kWidth, pairs);
      sums[c].v = _mm512_dpbf16_ps(sums[c].v, (__m512bh)pairs, (__m512bh)ones);
    };
    const auto weight = [&](size_t j, int c) {
      return Weight(Vec::Load(head.scores + j * kLanes + c * Vec::kWidth), maxima[c], scale);
    };
    size_t j = 0;
    for (; j + 2 <= keys; j += 2) {
      CROSSRANK_UNROLL
      for (int c = 0; c < kTileColumns; ++c) store(j, c, weight(j, c), weight(j + 1, c));
    }
    if (j < keys) {
      CROSSRANK_UNROLL
      for (int c = 0; c < kTileColumns; ++c) store(j, c, weight(j, c), _mm512_setzero_ps());
    }
  }

  static CROSSRANK_INLINE Vec Factor(const query_lanes::Head& head, Vec difference) {
    return {Weight(difference, Vec::Zero(), _mm512_set1_ps(head.scale))};
  }
};

void RunPairs(const AttentionBf16Args& args) { query_lanes::Run<PairWords>(args); }

size_t PairsWorkspaceFloats(size_t longest, size_t heads, size_t head_size, Format out_format) {
  return query_lanes::WorkspaceFloats<PairWords>(longest, heads, head_size, out_format);
}

}  // namespace

const AttentionBf16Kernel kAttentionBf16Avx512Bf16 = {"avx512-bf16", RunPairs, PairsWorkspaceFloats};

}  // namespace crossrank::kernels
