// What makes two pairs the same work: query, document, and how a pair is cut. Model and precision are an
// engine's own.
//
// A key is made with a secret of this process, so that no text can be written to be taken for another one.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "engine/truncation.h"

namespace crossrank {

struct PairKey {
  uint64_t high = 0, low = 0;
  bool operator==(const PairKey& other) const { return high == other.high && low == other.low; }
};

PairKey KeyOfText(std::string_view text);
PairKey KeyOfPair(const PairKey& query, const PairKey& document, size_t max_tokens, Truncation truncation);
// Of a window of the pair's document, beside so many tokens of the query.
PairKey KeyOfWindow(const PairKey& pair, size_t first, size_t tokens, size_t query_tokens);

}  // namespace crossrank

template <>
struct std::hash<crossrank::PairKey> {
  size_t operator()(const crossrank::PairKey& key) const noexcept { return static_cast<size_t>(key.low); }
};
