// Four floats in the vector extension of GCC and Clang, which becomes SSE2, NEON or whatever the target has.
// The interface is explained in simd_avx512.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "inline.h"

namespace crossrank::kernels {
namespace {

typedef float Floats __attribute__((vector_size(16)));
typedef uint32_t Bits __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
typedef uint8_t Bytes __attribute__((vector_size(4)));
typedef uint16_t Words __attribute__((vector_size(8)));
typedef float HalfFloats __attribute__((vector_size(8)));
typedef int8_t ByteLanes __attribute__((vector_size(8)));
typedef int16_t ShortLanes __attribute__((vector_size(16)));
typedef int32_t EightInts __attribute__((vector_size(32)));
typedef double Doubles __attribute__((vector_size(16)));
typedef uint64_t WideBits __attribute__((vector_size(16)));

CROSSRANK_INLINE Bits AsBits(Floats x) { return reinterpret_cast<Bits>(x); }
CROSSRANK_INLINE Floats AsFloats(Bits x) { return reinterpret_cast<Floats>(x); }

struct Vec {
  static constexpr size_t kWidth = 4;
  // As for AVX2, though SSE2's products need a register of their own: 4 to 6 rows measured alike in fp32, 6
  // best in double.
  static constexpr int kTileRows = 6;
  static constexpr int kTileColumns = 2;

  Floats v;

