// Encoded rows of every table, bit for bit, and packed weights.
#include <thread>

#include "check.h"
#include "kernel_fixture.h"
#include "pack_linear.h"
#include "reference.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;
using kernels::PackedLinear;
using kernels::RowStride;

constexpr Format kFormats[] = {Format::kFp32, Format::kBf16, Format::kBf16x3, Format::kInt8};
constexpr size_t kColumns[] = {1, 7, 8, 16, 31, 32, 33, 63, 64, 65, 100, 200, 384, 1024};

float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::vector<uint8_t> ReferenceRow(const float* row, size_t columns, Format format) {
  std::vector<uint8_t> bytes(kernels::Steps(format, columns) * kernels::StepRowBytes(format), 0);
  if (format == Format::kInt8) {
    float largest = 0.0f;
    bool finite = true;
    for (size_t c = 0; c < columns; ++c) {
      largest = std::fmax(largest, std::fabs(row[c]));
      finite = finite && std::isfinite(row[c]);
    }
    std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(128));
    const bool zeros = largest < 1e-35f;
    const float scale = !finite ? std::nanf("") : zeros ? 1.0f : largest / 127.0f;
    const float inverse = 127.0f / largest;
    for (size_t c = 0; c < columns && finite && !zeros; ++c) {
      bytes[c] = static_cast<uint8_t>(128 + static_cast<int>(std::nearbyint(row[c] * inverse)));
    }
    bytes.resize(bytes.size() + sizeof scale);
    std::memcpy(&bytes[bytes.size() - sizeof scale], &scale, sizeof scale);
    return bytes;
  }
  if (format == Format::kFp32) {
    std::memcpy(bytes.data(), row, columns * sizeof *row);
    return bytes;
  }
  for (size_t c = 0; c < columns; ++c) {
    const uint16_t high = FloatToBf16(row[c]);
    const size_t at = format == Format::kBf16 ? c : c / 32 * 64 + c % 32;
    std::memcpy(&bytes[2 * at], &high, sizeof high);
    if (format == Format::kBf16x3) {
      const uint16_t low = FloatToBf16(row[c] - static_cast<float>(Bf16ToDouble(high)));
      std::memcpy(&bytes[2 * at + 64], &low, sizeof low);
    }
  }
  return bytes;
}

void CheckRows(const KernelTable& table, const std::vector<float>& values, size_t columns, Format format) {
  const size_t rows = values.size() / columns, stride = RowStride(format, columns);
  Buffer out(rows * stride / sizeof(float), 0);
  table.encode(values.data(), rows, columns, format, reinterpret_cast<uint8_t*>(out.data()));
  for (size_t r = 0; r < rows; ++r) {
    const auto expected = ReferenceRow(&values[r * columns], columns, format);
    const uint8_t* row = reinterpret_cast<uint8_t*>(out.data()) + r * stride;
    CHECK(std::memcmp(row, expected.data(), expected.size()) == 0);
  }
  CHECK(out.Intact());
}

void RowsAreEncodedToTheBit(const KernelTable& table) {
  Random random(1);
  for (Format format : kFormats) {
    for (size_t columns : kColumns) {
      SetContext(table, Join("encode format, columns", {static_cast<size_t>(format), columns}));
      std::vector<float> values = random.Normal(9 * columns);
      std::fill(values.begin() + columns, values.begin() + 2 * columns, 0.0f);
      std::fill(values.begin() + 2 * columns, values.begin() + 3 * columns, -2.5f);
      std::fill(values.begin() + 3 * columns, values.begin() + 4 * columns, 1e30f);
      std::fill(values.begin() + 4 * columns, values.begin() + 5 * columns, 1e-34f);
      std::fill(values.begin() + 5 * columns, values.begin() + 6 * columns, -1e-40f);
      // Halves between two whole numbers: 127 is the largest, so the scale is 1.
      for (size_t c = 0; c < columns; ++c) {
        values[6 * columns + c] = c == 0 ? -127.0f : static_cast<float>(c % 251) - 125.5f;
      }
      CheckRows(table, values, columns, format);
    }
  }
}

