#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_generic.h"
//
#include "activation.h"
#include "attention.h"
#include "attention_bf16.h"
#include "convert.h"
#include "embedding.h"
#include "layer_norm.h"

namespace crossrank::kernels {

const KernelTable kGenericTable = {
    "generic",      Embed,
    Attention,      AttentionWorkspaceFloats,
    BiasActivation, BiasResidualLayerNorm,
    ToFloat,        nullptr,
    nullptr,        {"generic", AttentionBf16, AttentionBf16WorkspaceFloats},
};

}  // namespace crossrank::kernels
