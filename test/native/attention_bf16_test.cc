// Attention over bf16 rows: every kernel that this CPU can run against a plain reference in double precision
// on the same bf16 values.
#include <algorithm>

#include "attention_bf16_case.h"
#include "check.h"
#include "kernel_fixture.h"
#include "kernels.h"
#include "reference.h"
#include "tables.h"

namespace crossrank::testing {
namespace {

using Case = AttentionBf16Case;
using kernels::AttentionBf16Kernel;
using kernels::Format;

// The context of one head of one query, and the sum of |weight * v|, to which rounded weights are relative.
struct Reference {
  std::vector<double> context, magnitude;
};

Reference Expected(const Case& c, size_t sequence, size_t row, size_t head) {
  const size_t first = c.offsets[sequence], keys = c.offsets[sequence + 1] - first, at = head * c.head_size;
  std::vector<double> weights(keys);
  double maximum = -std::numeric_limits<double>::infinity(), sum = 0.0;
  for (size_t j = 0; j < keys; ++j) {
    const uint16_t *q = c.Q() + row * c.QStride() + at,
                   *k = &c.matrix[(first + j) * c.stride + c.columns + at];
    for (size_t d = 0; d < c.head_size; ++d) weights[j] += Bf16ToDouble(q[d]) * Bf16ToDouble(k[d]);
    weights[j] /= std::sqrt(static_cast<double>(c.head_size));
    maximum = std::fmax(maximum, weights[j]);
  }
  for (double& weight : weights) sum += weight = std::exp(weight - maximum);
  Reference out{std::vector<double>(c.head_size), std::vector<double>(c.head_size)};
  for (size_t j = 0; j < keys; ++j) {
    const uint16_t* v = &c.matrix[(first + j) * c.stride + 2 * c.columns + at];
    for (size_t d = 0; d < c.head_size; ++d) {
      out.context[d] += weights[j] / sum * Bf16ToDouble(v[d]);
      out.magnitude[d] += weights[j] / sum * std::fabs(Bf16ToDouble(v[d]));
    }
  }
  return out;
}

// Errors in units of what rounding allows. The output: half a unit of its last place, 2^-8 of a bf16 value at
// most, or half a step of int8. The weights, relative: 2^-8 where they are rounded to bf16 (the sum is that
// of the rounded weights, so what they share cancels), and 2e-4 for exp2 by a cubic (7.5e-5, in the weight
// and in the sum) and scores in fp32.
void Check(const AttentionBf16Kernel& kernel, const Case& c, size_t step = 1) {
  const bool rounds_weights = std::string(kernel.name).find("bf16") != std::string::npos ||
                              std::string(kernel.name).find("amx") != std::string::npos;
  const double weight_error = rounds_weights ? 0x1p-8 + 2e-4 : 2e-4;
  const auto out = RunAll(kernel, c);
  WorstError worst;
  bool padded = true;
  for (size_t s = 0; s + 1 < c.offsets.size(); ++s) {
    if (c.offsets[s] == c.offsets[s + 1]) {
      // No query to compute; its row of a one_query call stays as it was.
      continue;
    }
    const size_t begin = c.one_query ? s : c.offsets[s], end = c.one_query ? s + 1 : c.offsets[s + 1];
    for (size_t row = begin; row < end; row += step) {
      padded = padded && out->Padded(row);
      double largest = 0.0, largest_error = 0.0;
      for (size_t h = 0; h < c.heads; ++h) {
        const Reference expected = Expected(c, s, row, h);
        for (size_t d = 0; d < c.head_size; ++d) {
          const double context = expected.context[d], spread = expected.magnitude[d] * weight_error;
          const double rounding =
              c.format == Format::kInt8 ? 0.5001 * out->Scale(row) : 0x1p-8 * (std::fabs(context) + spread);
          worst.Add((out->At(row, h * c.head_size + d) - context) / (rounding + spread + 1e-30));
          largest = std::max(largest, std::fabs(context));
          largest_error = std::max(largest_error, spread);
        }
      }
      if (c.format == Format::kInt8) {
        CHECK_NEAR(127.0 * out->Scale(row), largest, largest_error + 1e-6 * largest);
      }
    }
  }
  CHECK_NEAR(worst.Get(), 0.0, 1.0);
  CHECK(padded);
}

void SetCase(const AttentionBf16Kernel& kernel, const char* what, std::initializer_list<size_t> numbers) {
  Checks::Get().context = std::string(kernel.name) + " attention_bf16 " + Join(what, numbers);
}

const std::vector<int32_t> kLengths = {1, 17, 0, 2, 130, 33, 1, 0, 64, 7};

void MatchesTheReference(const AttentionBf16Kernel& kernel) {
  for (size_t head_size : {8, 16, 24, 32, 40, 48, 64, 80, 96, 120, 128}) {
    for (size_t heads : {1, 3, 12}) {
      for (bool one_query : {false, true}) {
        for (Format format : {Format::kBf16, Format::kInt8}) {
          SetCase(kernel, "head_size, heads, one_query, int8",
                  {head_size, heads, one_query, format == Format::kInt8});
          Case c(static_cast<unsigned>(head_size), heads, head_size, kLengths);
          c.one_query = one_query;
          c.format = format;
          Check(kernel, c, heads == 12 ? 5 : 1);
        }
      }
    }
  }
  std::vector<int32_t> lengths = {129, 255, 256, 257, 300, 513};
  for (int32_t length = 1; length <= 70; ++length) lengths.push_back(length);
  for (int32_t length : lengths) {
    for (size_t head_size : {32, 64}) {
      SetCase(kernel, "length, head_size", {static_cast<size_t>(length), head_size});
      Check(kernel, Case(6, 1, head_size, {length}, 1.5f), length > 70 ? 7 : 1);
    }
  }
  for (Format format : {Format::kBf16, Format::kInt8}) {
    SetCase(kernel, "length 8192, int8", {format == Format::kInt8});
    Case c(7, 1, 32, {8192});
    c.format = format;
    Check(kernel, c, 1009);
  }
}

void DoesNotDependOnNeighbours(const AttentionBf16Kernel& kernel) {
  for (size_t head_size : {8, 32, 64}) {
    for (Format format : {Format::kBf16, Format::kInt8}) {
      for (bool one_query : {false, true}) {
        SetCase(kernel, "alone, head_size, int8, one_query", {head_size, format == Format::kInt8, one_query});
        Case c(8, 3, head_size, {300, 1, 0, 17, 64, 100, 33});
        c.format = format;
        c.one_query = one_query;
        const auto together = RunAll(kernel, c);
        for (size_t s = 0; s + 1 < c.offsets.size(); ++s) {
          const auto alone = RunAttentionBf16(kernel, c, s, 1);
          const size_t row = one_query ? s : c.offsets[s];
          if (c.offsets[s] == c.offsets[s + 1]) continue;
          CHECK(std::memcmp(alone->bytes.data(), together->Row(row), alone->rows * alone->Stride()) == 0);
        }
      }
    }
  }
}

// A query's result is the same in every lane and tile, and when it is the only one.
void EqualQueriesGiveEqualRows(const AttentionBf16Kernel& kernel) {
  for (int32_t length : {5, 45, 70, 300}) {
    SetCase(kernel, "equal queries, length", {static_cast<size_t>(length)});
    Case c(9, 2, 32, {length});
    for (int32_t t = 0; t < length; ++t) {
      std::copy(c.queries.begin(), c.queries.end(), c.matrix.begin() + t * c.stride);
    }
    const auto out = RunAll(kernel, c);
    c.one_query = true;
    const auto first = RunAll(kernel, c);
    for (size_t row = 0; row < out->rows; ++row) {
      CHECK(std::memcmp(out->Row(row), first->Row(0), 2 * c.columns) == 0);
    }
  }
}

void EqualScoresGiveTheMean(const AttentionBf16Kernel& kernel) {
  for (int32_t length : {1, 2, 63, 100, 1000, 8192}) {
    SetCase(kernel, "equal scores, length", {static_cast<size_t>(length)});
    Case c(10, 1, 16, {length});
    for (int32_t t = 1; t < length; ++t) std::copy(&c.K(0, 0), &c.K(0, 0) + 16, &c.K(t, 0));
    Check(kernel, c, length > 100 ? 397 : 1);
  }
}

void HugeScoresStayFinite(const AttentionBf16Kernel& kernel) {
  for (int32_t length : {1, 5, 32, 50, 300}) {
    for (float sign : {1.0f, -1.0f}) {
      SetCase(kernel, "huge scores, length, positive", {static_cast<size_t>(length), sign > 0.0f});
      Case c(11, 1, 16, {length});
      for (int32_t t = 0; t < length; ++t) {
        for (size_t d = 0; d < 16; ++d) {
          c.matrix[t * c.stride + d] = ToBf16(1e15f);
          c.K(t, d) = ToBf16(sign * 1e14f * static_cast<float>(1 + t % 3));
        }
      }
      Check(kernel, c);
    }
  }
}

void NanComesOutAsNan(const AttentionBf16Kernel& kernel) {
  for (int32_t length : {1, 20, 47, 300}) {
    for (Format format : {Format::kBf16, Format::kInt8}) {
      for (int place = 0; place < 3; ++place) {
        for (int32_t token : {0, length / 2, length - 1}) {
          SetCase(kernel, "NaN, length, int8, q k or v, token",
                  {static_cast<size_t>(length), format == Format::kInt8, static_cast<size_t>(place),
                   static_cast<size_t>(token)});
          Case c(12, 2, 32, {3, length, 4});
          c.format = format;
          const auto before = RunAll(kernel, c);
          c.matrix[(3 + token) * c.stride + place * c.columns + 37] = kNan;  // head 1, column 5
          const auto out = RunAll(kernel, c);
          for (size_t row = 0; row < out->rows; ++row) {
            const bool of_sequence = row >= 3 && row < 3 + static_cast<size_t>(length);
            const bool sees = place == 0 ? row == 3 + static_cast<size_t>(token) : of_sequence;
            if (!sees) {
              CHECK(std::memcmp(out->Row(row), before->Row(row), 2) == 0);
              CHECK(std::isfinite(out->At(row, 37)));
            } else if (place == 2) {
              CHECK(std::isnan(out->At(row, 37)));
            } else {
              CHECK(std::isnan(out->At(row, 32)) && std::isnan(out->At(row, 63)));
            }
            if (format == Format::kInt8) CHECK(std::isnan(out->Scale(row)) == sees);
          }
        }
      }
    }
  }
}

void Test(const AttentionBf16Kernel& kernel) {
  std::printf("%s ", kernel.name);
  MatchesTheReference(kernel);
  DoesNotDependOnNeighbours(kernel);
  EqualQueriesGiveEqualRows(kernel);
  EqualScoresGiveTheMean(kernel);
  HugeScoresStayFinite(kernel);
  NanComesOutAsNan(kernel);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank;
  std::vector<const kernels::AttentionBf16Kernel*> tested;
  const auto test = [&tested](const kernels::AttentionBf16Kernel& kernel) {  // levels share kernels
    const auto same = [&](const kernels::AttentionBf16Kernel* other) { return other->run == kernel.run; };
    if (kernel.run == nullptr || std::any_of(tested.begin(), tested.end(), same)) return;
    tested.push_back(&kernel);
    testing::Test(kernel);
  };
  for (auto table = kernels::AvailableKernels(); *table != nullptr; ++table) test((*table)->attention_bf16);
#if defined(CROSSRANK_X86)
  if (std::strstr(kernels::CpuFeatures(), "avx512bf16") != nullptr) test(kernels::kAttentionBf16Avx512Bf16);
#endif
  return testing::Checks::Get().Report();
}