void SpecialNumbersAreEncodedToTheBit(const KernelTable& table) {
  SetContext(table, "encode special numbers");
  for (size_t columns : {1, 5, 33, 64, 70}) {
    for (uint32_t special : {0x7FC00000u, 0xFFC00001u, 0x7F800001u, 0x7F800000u, 0xFF800000u}) {
      for (size_t at : {size_t{0}, columns / 2, columns - 1}) {
        std::vector<float> values(columns, 1.5f);
        values[at] = FromBits(special);
        CheckRows(table, values, columns, Format::kInt8);
        CheckRows(table, values, columns, Format::kBf16);
      }
    }
  }
  // Both neighbours, the middle between them, and what lies beside it.
  std::vector<float> values;
  for (uint32_t high : {0x0000u, 0x0001u, 0x3F80u, 0x3F81u, 0x7F7Fu, 0x8000u, 0xBF81u, 0xC2FFu}) {
    for (uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      values.push_back(FromBits(high << 16 | low));
    }
  }
  CheckRows(table, values, values.size(), Format::kBf16);
}

void WeightsSurvivePacking() {
  Random random(2);
  for (Format format : kFormats) {
    for (size_t inputs : {8, 32, 100, 200, 384}) {
      for (size_t outputs : {1, 16, 33, 70}) {
        Checks::Get().context =
            Join("pack format, inputs, outputs", {static_cast<size_t>(format), inputs, outputs});
        std::vector<float> w = random.Normal(outputs * inputs, 0.05f);
        std::fill(w.begin(), w.begin() + inputs, 0.0f);
        const std::vector<float> bias = random.Normal(outputs);
        PackedLinear packed(format, outputs, inputs);
        const size_t first = outputs / 3;  // in two parts, the second before the first
        CHECK(packed.SetRows(first, outputs - first, &w[first * inputs], &bias[first]));
        CHECK(packed.SetRows(0, first, w.data(), nullptr));
        const LinearWeights view = packed.view();
        bool same = true, padded = true;
        for (size_t n = 0; n < kernels::Panels(outputs) * 32; ++n) {
          const bool real = n < outputs;
          padded = padded && (n >= first && real ? view.bias[n] == bias[n] : view.bias[n] == 0.0f);
          const auto row = real ? ReferenceRow(&w[n * inputs], inputs, format) : std::vector<uint8_t>();
          const size_t steps = kernels::Steps(format, inputs) * kernels::StepInputs(format);
          double sum = 0.0;
          for (size_t k = 0; k < steps; ++k) {
            const double value = PackedValue(view, n, k);
            same = same && value == (real ? EncodedValue(row.data(), format, k) : 0.0);
            sum += value;
          }
          if (format == Format::kInt8) {
            same = same && view.compensation[n] == -128.0 * sum;
            if (real) same = same && view.scales[n] == RowScale(row.data(), inputs);
          }
        }
        CHECK(same && padded);
      }
    }
  }
}

void NumbersThatAreNotFiniteAreRefused() {
  Checks::Get().context = "pack NaN";
  for (Format format : kFormats) {
    PackedLinear packed(format, 4, 40);
    std::vector<float> w(160, 1.0f), bias(4, 0.0f);
    CHECK(packed.SetRows(0, 4, w.data(), bias.data()));
    w[159] = INFINITY;
    CHECK(packed.SetRows(0, 3, w.data(), bias.data()));
    CHECK(!packed.SetRows(0, 4, w.data(), bias.data()));
    w[159] = std::nanf("");
    CHECK(!packed.SetRows(3, 1, &w[120], nullptr));
    w[159] = 0.0f;
    bias[2] = std::nanf("");
    CHECK(!packed.SetRows(0, 4, w.data(), bias.data()));
  }
}

void ThreadsMayPackSideBySide() {
  Checks::Get().context = "pack in threads";
  constexpr size_t kOutputs = 200, kInputs = 100;
  Random random(3);
  const std::vector<float> w = random.Normal(kOutputs * kInputs), bias = random.Normal(kOutputs);
  PackedLinear one(Format::kInt8, kOutputs, kInputs), many(Format::kInt8, kOutputs, kInputs);
  CHECK(one.SetRows(0, kOutputs, w.data(), bias.data()));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (size_t n = t; n < kOutputs; n += 3) many.SetRows(n, 1, &w[n * kInputs], &bias[n]);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(one.bytes() == many.bytes());
  CHECK(std::memcmp(one.view().panels, many.view().panels, one.bytes()) == 0);
}

void TestTable(const KernelTable& table) {
  RowsAreEncodedToTheBit(table);
  SpecialNumbersAreEncodedToTheBit(table);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  WeightsSurvivePacking();
  NumbersThatAreNotFiniteAreRefused();
  ThreadsMayPackSideBySide();
  return TestEveryTable(TestTable);
}
