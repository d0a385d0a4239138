#include "engine/pair_key.h"

#include <random>

#include "common/error.h"
#include "formats/formats_error.h"

namespace crossrank {
namespace {

struct Secret {
  uint64_t words[2];

  Secret() {
    std::random_device random;
    for (uint64_t& word : words) word = (uint64_t{random()} << 32) | random();
  }
};

// Whole words, so that no padding is read.
template <size_t count>
PairKey KeyOfWords(const uint64_t (&words)[count]) {
  return KeyOfText({reinterpret_cast<const char*>(words), sizeof words});
}

}  // namespace

PairKey KeyOfText(std::string_view text) {
  static const Secret secret;
  uint64_t out[2];
  if (cr_fingerprint(secret.words, ToText(text), out) != CR_OK)
    throw Error(ErrorCode::kRuntime, "a text cannot be told from others");
  return {out[0], out[1]};
}

PairKey KeyOfPair(const PairKey& query, const PairKey& document, size_t max_tokens, Truncation truncation) {
  return KeyOfWords(
      {query.high, query.low, document.high, document.low, max_tokens, static_cast<uint64_t>(truncation)});
}

PairKey KeyOfWindow(const PairKey& pair, size_t first, size_t tokens, size_t query_tokens) {
  return KeyOfWords({pair.high, pair.low, first, tokens, query_tokens});
}

}  // namespace crossrank
