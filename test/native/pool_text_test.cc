// Pooling equals its definition in long double, depends on the text alone, and knows vectors of zeros.
#include "runtime/pool_text.h"

#include <cstring>
#include <random>
#include <vector>

#include "check.h"

namespace crossrank::testing {
namespace {

constexpr Pooling kPoolings[] = {Pooling::kCls, Pooling::kMean, Pooling::kLast};

std::vector<float> RandomStates(size_t tokens, size_t columns) {
  std::mt19937 random(static_cast<unsigned>(tokens * 1000 + columns));
  std::normal_distribution<float> normal(0.5f, 300.0f);  // large, so that sums in fp32 would show
  std::vector<float> states(tokens * columns);
  for (float& value : states) value = normal(random);
  return states;
}

std::vector<long double> Reference(const std::vector<float>& states, size_t tokens, size_t columns,
                                   const PoolingRule& rule) {
  std::vector<long double> out(columns);
  for (size_t c = 0; c < columns; c++) {
    if (rule.pooling == Pooling::kCls) out[c] = states[c];
    if (rule.pooling == Pooling::kLast) out[c] = states[(tokens - 1) * columns + c];
    if (rule.pooling != Pooling::kMean) continue;
    for (size_t t = 0; t < tokens; t++) out[c] += states[t * columns + c];
    out[c] /= static_cast<long double>(tokens);
  }
  long double squares = 0;
  for (const long double value : out) squares += value * value;
  if (rule.normalize) {
    for (long double& value : out) value /= std::sqrt(squares);
  }
  return out;
}

void TestAgainstReference() {
  for (const size_t tokens : {1, 2, 7, 512, 5000}) {
    for (const size_t columns : {1, 3, 64, 65, 384, 1000}) {
      const std::vector<float> states = RandomStates(tokens, columns);
      for (const Pooling pooling : kPoolings) {
        for (const bool normalize : {false, true}) {
          const PoolingRule rule{pooling, normalize};
          Checks::Get().context =
              rule.key() + ", " + std::to_string(tokens) + " x " + std::to_string(columns);
          const std::vector<long double> expected = Reference(states, tokens, columns, rule);
          std::vector<float> actual(columns);
          PoolText(states.data(), tokens, columns, rule, actual.data());
          double worst = 0;  // in units of the last place of fp32
          for (size_t c = 0; c < columns; c++) {
            const double unit = std::ldexp(std::fabs(static_cast<double>(expected[c])), -23) + 1e-30;
            worst = std::max(worst, std::fabs(static_cast<double>(actual[c] - expected[c])) / unit);
          }
          CHECK(worst <= 2);
        }
      }
    }
  }
}

// Sums of sums that cancel are as exact as double is.
void TestCancellation() {
  Checks::Get().context = "sums that cancel";
  const std::vector<float> states{1e8f, 1.0f, -1e8f, 1.0f};
  float mean = 0;
  PoolText(states.data(), 4, 1, {Pooling::kMean, false}, &mean);
  CHECK_NEAR(static_cast<double>(mean), 0.5, 0.0);
}

void TestZeros() {
  Checks::Get().context = "zeros";
  const std::vector<float> states(3 * 8);
  for (const Pooling pooling : kPoolings) {
    std::vector<float> actual(8, 1.0f);
    PoolText(states.data(), 3, 8, {pooling, true}, actual.data());
    CHECK(actual == std::vector<float>(8));
  }
}

// What is not finite stays so, for the engine to find.
void TestNotFinite() {
  Checks::Get().context = "not finite";
  for (const bool normalize : {false, true}) {
    std::vector<float> states = RandomStates(3, 4), actual(4);
    states[5] = std::nanf("");
    PoolText(states.data(), 3, 4, {Pooling::kMean, normalize}, actual.data());
    CHECK(std::isnan(actual[1]));
  }
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestAgainstReference();
  TestCancellation();
  TestZeros();
  TestNotFinite();
  return Checks::Get().Report();
}
