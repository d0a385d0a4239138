// Token ids and type ids of pairs, and of texts by themselves, equal those of transformers on every case of
// every fixture, truncated ones too.
#include <string_view>

#include "check.h"
#include "common/error.h"
#include "engine/sequence_layout.h"
#include "engine/truncation.h"
#include "fixtures.h"
#include "tokenizer/tokenizer.h"

namespace crossrank::testing {
namespace {

struct PairFixture {
  const char* name;
  bool has_types;  // the reference gives type ids
};

constexpr PairFixture kFixtures[] = {{"bert", true},        {"electra", true},  {"deberta-v2", true},
                                     {"distilbert", false}, {"roberta", false}, {"xlm-roberta", false},
                                     {"modernbert", false}};

SequenceBatch EncodePair(const Tokenizer& tokenizer, std::string_view query, std::string_view document,
                         size_t max_tokens, bool has_types) {
  SequenceLayout::Rules rules{};
  rules.max_tokens = max_tokens;
  rules.type_vocab_size = has_types ? 2 : 0;
  const SequenceLayout layout(tokenizer.pair_template(), rules);
  const std::string_view texts[] = {query, document};
  const EncodedBatch encoded = tokenizer.Encode(texts, 2);
  const PairLengths lengths = TruncatePair({encoded.row(0).size(), encoded.row(1).size()},
                                           max_tokens - layout.special_tokens(), Truncation::kLongestFirst);
  SequenceBatch batch;
  layout.Append(encoded.row(0), encoded.row(1), lengths, batch);
  return batch;
}

void TestFixture(const PairFixture& fixture) {
  const std::string folder = FixturePath(fixture.name);
  const Tokenizer tokenizer = Tokenizer::Load(folder + "/tokenizer.json", false);
  const Json json = ReadJsonFile(folder + "/golden.json");
  const JsonView cases = json.root().at("cases");
  CHECK(cases.size() > 50);
  for (size_t i = 0; i < cases.size(); i++) {
    const JsonView expected = cases.element(i);
    Checks::Get().context = std::string(fixture.name) + ", case " + std::to_string(i);
    const SequenceBatch batch =
        EncodePair(tokenizer, expected.at("query").string(), expected.at("document").string(),
                   static_cast<size_t>(expected.at("max_length").integer()), fixture.has_types);
    CHECK(batch.ids == Integers(expected.at("input_ids")));
    if (fixture.has_types) CHECK(batch.type_ids == Integers(expected.at("token_type_ids")));
    CHECK(batch.offsets.back() == static_cast<int32_t>(batch.ids.size()));
  }
}

void TestTexts(const std::string& folder) {
  const Tokenizer tokenizer = Tokenizer::Load(folder + "/tokenizer.json", false);
  const Json json = ReadJsonFile(folder + "/golden.json");
  SequenceLayout::Rules rules{};
  rules.max_tokens = static_cast<size_t>(json.root().at("max_length").integer());
  rules.type_vocab_size = 2;
  const SequenceLayout layout(tokenizer.text_template(), rules);
  const JsonView cases = json.root().at("cases");
  CHECK(cases.size() > 5);
  for (size_t i = 0; i < cases.size(); i++) {
    Checks::Get().context = folder + ", case " + std::to_string(i);
    const std::string_view text = cases.element(i).at("text").string();
    const EncodedBatch encoded = tokenizer.Encode(&text, 1);
    const PairLengths lengths = TruncatePair(
        {0, encoded.row(0).size()}, rules.max_tokens - layout.special_tokens(), Truncation::kLongestFirst);
    SequenceBatch batch;
    layout.Append({}, encoded.row(0), lengths, batch);
    CHECK(batch.ids == Integers(cases.element(i).at("input_ids")));
    CHECK(batch.type_ids == std::vector<int32_t>(batch.ids.size()));
  }
}

// A sequence without a token would have no first and no last one.
void TestNoSpecialTokens() {
  Checks::Get().context = "no special tokens";
  SequenceLayout::Rules rules{};
  rules.max_tokens = 16;
  ErrorCode code = ErrorCode::kRuntime;
  try {
    SequenceLayout({{TemplatePiece::Kind::kSecond, 0, 0}}, rules);
  } catch (const Error& error) {
    code = error.code();
  }
  CHECK(code == ErrorCode::kModelInvalid);
}

// RoBERTa gives padding tokens, also those spelt in the text, the position of padding, and does not count
// them.
void TestPaddingPositions() {
  Checks::Get().context = "positions that follow padding";
  SequenceLayout::Rules rules{};
  rules.max_tokens = 16;
  rules.positions_follow_padding = true;
  rules.padding_id = 1;
  using Kind = TemplatePiece::Kind;
  const SequenceLayout layout(
      {{Kind::kSpecial, 0, 0}, {Kind::kFirst, 0, 0}, {Kind::kSpecial, 2, 0}, {Kind::kSecond, 0, 0}}, rules);
  const std::vector<uint32_t> query{7, 1, 8}, document{9, 1};
  SequenceBatch batch;
  layout.Append(query, document, {3, 2}, batch);
  CHECK((batch.ids == std::vector<int32_t>{0, 7, 1, 8, 2, 9, 1}));
  CHECK((batch.position_ids == std::vector<int32_t>{2, 3, 1, 4, 5, 6, 1}));
}

void TestCutLeft() {
  Checks::Get().context = "truncation_side left";
  SequenceLayout::Rules rules{};
  rules.max_tokens = 16;
  rules.cut_left = true;
  using Kind = TemplatePiece::Kind;
  const SequenceLayout layout({{Kind::kSpecial, 9, 0}, {Kind::kFirst, 0, 0}, {Kind::kSecond, 0, 0}}, rules);
  const std::vector<uint32_t> query{1, 2, 3}, document{4, 5, 6};
  SequenceBatch batch;
  layout.Append(query, document, {1, 2}, batch);
  CHECK((batch.ids == std::vector<int32_t>{9, 3, 5, 6}));
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  for (const PairFixture& fixture : kFixtures) TestFixture(fixture);
  const std::string root = CROSSRANK_SOURCE_DIR;
  TestTexts(FixturePath("bert-embedder"));
  TestTexts(FixturePath("bge-small-zh-v1.5"));
  TestTexts(root + "/models/multilingual-e5-small-zh-en");
  TestNoSpecialTokens();
  TestPaddingPositions();
  TestCutLeft();
  return Checks::Get().Report();
}
