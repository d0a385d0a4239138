// What the table of a level is put together from (cpu.cc). Each is an object file of its own, built with its
// instruction set's flags.
#pragma once

#include "kernels.h"

namespace crossrank::kernels {

// Everything but products, and attention over bf16 rows.
extern const KernelTable kGenericTable;
#if defined(CROSSRANK_X86)
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;

extern const LinearKernel kLinearFp32Avx512;
extern const LinearKernel kLinearInt8Avx2;
extern const LinearKernel kLinearInt8AvxVnni;
extern const LinearKernel kLinearInt8Avx512Vnni;
extern const LinearKernel kLinearBf16Avx512Bf16;
extern const AttentionBf16Kernel kAttentionBf16Avx512Bf16;

// Register-resident loops of `steps` x 24 instructions of 32 (vdpbf16ps) or 16 (vfmadd) multiply-adds each.
float MultiplyAddBf16(size_t steps);
float MultiplyAddFp32(size_t steps);
#endif

// Parts of a table for CPUs with AMX, where RequestAmxPermission() (amx_permission.h) is granted.
#if defined(CROSSRANK_X86) && defined(__linux__)
extern const LinearKernel kLinearInt8Amx, kLinearBf16Amx, kLinearBf16x3Amx;
extern const AttentionBf16Kernel kAttentionBf16Amx;
#endif

}  // namespace crossrank::kernels
