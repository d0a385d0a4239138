// Token ids equal those of the Python package `tokenizers`: on the frozen sample, or on the file that is
// named (test/tokenizers/reference.py writes one from thousands of texts).
#include <string_view>

#include "check.h"
#include "fixtures.h"
#include "tokenizer/tokenizer.h"

namespace crossrank::testing {
namespace {

void TestTokenizer(std::string_view file, const std::vector<std::string_view>& texts,
                   const JsonView& expected) {
  const std::string name(file);
  const Tokenizer tokenizer = Tokenizer::Load(FixturePath("tokenizers/" + name), false);
  const EncodedBatch batch = tokenizer.Encode(texts.data(), texts.size());
  CHECK(batch.rows() == texts.size());
  for (size_t i = 0; i < texts.size(); i++) {
    Checks::Get().context = name + ", text " + std::to_string(i);
    const Span<const uint32_t> row = batch.row(i);
    CHECK(std::vector<int32_t>(row.begin(), row.end()) == Integers(expected.element(i)));
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
  for (size_t i = 0; i < ids.size(); i++) TestTokenizer(ids.key(i), views, ids.value(i));
  return Checks::Get().Report();
}
