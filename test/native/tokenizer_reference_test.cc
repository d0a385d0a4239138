// Token ids and offsets equal those of the Python package `tokenizers`: on the frozen sample, or on the file
// that is named (test/tokenizers/reference.py writes one from thousands of texts).
#include <string_view>

#include "check.h"
#include "fixtures.h"
#include "tokenizer/tokenizer.h"

namespace crossrank::testing {
namespace {

std::vector<int32_t> SignedOf(Span<const uint32_t> values) { return {values.begin(), values.end()}; }

void TestTokenizer(std::string_view file, const std::vector<std::string_view>& texts, const JsonView& ids,
                   const JsonView& offsets) {
  const std::string name(file);
  const Tokenizer tokenizer = Tokenizer::Load(FixturePath("tokenizers/" + name), false);
  const EncodedBatch batch = tokenizer.Encode(texts.data(), texts.size());
  const EncodedBatch placed = tokenizer.Encode(texts.data(), texts.size(), true);
  CHECK(batch.rows() == texts.size() && placed.rows() == texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    Checks::Get().context = name + ", text " + std::to_string(i);
    CHECK(SignedOf(batch.row(i)) == Integers(ids.element(i)));
    CHECK(SignedOf(placed.row(i)) == Integers(ids.element(i)));
    CHECK(SignedOf(placed.offsets(i).starts) == Integers(offsets.element(i).at("starts")));
    CHECK(SignedOf(placed.offsets(i).ends) == Integers(offsets.element(i).at("ends")));
  }
}

}  // namespace
}  // namespace crossrank::testing

int main(int count, char** arguments) {
  using namespace crossrank::testing;
  const crossrank::Json json = ReadJsonFile(count > 1 ? arguments[1] : FixturePath("tokenizers/sample.json"));
  const crossrank::JsonView texts = json.root().at("texts");
  std::vector<std::string_view> views;
  for (size_t i = 0; i < texts.size(); i++) views.push_back(texts.element(i).string());
  const crossrank::JsonView ids = json.root().at("ids");
  CHECK(ids.size() >= 5);
  for (size_t i = 0; i < ids.size(); i++) {
    const std::string_view name = ids.key(i);
    TestTokenizer(name, views, ids.value(i), json.root().at("offsets").at(name));
  }
  return Checks::Get().Report();
}
