#include "tables.h"
// The vector type comes first: the operations are written over it.
#include "simd_avx2.h"
//
#include "activation.h"
#include "attention.h"
#include "attention_bf16.h"
#include "convert.h"
#include "dot.h"
#include "embedding.h"
#include "encode.h"
#include "finish_int8.h"
#include "layer_norm.h"

namespace crossrank::kernels {

const KernelTable kAvx2Table = {
    "avx2",
    Embed,
    Attention,
    AttentionWorkspaceFloats,
    BiasActivation,
    BiasResidualLayerNorm,
    ToFloat,
    Encode,
    FinishInt8,
    DotDouble,
    DotInt8,
    {"avx2", AttentionBf16, AttentionBf16WorkspaceFloats},
    {},
    {},
    {},
};

}  // namespace crossrank::kernels
