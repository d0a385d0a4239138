// Truncation against a plain restatement of the rule, and top k against a full sort.
#include <algorithm>
#include <random>

#include "check.h"
#include "common/error.h"
#include "engine/ranking.h"
#include "engine/truncation.h"

namespace crossrank::testing {
namespace {

// transformers' slow tokenizers drop one token at a time from the longer text; the fast ones reach the same
// lengths but for the side that keeps the odd token, which utils/truncation.rs gives to the longer text.
void TestLongestFirst() {
  Checks::Get().context = "longest_first";
  for (size_t query = 0; query < 40; query++) {
    for (size_t document = 0; document < 40; document++) {
      for (size_t room = 2; room < 50; room++) {
        const PairLengths cut = TruncatePair({query, document}, room, Truncation::kLongestFirst);
        CHECK(cut.query <= query && cut.document <= document);
        CHECK(cut.query + cut.document == std::min(room, query + document));
        if (query + document > room) {
          // A text shorter than half the room is left whole; else both end at half.
          if (std::min(query, document) <= room / 2) {
            CHECK(query <= document ? cut.query == query : cut.document == document);
          } else {
            const size_t difference =
                cut.query > cut.document ? cut.query - cut.document : cut.document - cut.query;
            CHECK(difference == room % 2);
          }
        }
      }
    }
  }
}

void TestDocumentOnly() {
  Checks::Get().context = "document";
  const PairLengths cut = TruncatePair({10, 100}, 50, Truncation::kDocument);
  CHECK(cut.query == 10 && cut.document == 40);
  const PairLengths whole = TruncatePair({50, 0}, 50, Truncation::kDocument);
  CHECK(whole.query == 50 && whole.document == 0);
  bool refused = false;
  try {
    TruncatePair({50, 1}, 50, Truncation::kDocument);
  } catch (const Error& error) {
    refused = error.code() == ErrorCode::kInvalidArgument;
  }
  CHECK(refused);
}

void TestTopK() {
  std::mt19937 random(3);
  for (int round = 0; round < 200; round++) {
    Checks::Get().context = "top k, round " + std::to_string(round);
    std::vector<float> scores(random() % 300);
    for (float& score : scores) score = static_cast<float>(random() % 40) / 8;  // with ties
    const std::vector<uint32_t> lost(scores.size(), 0);
    RequestOptions options;
    options.top_k = 1 + random() % 50;
    if (round % 2) options.min_score = 2;
    std::vector<uint32_t> expected;
    for (uint32_t i = 0; i < scores.size(); i++) {
      if (scores[i] >= options.min_score) expected.push_back(i);
    }
    std::stable_sort(expected.begin(), expected.end(),
                     [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
    expected.resize(std::min(expected.size(), options.top_k));
    const std::vector<RankedDocument> ranked = TopK(scores, lost, options);
    CHECK(ranked.size() == expected.size());
    for (size_t i = 0; i < ranked.size(); i++) {
      CHECK(ranked[i].index == expected[i] && ranked[i].score == scores[expected[i]]);
    }
  }
}

void TestSigmoid() {
  Checks::Get().context = "sigmoid";
  std::vector<float> values = {-1e30f, -100, -1, 0, 1, 100, 1e30f};
  ApplyActivation(ScoreActivation::kSigmoid, values);
  CHECK(values[0] == 0 && values[3] == 0.5f && values[6] == 1);
  CHECK_NEAR(values[4], 0.7310585786300049, 1e-7);
  CHECK(std::is_sorted(values.begin(), values.end()));
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestLongestFirst();
  TestDocumentOnly();
  TestTopK();
  TestSigmoid();
  return Checks::Get().Report();
}
