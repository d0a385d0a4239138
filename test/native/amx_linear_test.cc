// The three Linear kernels of AMX against plain sums of the rounded operands. Rows, weights and results end
// at a page that may not be touched.
#include <algorithm>
#include <iterator>

#include "amx_emulator.h"
#include "check.h"
#include "guarded_memory.h"
#include "kernel_fixture.h"
#include "reference.h"
#include "tables.h"

namespace crossrank::testing {
namespace {

using kernels::Format;
using kernels::kLinearBf16Amx;
using kernels::kLinearBf16x3Amx;
using kernels::kLinearInt8Amx;
using kernels::LinearArgs;
using kernels::LinearKernel;
using kernels::LinearWeights;

uint16_t ToBf16(double x) {
  const float single = static_cast<float>(x);
  uint32_t bits;
  std::memcpy(&bits, &single, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void Put16(uint8_t* at, double x) {
  const uint16_t bits = ToBf16(x);
  std::memcpy(at, &bits, sizeof bits);
}

double Rounded(double x) { return Bf16ToDouble(ToBf16(x)); }

// x [rows, inputs] W^T [inputs, outputs] + bias. int8 operands are whole numbers with scales of 1, so that
// results are whole as well and have no error.
struct Problem {
  Format format;
  size_t rows, inputs, outputs;
  std::vector<float> x, w, bias;

  Problem(Format f, size_t row_count, size_t input_count, size_t output_count, unsigned seed)
      : format(f), rows(row_count), inputs(input_count), outputs(output_count) {
    Random random(seed);
    x = random.Normal(rows * inputs, 1.0f, 0.3f);
    w = random.Normal(outputs * inputs);
    bias = random.Normal(outputs);
    if (format != Format::kInt8) return;
    const auto whole = [](float value, float low) { return std::clamp(std::round(70 * value), low, 127.0f); };
    for (float& value : x) value = whole(value, -128);
    for (float& value : w) value = whole(value, -127);
    for (float& value : bias) value = std::round(9 * value);
  }

  size_t Stride() const { return kernels::RowStride(format, inputs); }

  // Every byte that linear.h gives no meaning is 0xEE.
  std::vector<uint8_t> Encoded(size_t first, size_t count) const {
    std::vector<uint8_t> bytes(count * Stride(), 0xEE);
    const size_t padded = kernels::Steps(format, inputs) * kernels::StepInputs(format);
    for (size_t r = 0; r < count; ++r) {
      uint8_t* row = bytes.data() + r * Stride();
      for (size_t i = 0; i < padded; ++i) {
        const double value = i < inputs ? x[(first + r) * inputs + i] : 0.0;
        if (format == Format::kInt8) row[i] = static_cast<uint8_t>(static_cast<int>(value) + 128);
        if (format == Format::kBf16) Put16(row + 2 * i, value);
        if (format == Format::kBf16x3) {
          Put16(row + i / 32 * 128 + i % 32 * 2, value);
          Put16(row + i / 32 * 128 + 64 + i % 32 * 2, value - Rounded(value));
        }
      }
      const float scale = 1.0f;
      if (format == Format::kInt8) std::memcpy(row + kernels::ScaleOffset(inputs), &scale, sizeof scale);
    }
    return bytes;
  }

  std::vector<uint8_t> Panels() const {
    const size_t panel_bytes = kernels::PanelBytes(format, inputs), step_inputs = kernels::StepInputs(format);
    std::vector<uint8_t> bytes(kernels::Panels(outputs) * panel_bytes);
    const size_t elements = format == Format::kInt8 ? 4 : 2;  // of a 32-bit word
    for (size_t o = 0; o < outputs; ++o) {
      for (size_t i = 0; i < inputs; ++i) {
        uint8_t* tile = bytes.data() + o / 32 * panel_bytes +
                        i / step_inputs * kernels::StepPanelBytes(format) + o % 32 / 16 * 1024;
        uint8_t* word = tile + i % step_inputs / elements * 64 + o % 16 * 4;
        const double value = w[o * inputs + i];
        if (format == Format::kInt8) {
          word[i % 4] = static_cast<uint8_t>(static_cast<int8_t>(value));
        } else {
          Put16(word + i % 2 * 2, value);
          if (format == Format::kBf16x3) Put16(word + 2048 + i % 2 * 2, value - Rounded(value));
        }
      }
    }
    return bytes;
  }
};

// Rows [first, first + count) of the product.
std::vector<float> Multiply(const LinearKernel& kernel, const Problem& p, size_t first, size_t count) {
  const size_t padded = kernels::Panels(p.outputs) * 32;
  Guarded<uint8_t> x(p.Encoded(first, count)), panels(p.Panels());
  Guarded<float> bias(padded), scales(padded), out(count * p.outputs);
  Guarded<int32_t> compensation(padded);
  for (size_t o = 0; o < padded; ++o) {
    bias.data()[o] = o < p.outputs ? p.bias[o] : 0.0f;
    scales.data()[o] = 1.0f;
    compensation.data()[o] = 0;
    for (size_t i = 0; o < p.outputs && i < p.inputs; ++i)
      compensation.data()[o] -= static_cast<int32_t>(128 * p.w[o * p.inputs + i]);
  }
  LinearArgs args = {};
  args.weights = {p.format,    p.outputs,     p.inputs,           panels.data(),
                  bias.data(), scales.data(), compensation.data()};
  args.x = x.data();
  args.rows = count;
  args.out = out.data();
  // In whole lines, for the end is at a page and the start must be aligned.
  Guarded<float> workspace((kernel.workspace_floats(args.weights, count) + 15) / 16 * 16);
  args.workspace = workspace.data();
  kernel.run(args);
  return std::vector<float>(out.data(), out.data() + out.size());
}

const LinearKernel& KernelOf(Format format) {
  if (format == Format::kInt8) return kLinearInt8Amx;
  return format == Format::kBf16 ? kLinearBf16Amx : kLinearBf16x3Amx;
}

void SetContext(const Problem& p) {
  Checks::Get().context = Join(KernelOf(p.format).name, {p.rows, p.inputs, p.outputs});
}

void CheckProduct(const Problem& p) {
  SetContext(p);
  const std::vector<float> y = Multiply(KernelOf(p.format), p, 0, p.rows);
  double worst = 0.0, squared_error = 0.0, squares = 0.0;
  for (size_t r = 0; r < p.rows; ++r) {
    for (size_t o = 0; o < p.outputs; ++o) {
      double expected = p.bias[o], magnitude = std::fabs(p.bias[o]);
      for (size_t i = 0; i < p.inputs; ++i) {
        const double a = p.x[r * p.inputs + i], b = p.w[o * p.inputs + i];
        const double product = p.format == Format::kBf16 ? Rounded(a) * Rounded(b) : a * b;
        expected += product;
        magnitude += std::fabs(product);
      }
      const double error = y[r * p.outputs + o] - expected;
      if (p.format == Format::kInt8) {
        CHECK(error == 0.0);
        continue;
      }
      squared_error += error * error;
      squares += expected * expected;
      // kBf16: rounding of fp32 sums. kBf16x3: each operand keeps 16 bits or more, and low * low is left out.
      const double allowed = magnitude * (p.format == Format::kBf16 ? 1e-6 : 3.0 / 65536);
      worst = std::fabs(error) <= worst * allowed ? worst : std::fabs(error) / allowed;
    }
  }
  CHECK_NEAR(worst, 0.0, 1.0);
  const bool enough = p.rows * p.outputs >= 30;  // for one result may be near zero
  if (p.format == Format::kBf16x3 && enough) CHECK_NEAR(std::sqrt(squared_error / squares), 0.0, 1e-5);
}

const size_t kRows[] = {1, 2, 15, 16, 17, 31, 32, 33, 50};
const size_t kInputs[] = {8, 31, 32, 33, 63, 64, 65, 100, 128, 200, 384, 400};
const size_t kOutputs[] = {1, 5, 16, 17, 31, 32, 33, 64, 100, 200};

void MatchesThePlainProduct(Format format) {
  unsigned seed = 0;
  for (size_t rows : kRows) {
    for (size_t inputs : kInputs) {
      CheckProduct(Problem(format, rows, inputs, kOutputs[seed % std::size(kOutputs)], seed));
      ++seed;
    }
  }
}

void ARowDoesNotDependOnItsNeighbours(Format format) {
  for (size_t inputs : {40, 130, 384}) {
    const Problem p(format, 50, inputs, 70, 5);
    SetContext(p);
    const std::vector<float> all = Multiply(KernelOf(format), p, 0, p.rows);
    for (size_t count : {1, 7, 16, 17, 31, 33}) {
      for (size_t first = 0; first + count <= p.rows; first += count) {
        const std::vector<float> part = Multiply(KernelOf(format), p, first, count);
        CHECK(SameBits(part.data(), all.data() + first * p.outputs, part.size()));
      }
    }
  }
}

void ExtremesOfInt8AreExact() {
  Problem p(Format::kInt8, 18, 400, 40, 1);
  for (size_t i = 0; i < p.x.size(); ++i) p.x[i] = i / p.inputs % 2 == 0 ? 127 : -128;
  for (size_t i = 0; i < p.w.size(); ++i) p.w[i] = i / p.inputs % 3 == 0 ? -127 : 127;
  CheckProduct(p);
}

// What a kernel writes: fp32 results and int8 rows, with everything that may follow the product.
struct Written {
  std::vector<float> out;
  std::vector<uint8_t> encoded;
};

Written Finish(const LinearKernel& kernel, const Problem& p, bool normalize) {
  const size_t padded = kernels::Panels(p.outputs) * 32,
               stride = kernels::RowStride(Format::kInt8, p.outputs);
  Random random(9);
  Guarded<uint8_t> x(p.Encoded(0, p.rows)), panels(p.Panels()), encoded(p.rows * stride);
  for (size_t r = 0; r < p.rows; ++r) {
    const float scale = 0.01f + 0.001f * static_cast<float>(r);
    std::memcpy(x.data() + r * p.Stride() + kernels::ScaleOffset(p.inputs), &scale, sizeof scale);
  }
  Guarded<float> bias(random.Normal(padded)), scales(random.Normal(padded, 0.001f, 0.01f));
  Guarded<float> residual(random.Normal(p.rows * p.outputs)), out(p.rows * p.outputs);
  Guarded<int32_t> compensation(random.Below(padded, 100000));
  const std::vector<float> gamma = random.Normal(p.outputs), beta = random.Normal(p.outputs);
  LinearArgs args = {};
  args.weights = {p.format,    p.outputs,     p.inputs,           panels.data(),
                  bias.data(), scales.data(), compensation.data()};
  args.x = x.data();
  args.rows = p.rows;
  args.has_activation = !normalize;
  args.activation = kernels::Activation::kGeluErf;
  if (normalize) args.residual = residual.data();
  args.gamma = gamma.data();
  args.beta = beta.data();
  args.epsilon = 1e-5f;
  args.out = out.data();
  args.encoded = encoded.data();
  args.encoded_format = Format::kInt8;
  Guarded<float> workspace((kernel.workspace_floats(args.weights, p.rows) + 15) / 16 * 16);
  args.workspace = workspace.data();
  kernel.run(args);
  return {{out.data(), out.data() + out.size()}, {encoded.data(), encoded.data() + encoded.size()}};
}

void Int8HasTheBitsOfVnni() {
  if (!__builtin_cpu_supports("avx512vnni")) return;  // no CPU has AMX and not this
  for (size_t rows : {5, 16, 45}) {
    for (bool normalize : {false, true}) {
      const Problem p(Format::kInt8, rows, 150, 75, 3);
      SetContext(p);
      const Written amx = Finish(kLinearInt8Amx, p, normalize);
      const Written vnni = Finish(kernels::kLinearInt8Avx512Vnni, p, normalize);
      CHECK(SameBits(amx.out.data(), vnni.out.data(), amx.out.size()));
      CHECK(amx.encoded == vnni.encoded);
    }
  }
}

// A row with NaN has NaN in all its results, its neighbours in one tile have none.
void NanStaysInItsRow(Format format) {
  for (size_t rows : {3, 20, 32}) {
    Problem p(format, rows, 70, 40, 2);
    SetContext(p);
    p.x[1 * p.inputs + 69] = std::nanf("");
    const std::vector<float> y = Multiply(KernelOf(format), p, 0, p.rows);
    for (size_t i = 0; i < y.size(); ++i) CHECK(std::isnan(y[i]) == (i / p.outputs == 1));
  }
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  std::printf("AMX %s: ", InstallAmxEmulator() ? "emulated" : "of the CPU");
  std::fflush(stdout);
  for (Format format : {Format::kInt8, Format::kBf16, Format::kBf16x3}) {
    MatchesThePlainProduct(format);
    ARowDoesNotDependOnItsNeighbours(format);
  }
  ExtremesOfInt8AreExact();
  Int8HasTheBitsOfVnni();
  NanStaysInItsRow(Format::kBf16);
  NanStaysInItsRow(Format::kBf16x3);
  std::printf("%llu instructions emulated, ", static_cast<unsigned long long>(EmulatedInstructions()));
  return Checks::Get().Report();
}
