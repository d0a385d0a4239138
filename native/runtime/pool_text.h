// Pooling of one text, for the operator of packed graphs and for exported ones.
#pragma once

#include <cstddef>

#include "model/pooling.h"

namespace crossrank {

// hidden [tokens, columns], of at least one token, to out [columns]. Sums are in double, token after token,
// so that the bits depend on this text alone. A vector of zeros cannot be normalized and stays as it is
// (torch.nn.functional.normalize: divided by its length or 1e-12, whichever is larger).
void PoolText(const float* hidden, size_t tokens, size_t columns, const PoolingRule& rule, float* out);

// The same for what is pooled already.
void NormalizeText(float* embedding, size_t columns);

}  // namespace crossrank
