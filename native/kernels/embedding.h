// Embedding rows of words, positions and token types, summed and normalised.
#pragma once

#include "convert.h"
#include "kernels.h"
#include "layer_norm.h"

namespace crossrank::kernels {
namespace {

void Embed(const EmbeddingArgs& args) {
  for (size_t t = 0; t < args.tokens; ++t) {
    float* out = args.out + t * args.columns;
    ReadRow<RowUse::kWrite>(args.words, static_cast<size_t>(args.ids[t]), args.columns, out);
    // Types before positions, as transformers' BertEmbeddings adds them.
    if (args.type_ids != nullptr) {
      ReadRow<RowUse::kAdd>(args.types, static_cast<size_t>(args.type_ids[t]), args.columns, out);
    }
    ReadRow<RowUse::kAdd>(args.positions, static_cast<size_t>(args.position_ids[t]), args.columns, out);
    LayerNormInPlace(out, args.gamma, args.beta, args.epsilon, args.columns);
  }
}

}  // namespace
}  // namespace crossrank::kernels
