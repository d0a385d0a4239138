// Elementary functions over Vec. Include after one of the simd_*.h headers.
#pragma once

namespace crossrank::kernels {
namespace {

// exp(x) for x <= 0, relative error about 1e-7. Below -87.3 it stays at the smallest normal numbers instead
// of going to zero, so callers must not multiply it by anything huge. NaN stays NaN. Reduction and
// coefficients: expf of the Cephes library (S. Moshier, netlib.org/cephes).
CROSSRANK_INLINE Vec ExpOfNegative(Vec x) {
  x = Max(Vec::Broadcast(-87.3f), x);
  const Vec n = Round(x * Vec::Broadcast(1.44269504088896341f));
  // ln 2 in two parts; the first has few enough bits for n times it to be exact.
  Vec r = Fnma(n, Vec::Broadcast(0.693359375f), x);
  r = Fnma(n, Vec::Broadcast(-2.12194440e-4f), r);
  Vec p = Vec::Broadcast(1.9875691500e-4f);
  p = Fma(p, r, Vec::Broadcast(1.3981999507e-3f));
  p = Fma(p, r, Vec::Broadcast(8.3334519073e-3f));
  p = Fma(p, r, Vec::Broadcast(4.1665795894e-2f));
  p = Fma(p, r, Vec::Broadcast(1.6666665459e-1f));
  p = Fma(p, r, Vec::Broadcast(5.0000001201e-1f));
  p = Fma(p, r * r, r) + Vec::Broadcast(1.0f);
  return ScaleByPowerOfTwo(p, n);
}

// 2^x for x <= 0, relative error about 1e-7, with the same floor. Coefficients: exp2f of Cephes.
CROSSRANK_INLINE Vec Exp2OfNegative(Vec x) {
  x = Max(Vec::Broadcast(-126.0f), x);
  const Vec n = Round(x);
  const Vec r = x - n;  // exact
  Vec p = Vec::Broadcast(1.535336188319500e-4f);
  p = Fma(p, r, Vec::Broadcast(1.339887440266574e-3f));
  p = Fma(p, r, Vec::Broadcast(9.618437357674640e-3f));
  p = Fma(p, r, Vec::Broadcast(5.550332471162809e-2f));
  p = Fma(p, r, Vec::Broadcast(2.402264791363012e-1f));
  p = Fma(p, r, Vec::Broadcast(6.931472028550421e-1f));
  p = Fma(p, r, Vec::Broadcast(1.0f));
  return ScaleByPowerOfTwo(p, n);
}

// 2^x for x <= 0, relative error 7.5e-5, with the same floor: enough where the result is rounded to bf16.
// The cubic with the least relative error on [-0.5, 0.5] (Remez).
CROSSRANK_INLINE Vec RoughExp2OfNegative(Vec x) {
  x = Max(Vec::Broadcast(-126.0f), x);
  const Vec n = Round(x);
  const Vec r = x - n;  // exact
  Vec p = Vec::Broadcast(5.5171669e-2f);
  p = Fma(p, r, Vec::Broadcast(2.4261112e-1f));
  p = Fma(p, r, Vec::Broadcast(6.9326099e-1f));
  p = Fma(p, r, Vec::Broadcast(9.9992807e-1f));
  return ScaleByPowerOfTwo(p, n);
}

// x * Phi(x) with Phi(x) = (1 + erf(z)) / 2, z = x / sqrt(2).
// The two ranges of erf and their minimax polynomials: N. Juffa, "my_erff"
// (stackoverflow.com/questions/35148198), at most 1 ulp. In the outer range it is 1 - erf(|z|) = exp(r) that
// the polynomial gives, so the far negative side needs no subtraction and keeps its relative accuracy.
CROSSRANK_INLINE Vec GeluErf(Vec x) {
  const Vec one = Vec::Broadcast(1.0f);
  // Beyond -14 the result is zero in fp32; without the bound a huge x would meet ExpOfNegative's floor.
  x = Max(Vec::Broadcast(-14.0f), x);
  const Vec z = x * Vec::Broadcast(0.70710678118654752f);
  const Vec t = Abs(z);
  const Vec s = z * z;

  Vec r = Fma(Vec::Broadcast(-1.72853470e-5f), t, Vec::Broadcast(3.83197126e-4f));
  const Vec u = Fma(Vec::Broadcast(-3.88396438e-3f), t, Vec::Broadcast(2.42546219e-2f));
  r = Fma(r, s, u);
  r = Fma(r, t, Vec::Broadcast(-1.06777877e-1f));
  r = Fma(r, t, Vec::Broadcast(-6.34846687e-1f));
  r = Fma(r, t, Vec::Broadcast(-1.28717512e-1f));
  r = Fma(r, t, Vec::Zero() - t);
  const Vec tail = ExpOfNegative(r);
  const Vec outer = SelectLess(z, Vec::Zero(), tail, Vec::Broadcast(2.0f) - tail);

  Vec inner = Vec::Broadcast(-5.96761703e-4f);
  inner = Fma(inner, s, Vec::Broadcast(4.99119423e-3f));
  inner = Fma(inner, s, Vec::Broadcast(-2.67681349e-2f));
  inner = Fma(inner, s, Vec::Broadcast(1.12819925e-1f));
  inner = Fma(inner, s, Vec::Broadcast(-3.76125336e-1f));
  inner = Fma(inner, s, Vec::Broadcast(1.28379166e-1f));
  inner = Fma(inner, z, z) + one;

  const Vec twice_phi = SelectLess(Vec::Broadcast(0.927734375f), t, outer, inner);
  return (x * Vec::Broadcast(0.5f)) * twice_phi;
}

// GeluErf within 2e-5, for results that are rounded to bf16 or int8: a third of the work.
// max(x, 0) - a Phi(-a) with a = |x|, where a Phi(-a) = a / 2 - a^2 Q(a^2). Q is a minimax fit of degree 9
// for a <= 4.6, in u = 2 a^2 / 4.6^2 - 1, without which fp32 loses what the fit gains; 0 gives exactly 0.
CROSSRANK_INLINE Vec GeluErfRough(Vec x) {
  const Vec a = Min(Vec::Broadcast(4.6f), Abs(x));
  const Vec s = a * a;
  const Vec u = Fma(s, Vec::Broadcast(0.0945179611f), Vec::Broadcast(-1.0f));
  Vec q = Vec::Broadcast(-0.00196234765f);
  q = Fma(q, u, Vec::Broadcast(0.00566915888f));
  q = Fma(q, u, Vec::Broadcast(-0.00762455817f));
  q = Fma(q, u, Vec::Broadcast(0.0108712176f));
  q = Fma(q, u, Vec::Broadcast(-0.0191555321f));
  q = Fma(q, u, Vec::Broadcast(0.0295646992f));
  q = Fma(q, u, Vec::Broadcast(-0.0405855998f));
  q = Fma(q, u, Vec::Broadcast(0.0541316085f));
  q = Fma(q, u, Vec::Broadcast(-0.0757574514f));
  q = Fma(q, u, Vec::Broadcast(0.153543547f));
  return Fma(s, q, Fma(a, Vec::Broadcast(-0.5f), Max(Vec::Zero(), x)));
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)), written with exp(-2 |u|) so that neither side cancels.
CROSSRANK_INLINE Vec GeluTanh(Vec x) {
  const Vec one = Vec::Broadcast(1.0f);
  x = Max(Vec::Broadcast(-14.0f), x);  // as in GeluErf
  const Vec u = x * Fma(x * x, Vec::Broadcast(0.7978845608f * 0.044715f), Vec::Broadcast(0.7978845608f));
  const Vec e = ExpOfNegative(Vec::Broadcast(-2.0f) * Abs(u));
  return x * SelectLess(u, Vec::Zero(), e, one) / (one + e);
}

// Below 0.625 the polynomial of Cephes' tanhf, above it (1 - e) / (1 + e) with e = exp(-2 |x|).
CROSSRANK_INLINE Vec Tanh(Vec x) {
  const Vec one = Vec::Broadcast(1.0f);
  const Vec t = Abs(x);
  const Vec e = ExpOfNegative(Vec::Broadcast(-2.0f) * t);
  const Vec outer = WithSign((one - e) / (one + e), x);

  const Vec s = x * x;
  Vec p = Vec::Broadcast(-5.70498872745e-3f);
  p = Fma(p, s, Vec::Broadcast(2.06390887954e-2f));
  p = Fma(p, s, Vec::Broadcast(-5.37397155531e-2f));
  p = Fma(p, s, Vec::Broadcast(1.33314422036e-1f));
  p = Fma(p, s, Vec::Broadcast(-3.33332819422e-1f));
  const Vec inner = Fma(p * s, x, x);
  return SelectLess(t, Vec::Broadcast(0.625f), inner, outer);
}

CROSSRANK_INLINE Vec Relu(Vec x) { return Max(Vec::Zero(), x); }

}  // namespace
}  // namespace crossrank::kernels