  static CROSSRANK_INLINE Vec Zero() { return {Floats{0.0f, 0.0f, 0.0f, 0.0f}}; }
  static CROSSRANK_INLINE Vec Broadcast(float x) { return {Floats{x, x, x, x}}; }
  static CROSSRANK_INLINE Vec Load(const float* p) {
    Vec x;
    memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  static CROSSRANK_INLINE Vec LoadFirst(const float* p, size_t n) {
    Vec x = Zero();
    memcpy(&x.v, p, (n < kWidth ? n : kWidth) * sizeof(float));
    return x;
  }
  static CROSSRANK_INLINE Vec LoadF16(const void* p) {
    uint16_t h[kWidth];
    memcpy(h, p, sizeof h);
    const Bits half = {h[0], h[1], h[2], h[3]};
    // Exponent and mantissa moved to their places, then rebiased by a multiplication, which also makes
    // subnormals normal; infinities and NaN keep the largest exponent.
    const Bits magnitude = (half & 0x7FFFu) << 13;
    const Floats two_to_112 = {0x1p112f, 0x1p112f, 0x1p112f, 0x1p112f};
    const Bits special = reinterpret_cast<Bits>(magnitude >= 0x0F800000u);
    const Bits rebiased = AsBits(AsFloats(magnitude) * two_to_112) | (special & 0x7F800000u);
    return {AsFloats(rebiased | ((half & 0x8000u) << 16))};
  }
  static CROSSRANK_INLINE Vec LoadBf16(const void* p) {
    uint16_t h[kWidth];
    memcpy(h, p, sizeof h);
    return {AsFloats(Bits{h[0], h[1], h[2], h[3]} << 16)};
  }
  static CROSSRANK_INLINE Vec LoadI8(const void* p) {
    int8_t i[kWidth];
    memcpy(i, p, sizeof i);
    return {Floats{static_cast<float>(i[0]), static_cast<float>(i[1]), static_cast<float>(i[2]),
                   static_cast<float>(i[3])}};
  }
  static CROSSRANK_INLINE Vec FromSum(const int32_t* a, const int32_t* b) {
    Ints x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return {__builtin_convertvector(x + y, Floats)};
  }
  static CROSSRANK_INLINE Vec LoadLanes(const float* const* rows, size_t offset) {
    return Load(rows[0] + offset);
  }
  CROSSRANK_INLINE void StoreLanes(float* p, size_t) const { Store(p); }
  CROSSRANK_INLINE void Store(float* p) const { memcpy(p, &v, sizeof v); }
  CROSSRANK_INLINE void StoreFirst(float* p, size_t n) const {
    memcpy(p, &v, (n < kWidth ? n : kWidth) * sizeof(float));
  }
};

CROSSRANK_INLINE Vec Blend(Bits mask, Vec yes, Vec no) {
  return {AsFloats((mask & AsBits(yes.v)) | (~mask & AsBits(no.v)))};
}
CROSSRANK_INLINE Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
CROSSRANK_INLINE Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
CROSSRANK_INLINE Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
CROSSRANK_INLINE Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
#if defined(__aarch64__)
CROSSRANK_INLINE Vec Fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
CROSSRANK_INLINE Vec Fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
#else
CROSSRANK_INLINE Vec Fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
CROSSRANK_INLINE Vec Fnma(Vec a, Vec b, Vec c) { return {c.v - a.v * b.v}; }
#endif
CROSSRANK_INLINE Vec Max(Vec a, Vec b) { return Blend(reinterpret_cast<Bits>(a.v > b.v), a, b); }
CROSSRANK_INLINE Vec Min(Vec a, Vec b) { return Blend(reinterpret_cast<Bits>(a.v < b.v), a, b); }
CROSSRANK_INLINE Vec MaxBits(Vec a, Vec b) {
  // As signed numbers, which SSE2 can compare; there is no sign.
  const Bits more = reinterpret_cast<Bits>(reinterpret_cast<Ints>(a.v) > reinterpret_cast<Ints>(b.v));
  return Blend(more, a, b);
}
CROSSRANK_INLINE Vec Abs(Vec a) { return {AsFloats(AsBits(a.v) & 0x7FFFFFFFu)}; }
CROSSRANK_INLINE Vec WithSign(Vec magnitude, Vec x) {
  return {AsFloats(AsBits(magnitude.v) | (AsBits(x.v) & 0x80000000u))};
}
// Adding 1.5 * 2^23 leaves no bits for a fraction; right for |a| < 2^22, which is all that Exp needs.
CROSSRANK_INLINE Vec Round(Vec a) {
  const Floats magic = Vec::Broadcast(12582912.0f).v;
  return {(a.v + magic) - magic};
}
CROSSRANK_INLINE Vec ScaleByPowerOfTwo(Vec a, Vec n) {
  // The low bits of n + 1.5 * 2^23 + 127 are the biased exponent; the shift drops all others.
  const Bits biased = AsBits(n.v + Vec::Broadcast(12582912.0f + 127.0f).v);
  return {a.v * AsFloats(biased << 23)};
}
CROSSRANK_INLINE Vec SelectLess(Vec a, Vec b, Vec yes, Vec no) {
  return Blend(reinterpret_cast<Bits>(a.v < b.v), yes, no);
}
CROSSRANK_INLINE Vec KeepFirst(Vec a, size_t n, Vec fill) {
  const uint32_t count = static_cast<uint32_t>(n < Vec::kWidth ? n : Vec::kWidth);
  const Bits lane = {0, 1, 2, 3}, end = {count, count, count, count};
  return Blend(reinterpret_cast<Bits>(lane < end), a, fill);
}
CROSSRANK_INLINE float ReduceAdd(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
CROSSRANK_INLINE float ReduceMax(Vec a) {
  const float even = a.v[0] > a.v[2] ? a.v[0] : a.v[2];
  const float odd = a.v[1] > a.v[3] ? a.v[1] : a.v[3];
  return even > odd ? even : odd;
}
CROSSRANK_INLINE float ReduceMaxBits(Vec a) {
  const Vec pairs = MaxBits(a, {Floats{a.v[2], a.v[3], a.v[2], a.v[3]}});
  return MaxBits(pairs, {Floats{pairs.v[1], pairs.v[1], pairs.v[1], pairs.v[1]}}).v[0];
}
CROSSRANK_INLINE void StoreBytes(Vec a, uint8_t* p) {
  // As in Round, but the whole number stays in the low bits of the sum.
  const Bits sum = AsBits(a.v + Vec::Broadcast(12582912.0f).v);
  const Bytes bytes = __builtin_convertvector((sum + 128u) & 255u, Bytes);
  memcpy(p, &bytes, sizeof bytes);
}
CROSSRANK_INLINE Vec RoundToBf16(Vec a) {
  const Bits bits = AsBits(a.v);
  const Vec up = {AsFloats(bits + 0x7FFFu + (bits >> 16 & 1u))};
  const Vec quiet = {AsFloats(bits | 0x400000u)};
  const Vec rounded = Blend(reinterpret_cast<Bits>(a.v == a.v), up, quiet);
  return {AsFloats(AsBits(rounded.v) & 0xFFFF0000u)};
}
CROSSRANK_INLINE void StoreBf16(Vec a, uint16_t* p) {
  const Words halves = __builtin_convertvector(AsBits(RoundToBf16(a).v) >> 16, Words);
  memcpy(p, &halves, sizeof halves);
}
CROSSRANK_INLINE void TransposeLanes(Vec& a, Vec& b, Vec& c, Vec& d) {
  const Floats w = a.v, x = b.v, y = c.v, z = d.v;
  a.v = Floats{w[0], x[0], y[0], z[0]};
  b.v = Floats{w[1], x[1], y[1], z[1]};
  c.v = Floats{w[2], x[2], y[2], z[2]};
  d.v = Floats{w[3], x[3], y[3], z[3]};
}

struct Wide {
  using Packed = double;  // SSE2 widens slowly: keys packed as floats cost a sixth more time
  static constexpr size_t kWidth = Vec::kWidth / 2;

  Doubles v;

  static CROSSRANK_INLINE Wide Zero() { return {Doubles{0.0, 0.0}}; }
  static CROSSRANK_INLINE Wide Broadcast(double x) { return {Doubles{x, x}}; }
  static CROSSRANK_INLINE Wide Load(const double* p) {
    Wide x;
    memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  static CROSSRANK_INLINE Wide Load(const float* p) {
    HalfFloats x;
    memcpy(&x, p, sizeof x);
    return {__builtin_convertvector(x, Doubles)};
  }
  CROSSRANK_INLINE void Store(double* p) const { memcpy(p, &v, sizeof v); }
};

CROSSRANK_INLINE Wide operator+(Wide a, Wide b) { return {a.v + b.v}; }
CROSSRANK_INLINE Wide operator-(Wide a, Wide b) { return {a.v - b.v}; }
CROSSRANK_INLINE Wide operator*(Wide a, Wide b) { return {a.v * b.v}; }
#if defined(__aarch64__)
CROSSRANK_INLINE Wide Fma(Wide a, Wide b, Wide c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
#else
CROSSRANK_INLINE Wide Fma(Wide a, Wide b, Wide c) { return {a.v * b.v + c.v}; }
#endif
CROSSRANK_INLINE Wide Max(Wide a, Wide b) {
  const WideBits mask = reinterpret_cast<WideBits>(a.v > b.v);
  return {reinterpret_cast<Doubles>((mask & reinterpret_cast<WideBits>(a.v)) |
                                    (~mask & reinterpret_cast<WideBits>(b.v)))};
}
CROSSRANK_INLINE double ReduceAdd(Wide a) { return a.v[0] + a.v[1]; }
CROSSRANK_INLINE double ReduceMax(Wide a) { return a.v[0] > a.v[1] ? a.v[0] : a.v[1]; }
CROSSRANK_INLINE Wide WidenLow(Vec a) { return {Doubles{a.v[0], a.v[1]}}; }
CROSSRANK_INLINE Wide WidenHigh(Vec a) { return {Doubles{a.v[2], a.v[3]}}; }
CROSSRANK_INLINE Vec Narrow(Wide low, Wide high) {
  return {Floats{static_cast<float>(low.v[0]), static_cast<float>(low.v[1]), static_cast<float>(high.v[0]),
                 static_cast<float>(high.v[1])}};
}

struct Shorts {
  static constexpr size_t kWidth = 8;

  ShortLanes v;

  static CROSSRANK_INLINE Shorts Load(const int16_t* p) {
    Shorts x;
    memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  static CROSSRANK_INLINE Shorts Load(const int8_t* p) {
    ByteLanes x;
    memcpy(&x, p, sizeof x);
    return {__builtin_convertvector(x, ShortLanes)};
  }
};

struct IntSums {
  Ints v;

  static CROSSRANK_INLINE IntSums Zero() { return {Ints{0, 0, 0, 0}}; }
};

CROSSRANK_INLINE IntSums MultiplyAdd(Shorts a, Shorts b, IntSums sums) {
#if defined(__SSE2__)
  // SSE2 has no product of 32 bits, but has this one.
  const __m128i x = reinterpret_cast<__m128i>(a.v), y = reinterpret_cast<__m128i>(b.v);
  return {sums.v + reinterpret_cast<Ints>(_mm_madd_epi16(x, y))};
#else
  const EightInts products =
      __builtin_convertvector(a.v, EightInts) * __builtin_convertvector(b.v, EightInts);
  Ints halves[2];
  memcpy(halves, &products, sizeof halves);
  return {sums.v + halves[0] + halves[1]};
#endif
}
CROSSRANK_INLINE int32_t ReduceAdd(IntSums a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }

}  // namespace
}  // namespace crossrank::kernels
