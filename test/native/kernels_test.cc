// Every kernel table that this CPU can run, against the plain double-precision reference, and the promise
// that a row does not depend on its neighbours, bit for bit. Attention has a test of its own.
#include "kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "check.h"
#include "kernel_fixture.h"
#include "reference.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;

constexpr size_t kColumnCounts[] = {1, 7, 16, 32, 33, 63, 200, 384, 768, 1024, 3072};
constexpr TableType kTableTypes[] = {TableType::kF32, TableType::kF16, TableType::kBf16, TableType::kI8};
constexpr Activation kActivations[] = {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu,
                                       Activation::kTanh};

// A table of random values, its bytes at an odd address as in a memory-mapped file.
struct RandomTable {
  std::vector<char> bytes;
  std::vector<float> scales;
  RowTable table;

  RandomTable(Random& random, TableType type, size_t rows, size_t columns) {
    const size_t count = rows * columns;
    const std::vector<float> values = random.Normal(count);
    bytes.resize(1 + 4 * count);
    char* to = bytes.data() + 1;
    for (size_t i = 0; i < count; ++i) {
      uint32_t bits;
      std::memcpy(&bits, &values[i], 4);
      // Values below 2 are in every format's range; F16 loses the 13 low bits of the mantissa.
      const float clamped = std::min(1.99f, std::max(-1.99f, values[i]));
      uint32_t clamped_bits;
      std::memcpy(&clamped_bits, &clamped, 4);
      const int exponent = std::max(0, static_cast<int>(clamped_bits >> 23 & 255) - 112);
      const auto half =
          static_cast<uint16_t>((bits >> 16 & 0x8000) | exponent << 10 | (clamped_bits >> 13 & 1023));
      const auto bf16 = static_cast<uint16_t>(bits >> 16);
      const auto int8 = static_cast<int8_t>(bits >> 3);
      if (type == TableType::kF32) std::memcpy(to + 4 * i, &values[i], 4);
      if (type == TableType::kF16) std::memcpy(to + 2 * i, &half, 2);
      if (type == TableType::kBf16) std::memcpy(to + 2 * i, &bf16, 2);
      if (type == TableType::kI8) std::memcpy(to + i, &int8, 1);
    }
    for (float scale : random.Normal(rows)) scales.push_back(0.01f + std::fabs(scale) / 100.0f);
    table = {to, scales.data(), type, rows};
  }
};

void TableRowsBecomeFloatsExactly(const KernelTable& kernels) {
  Random random(1);
  for (TableType type : kTableTypes) {
    for (size_t columns : kColumnCounts) {
      SetContext(kernels, Join("to_float type, columns", {static_cast<size_t>(type), columns}));
      const RandomTable random_table(random, type, 5, columns);
      Buffer out(3 * columns, columns % 5);
      kernels.to_float(random_table.table, 1, 3, columns, out.data());
      bool equal = true;
      for (size_t i = 0; i < 3 * columns; ++i) {
        const double expected = TableValue(random_table.table, 1 + i / columns, i % columns, columns);
        equal = equal && out.data()[i] == static_cast<float>(expected);
      }
      CHECK(equal);
      CHECK(out.Intact());
    }
  }
}

void EveryHalfConvertsExactly(const KernelTable& kernels) {
  SetContext(kernels, "to_float of every half");
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> out(halves.size());
  kernels.to_float({halves.data(), nullptr, TableType::kF16, 1}, 0, 1, halves.size(), out.data());
  size_t wrong = 0;
  for (size_t i = 0; i < halves.size(); ++i) {
    const float expected = static_cast<float>(HalfToDouble(halves[i]));
    const bool same = std::isnan(expected) ? std::isnan(out[i]) : SameBits(&out[i], &expected, 1);
    wrong += same ? 0 : 1;
  }
  CHECK(wrong == 0);
}

