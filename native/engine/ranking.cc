#include "engine/ranking.h"

#include <algorithm>
#include <cmath>

namespace crossrank {
namespace {

std::vector<RankedDocument> Admissible(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                       double min_score) {
  std::vector<RankedDocument> out;
  out.reserve(scores.size());
  const bool all = min_score == -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < scores.size(); i++) {
    if (all || scores[i] >= min_score) out.push_back({static_cast<uint32_t>(i), scores[i], tokens_lost[i]});
  }
  return out;
}

bool Better(const RankedDocument& a, const RankedDocument& b) {
  const bool a_scored = !std::isnan(a.score), b_scored = !std::isnan(b.score);
  if (a_scored != b_scored) return a_scored;
  return a_scored && a.score != b.score ? a.score > b.score : a.index < b.index;
}

}  // namespace

void ApplyActivation(ScoreActivation activation, Span<float> logits) {
  if (activation == ScoreActivation::kIdentity) return;
  for (float& value : logits) value = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(value))));
}

std::vector<RankedDocument> TopK(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                 const RequestOptions& options) {
  std::vector<RankedDocument> ranked = Admissible(scores, tokens_lost, options.min_score);
  const size_t k = std::min(options.top_k, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(k), ranked.end(), Better);
  ranked.resize(k);
  return ranked;
}

std::vector<RankedDocument> FirstK(Span<const float> scores, Span<const uint32_t> tokens_lost,
                                   const RequestOptions& options) {
  std::vector<RankedDocument> first = Admissible(scores, tokens_lost, options.min_score);
  first.resize(std::min(options.top_k, first.size()));
  return first;
}

}  // namespace crossrank
