// Whole models on the kernels of AMX, by the CPU or its emulator: what a CPU with AMX computes is what fp32
// does, to the precision's error, and does not depend on the batch.
#include <algorithm>
#include <cmath>

#include "amx_emulator.h"
#include "check.h"
#include "engine_requests.h"
#include "tables.h"

namespace crossrank::testing {
namespace {

std::vector<float> Scores(Engine& engine, const std::vector<std::string>& documents) {
  Call call("which planet is red", documents);
  call.request->options.max_tokens = 64;
  const Outcome outcome = call.SubmitTo(engine).Wait();
  CHECK(!outcome.error);
  if (outcome.error) std::fprintf(stderr, "%s\n", outcome.error->what());
  return outcome.scores;
}

std::vector<std::string> Documents() {
  std::vector<std::string> documents;
  for (size_t i = 0; i < 7; i++) {
    std::string text = "mars";
    for (size_t k = 0; k < i * i; k++) text += " planet " + std::to_string(k % 5 + i);
    documents.push_back(text);
  }
  return documents;
}

void TestModel(const std::string& name, const kernels::KernelTable& amx) {
  const std::vector<std::string> documents = Documents();
  LoadOptions options = FixtureOptions(name);
  options.precision = Precision::kFp32;
  Cancellation never;
  Engine reference(Model::Load(options, never), {1, 0});
  const std::vector<float> expected = Scores(reference, documents);
  const auto [low, high] = std::minmax_element(expected.begin(), expected.end());
  const float spread = *high - *low;
  options.kernels = &amx;
  const std::pair<Precision, float> limits[] = {
      {Precision::kBf16x3, 1e-3f}, {Precision::kBf16, 0.1f}, {Precision::kInt8, 0.5f}};
  for (const auto& [precision, limit] : limits) {
    Checks::Get().context = name + " in " + PrecisionName(precision);
    options.precision = precision;
    Engine engine(Model::Load(options, never), {2, 64});
    CHECK(engine.model().info().precision == precision);
    CHECK(engine.model().info().linear_kernel == std::string("amx-") + PrecisionName(precision));
    const std::vector<float> actual = Scores(engine, documents);
    for (size_t i = 0; i < expected.size(); i++) {
      CHECK_NEAR(actual[i], expected[i], limit * spread);
      CHECK(Scores(engine, {documents[i]})[0] == actual[i]);
    }
  }
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank;
  using namespace crossrank::testing;
  const kernels::KernelTable* base = kernels::FindKernels("bf16");
  if (base == nullptr) {
    std::printf("this CPU lacks AVX512-BF16, which the kernels of AMX are compiled with\n");
    CHECK(kernels::FindKernels("amx") == nullptr);
    return Checks::Get().Report();
  }
  kernels::KernelTable amx = *base;
  amx.name = "amx";
  amx.linear_int8 = kernels::kLinearInt8Amx;
  amx.linear_bf16 = kernels::kLinearBf16Amx;
  amx.linear_bf16x3 = kernels::kLinearBf16x3Amx;
  amx.attention_bf16 = kernels::kAttentionBf16Amx;
  InstallAmxEmulator();
  try {
    for (const char* name : {"bert", "xlm-roberta"}) TestModel(name, amx);
  } catch (const std::exception& error) {
    CHECK(false);
    std::fprintf(stderr, "%s\n", error.what());
  }
  return Checks::Get().Report();
}
