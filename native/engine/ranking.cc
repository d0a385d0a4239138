#include "engine/ranking.h"

#include <algorithm>
#include <cmath>

namespace crossrank {

void ApplyActivation(ScoreActivation activation, Span<float> logits) {
  if (activation == ScoreActivation::kIdentity) return;
  for (float& value : logits) value = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(value))));
}

std::vector<RankedDocument> TopK(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                 const RequestOptions& options) {
  std::vector<RankedDocument> ranked;
  ranked.reserve(scores.size());
  for (size_t i = 0; i < scores.size(); i++) {
    if (scores[i] >= options.min_score)
      ranked.push_back({static_cast<uint32_t>(i), scores[i], tokens_lost[i]});
  }
  const size_t k = std::min(options.top_k, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(k), ranked.end(),
                    [](const RankedDocument& a, const RankedDocument& b) {
                      return a.score != b.score ? a.score > b.score : a.index < b.index;
                    });
  ranked.resize(k);
  return ranked;
}

}  // namespace crossrank