void EmbeddingsMatchTheReference(const KernelTable& kernels) {
  Random random(2);
  for (TableType type : kTableTypes) {
    for (size_t columns : kColumnCounts) {
      for (bool has_types : {true, false}) {
        SetContext(kernels,
                   Join("embed type, columns, types", {static_cast<size_t>(type), columns, has_types}));
        constexpr size_t kTokens = 9;
        const RandomTable words(random, type, 50, columns);
        const RandomTable positions(random, type == TableType::kI8 ? TableType::kF32 : type, 20, columns);
        const RandomTable types(random, type, 2, columns);
        const auto ids = random.Below(kTokens, 50), position_ids = random.Below(kTokens, 20);
        const auto type_ids = random.Below(kTokens, 2);
        const auto gamma = random.Normal(columns), beta = random.Normal(columns);
        Buffer out(kTokens * columns, columns % 3);
        EmbeddingArgs args{ids.data(),
                           position_ids.data(),
                           has_types ? type_ids.data() : nullptr,
                           words.table,
                           positions.table,
                           has_types ? types.table : RowTable{},
                           gamma.data(),
                           beta.data(),
                           1e-5f,
                           out.data(),
                           kTokens,
                           columns};
        kernels.embed(args);
        for (size_t t = 0; t < kTokens; ++t) {
          const auto expected = EmbeddedRow(args, t);
          WorstError worst;
          for (size_t c = 0; c < columns; ++c) {
            worst.Add((out.data()[t * columns + c] - expected[c]) / std::fmax(1.0, std::fabs(expected[c])));
          }
          CHECK_NEAR(worst.Get(), 0.0, 6.1e-8);  // rounded once: half a unit in the last place
        }
        CHECK(out.Intact());

        Buffer alone(columns, 1 + columns % 7);
        args.ids += 4;
        args.position_ids += 4;
        if (has_types) args.type_ids += 4;
        args.tokens = 1;
        args.out = alone.data();
        kernels.embed(args);
        CHECK(SameBits(alone.data(), out.data() + 4 * columns, columns));
      }
    }
  }
}

void ActivationsMatchTheReference(const KernelTable& kernels) {
  for (Activation activation : kActivations) {
    SetContext(kernels, Join("activation", {static_cast<size_t>(activation)}));
    std::vector<float> x;
    for (int i = -160000; i <= 160000; ++i) x.push_back(static_cast<float>(i) * 1e-4f);
    for (float tiny = 1e-38f; tiny < 1e-3f; tiny *= 3.7f) x.insert(x.end(), {tiny, -tiny});
    const std::vector<float> zeros(x.size());
    std::vector<float> out(x.size());
    kernels.bias_activation(x.data(), zeros.data(), out.data(), 1, x.size(), activation);
    WorstError worst;
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = Activate(x[i], activation);
      worst.Add((out[i] - expected) / std::fmax(1.0, std::fabs(x[i])));
    }
    CHECK_NEAR(worst.Get(), 0.0, 1.5e-7);

    const std::vector<float> huge = {1e30f, -1e30f, 3.4e38f, -3.4e38f, 1e4f, -1e4f, 100.0f, -100.0f, 0.0f};
    kernels.bias_activation(huge.data(), zeros.data(), out.data(), 1, huge.size(), activation);
    for (size_t i = 0; i < huge.size(); ++i) {
      const double expected =
          huge[i] < -50.0f && activation != Activation::kTanh ? 0.0 : Activate(huge[i], activation);
      CHECK_NEAR(out[i], expected, 2e-7 * std::fmax(1.0, std::fabs(expected)));
    }
    const float nan = std::nanf("");
    kernels.bias_activation(&nan, zeros.data(), out.data(), 1, 1, activation);
    CHECK(std::isnan(out[0]));
  }
}

void BiasActivationWorksInPlaceAtAnySize(const KernelTable& kernels) {
  Random random(3);
  for (Activation activation : kActivations) {
    for (size_t columns : kColumnCounts) {
      SetContext(kernels, Join("bias_activation columns", {static_cast<size_t>(activation), columns}));
      constexpr size_t kRows = 5;
      const auto x = random.Normal(kRows * columns, 3.0f), bias = random.Normal(columns);
      Buffer out(kRows * columns, 0), in_place(x, 3);
      kernels.bias_activation(x.data(), bias.data(), out.data(), kRows, columns, activation);
      kernels.bias_activation(in_place.data(), bias.data(), in_place.data(), kRows, columns, activation);
      WorstError worst;
      for (size_t i = 0; i < x.size(); ++i) {
        const double sum = static_cast<double>(x[i] + bias[i % columns]);
        worst.Add(out.data()[i] - Activate(sum, activation));
      }
      CHECK_NEAR(worst.Get(), 0.0, 2e-6);
      CHECK(SameBits(out.data(), in_place.data(), x.size()));
      CHECK(out.Intact() && in_place.Intact());

      Buffer alone(columns, 5);
      kernels.bias_activation(x.data() + 3 * columns, bias.data(), alone.data(), 1, columns, activation);
      CHECK(SameBits(alone.data(), out.data() + 3 * columns, columns));
      CHECK(alone.Intact());
    }
  }
}

