// The tables that are compiled in. Each is an object file of its own, built with its instruction set's flags.
#pragma once

#include "kernels.h"

namespace crossrank::kernels {

extern const KernelTable kGenericTable;
#if defined(CROSSRANK_X86)
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;
extern const AttentionBf16Kernel kAttentionBf16Avx512Bf16;
#endif

}  // namespace crossrank::kernels
