// Macros that the vector headers share. Kernel files are compiled for one instruction set each, so nothing in
// them may be emitted as a weak symbol that the linker could merge into code for older CPUs: everything lives
// in an unnamed namespace, and the standard library's containers and algorithms stay out.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define CROSSRANK_INLINE __forceinline
#define CROSSRANK_NOINLINE __declspec(noinline)
// Any address will do.
#define CROSSRANK_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0)
#else
#define CROSSRANK_INLINE inline __attribute__((always_inline))
#define CROSSRANK_NOINLINE __attribute__((noinline))
#define CROSSRANK_PREFETCH(p) __builtin_prefetch(p, 0, 3)
#endif

// Register tiles are arrays of accumulators: they only stay in registers when their loops are unrolled in
// full.
#if defined(__clang__)
#define CROSSRANK_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define CROSSRANK_UNROLL _Pragma("GCC unroll 16")
#else
#define CROSSRANK_UNROLL
#endif
