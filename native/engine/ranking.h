// Logits to scores, and scores to the best k.
#pragma once

#include <vector>

#include "common/span.h"
#include "engine/request.h"

namespace crossrank {

// NaN stays.
void ApplyActivation(ScoreActivation activation, Span<float> logits);

// The best options.top_k scores that reach options.min_score, best first; equal scores keep their input
// order. What was not scored (NaN) follows in input order, unless there is a min_score.
std::vector<RankedDocument> TopK(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                 const RequestOptions& options);

// The same choice in input order: the first options.top_k.
std::vector<RankedDocument> FirstK(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                   const RequestOptions& options);

}  // namespace crossrank