void LayerNormMatchesTheReference(const KernelTable& kernels) {
  Random random(4);
  for (size_t columns : kColumnCounts) {
    SetContext(kernels, Join("bias_residual_layer_norm columns", {columns}));
    constexpr size_t kRows = 6;
    const auto x = random.Normal(kRows * columns, 2.0f, 0.5f),
               residual = random.Normal(kRows * columns, 1.0f);
    const auto bias = random.Normal(columns), gamma = random.Normal(columns), beta = random.Normal(columns);
    const auto run = [&](const float* from, const float* add, float* to, size_t rows) {
      kernels.bias_residual_layer_norm(from, bias.data(), add, gamma.data(), beta.data(), 1e-12f, to, rows,
                                       columns);
    };
    Buffer out(kRows * columns, 0), over_x(x, 1), over_residual(residual, 7);
    run(x.data(), residual.data(), out.data(), kRows);
    run(over_x.data(), residual.data(), over_x.data(), kRows);
    run(x.data(), over_residual.data(), over_residual.data(), kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<double> sum(columns);
      for (size_t c = 0; c < columns; ++c) {
        sum[c] = static_cast<double>(x[r * columns + c]) + bias[c] + residual[r * columns + c];
      }
      const auto expected = LayerNorm(sum, gamma.data(), beta.data(), 1e-12);
      WorstError worst;
      for (size_t c = 0; c < columns; ++c) {
        worst.Add(out.data()[r * columns + c] - expected[c]);
      }
      CHECK_NEAR(worst.Get(), 0.0, 5e-6);
      Buffer alone(columns, 2 * r + 1);
      run(x.data() + r * columns, residual.data() + r * columns, alone.data(), 1);
      CHECK(SameBits(alone.data(), out.data() + r * columns, columns));
    }
    CHECK(SameBits(out.data(), over_x.data(), x.size()));
    CHECK(SameBits(out.data(), over_residual.data(), x.size()));
    CHECK(out.Intact() && over_x.Intact() && over_residual.Intact());
  }
}

void LayerNormOfNanIsNan(const KernelTable& kernels) {
  SetContext(kernels, "layer norm of NaN");
  std::vector<float> row(37, 1.0f);
  const std::vector<float> ones(37, 1.0f);
  row[36] = std::nanf("");
  kernels.bias_residual_layer_norm(row.data(), ones.data(), ones.data(), ones.data(), ones.data(), 1e-5f,
                                   row.data(), 1, row.size());
  CHECK(std::isnan(row[0]));
}

void TheFastestTableIsChosen() {
  Checks::Get().context = "choice";
  const KernelTable* const* available = kernels::AvailableKernels();
  CHECK(available[0] != nullptr);
  bool has_generic = false, has_chosen = false;
  for (size_t i = 0; available[i] != nullptr; ++i) {
    has_generic = has_generic || std::strcmp(available[i]->name, "generic") == 0;
    has_chosen = has_chosen || available[i] == &kernels::Kernels();
    CHECK(kernels::FindKernels(available[i]->name) == available[i]);
  }
  CHECK(has_generic && has_chosen);
  CHECK(kernels::FindKernels("abacus") == nullptr);
  CHECK(std::strcmp(kernels::KernelLevels()[0], "generic") == 0);
  const char* wanted = std::getenv("CROSSRANK_CPU");
  const KernelTable* found = wanted != nullptr ? kernels::FindKernels(wanted) : nullptr;
  CHECK(&kernels::Kernels() == (found != nullptr ? found : available[0]));
}

void TestTable(const KernelTable& kernels) {
  TableRowsBecomeFloatsExactly(kernels);
  EveryHalfConvertsExactly(kernels);
  EmbeddingsMatchTheReference(kernels);
  ActivationsMatchTheReference(kernels);
  BiasActivationWorksInPlaceAtAnySize(kernels);
  LayerNormMatchesTheReference(kernels);
  LayerNormOfNanIsNan(kernels);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank;
  std::printf("cpu: %s; chosen: %s; tested: ", kernels::CpuFeatures(), kernels::Kernels().name);
  testing::TheFastestTableIsChosen();
  return testing::TestEveryTable(testing::TestTable);
}
