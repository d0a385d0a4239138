// The fused Linear of every table that this CPU can run against plain arithmetic on the same encoded
// operands, in every shape of its result, and the promise that a row does not depend on its neighbours.
#include <algorithm>
#include <cstdlib>

#include "check.h"
#include "kernel_fixture.h"
#include "pack_linear.h"
#include "reference.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;
using kernels::LinearArgs;
using kernels::LinearKernel;
using kernels::PackedLinear;
using kernels::RowStride;

constexpr Format kFormats[] = {Format::kFp32, Format::kBf16, Format::kBf16x3, Format::kInt8};
constexpr size_t kRowCounts[] = {1, 2, 5, 12, 13, 17, 33, 100};
constexpr size_t kInputs[] = {8, 32, 48, 64, 100, 200, 384, 1024};
constexpr size_t kOutputs[] = {1, 16, 31, 32, 33, 64, 200, 384, 1152};

// What follows the product.
enum class Post { kNothing, kGeluErf, kGeluTanh, kRelu, kTanh, kLayerNorm };
constexpr Post kPosts[] = {Post::kNothing, Post::kGeluErf, Post::kGeluTanh,
                           Post::kRelu,    Post::kTanh,    Post::kLayerNorm};

// Bytes in a guarded, aligned buffer.
class EncodedRows {
 public:
  EncodedRows(Format format, size_t rows, size_t columns)
      : stride_(RowStride(format, columns)), buffer_(rows * stride_ / sizeof(float), 0) {}
  uint8_t* data() { return reinterpret_cast<uint8_t*>(buffer_.data()); }
  uint8_t* row(size_t r) { return data() + r * stride_; }
  bool Intact() const { return buffer_.Intact(); }

 private:
  size_t stride_;
  Buffer buffer_;
};

// The bytes of an encoded row that mean something.
size_t MeaningfulBytes(Format format, size_t columns) {
  if (format == Format::kInt8) return kernels::ScaleOffset(columns) + sizeof(float);
  return kernels::Steps(format, columns) * kernels::StepRowBytes(format);
}

struct LinearCase {
  const KernelTable& table;
  const LinearKernel& kernel;
  Format format;
  size_t rows, inputs, outputs;
  std::vector<float> values, residual, gamma, beta;
  PackedLinear packed;
  EncodedRows x;

  LinearCase(const KernelTable& kernel_table, Format f, size_t r, size_t k, size_t n, unsigned seed)
      : table(kernel_table),
        kernel(kernels::LinearFor(table, f)),
        format(f),
        rows(r),
        inputs(k),
        outputs(n),
        packed(f, n, k),
        x(f, r, k) {
    Random random(seed);
    values = random.Normal(rows * inputs);
    residual = random.Normal(rows * outputs);
    gamma = random.Normal(outputs);
    beta = random.Normal(outputs);
    const float deviation = 1.0f / std::sqrt(static_cast<float>(inputs));
    CHECK(packed.SetRows(0, outputs, random.Normal(outputs * inputs, deviation).data(),
                         random.Normal(outputs).data()));
    Encode();
  }
  void Encode() { table.encode(values.data(), rows, inputs, format, x.data()); }

  LinearArgs Args(Post post) {
    LinearArgs args{};
    args.weights = packed.view();
    args.x = x.data();
    args.rows = rows;
    args.has_activation = post != Post::kNothing && post != Post::kLayerNorm;
    if (args.has_activation) args.activation = static_cast<Activation>(static_cast<int>(post) - 1);
    if (post == Post::kLayerNorm) {
      args.residual = residual.data();
      args.gamma = gamma.data();
      args.beta = beta.data();
      args.epsilon = 1e-5f;
    }
    return args;
  }

  void Run(LinearArgs args) const {
    Buffer workspace(kernel.workspace_floats(args.weights, args.rows), 0);
    args.workspace = workspace.data();
    kernel.run(args);
    CHECK(workspace.Intact());
  }

  std::vector<float> Out(LinearArgs args) const {
    Buffer out(args.rows * outputs, outputs % 5);
    args.out = out.data();
    Run(args);
    CHECK(out.Intact());
    return {out.data(), out.data() + args.rows * outputs};
  }
};

// y before the activation or the residual. Where int8 has no more than that to do, the result is this to the
// bit: the product is exact and every kernel scales it in the same way.
float Scaled(const LinearArgs& args, size_t row, size_t output, double product) {
  const LinearWeights& weights = args.weights;
  if (weights.format != Format::kInt8) return static_cast<float>(product + weights.bias[output]);
  const float scale = RowScale(args.x + row * RowStride(Format::kInt8, weights.inputs), weights.inputs);
  return std::fma(static_cast<float>(product) * scale, weights.scales[output], weights.bias[output]);
}

std::vector<double> ExpectedRow(const LinearArgs& args, size_t row, const double* products) {
  std::vector<double> y(args.weights.outputs);
  for (size_t n = 0; n < y.size(); ++n) {
    y[n] = Scaled(args, row, n, products[n]);
    if (args.has_activation) y[n] = Activate(y[n], args.activation);
    if (args.residual != nullptr) y[n] += args.residual[row * y.size() + n];
  }
  return args.residual != nullptr ? LayerNorm(y, args.gamma, args.beta, args.epsilon) : y;
}

// The error of a bf16 or int8 product is larger than that of a shorter polynomial.
bool HasRoughGelu(Format format) { return format == Format::kBf16 || format == Format::kInt8; }

double Tolerance(Format format, Post post) {
  // Of y: scaling, fp32 sums, or what bf16x3 leaves out (2^-17 of a product).
  const double y = format == Format::kInt8 ? 3e-6 : format == Format::kBf16x3 ? 5e-5 : 5e-6;
  return y + (post == Post::kGeluErf && HasRoughGelu(format) ? 2e-5 : 0.0);
}

void OutMatchesTheReference(LinearCase& c, Post post, const std::vector<double>& products,
                            const std::vector<float>& out) {
  const LinearArgs args = c.Args(post);
  WorstError worst;
  bool exact = true;
  for (size_t r = 0; r < c.rows; ++r) {
    const auto expected = ExpectedRow(args, r, &products[r * c.outputs]);
    for (size_t n = 0; n < c.outputs; ++n) {
      const float y = out[r * c.outputs + n];
      // A LayerNorm of few columns may divide by a small deviation.
      const double amplified = post == Post::kLayerNorm && c.outputs < 64 ? 20.0 : 4.0;
      worst.Add((y - expected[n]) / std::fmax(amplified, std::fabs(expected[n])));
      exact = exact && static_cast<float>(expected[n]) == y;
    }
  }
  CHECK_NEAR(worst.Get(), 0.0, Tolerance(c.format, post));
  // A table without int8 kernels has no fused multiply-add either.
  if (c.kernel.run != nullptr && c.format == Format::kInt8 && post == Post::kNothing) CHECK(exact);
}

// Encoded results are the encoded fp32 results, padding included, whether `out` is asked for as well or not,
// and whether it overwrites the residual or not.
void EncodedResultsAreTheEncodedOut(LinearCase& c, Post post, const std::vector<float>& out) {
  for (Format format : kFormats) {
    EncodedRows expected(format, c.rows, c.outputs), alone(format, c.rows, c.outputs),
        both(format, c.rows, c.outputs);
    c.table.encode(out.data(), c.rows, c.outputs, format, expected.data());
    LinearArgs args = c.Args(post);
    args.encoded_format = format;
    args.encoded = alone.data();
    c.Run(args);
    Buffer over_residual(c.residual, 3);
    args.encoded = both.data();
    args.out = over_residual.data();
    if (post == Post::kLayerNorm) args.residual = args.out;
    c.Run(args);
    CHECK(SameBits(over_residual.data(), out.data(), out.size()));
    bool same = true;
    for (size_t r = 0; r < c.rows; ++r) {
      const size_t bytes = MeaningfulBytes(format, c.outputs);
      same = same && std::memcmp(alone.row(r), expected.row(r), bytes) == 0 &&
             std::memcmp(both.row(r), expected.row(r), bytes) == 0;
    }
    CHECK(same);
    CHECK(alone.Intact() && both.Intact() && over_residual.Intact());
  }
}

void RowsAloneGiveTheSameBits(LinearCase& c, Post post, const std::vector<float>& out) {
  bool same = true;
  for (size_t r = 0; r < c.rows; ++r) {
    LinearArgs args = c.Args(post);
    args.rows = 1;
    args.x = c.x.row(r);
    if (args.residual != nullptr) args.residual += r * c.outputs;
    same = same && SameBits(c.Out(args).data(), &out[r * c.outputs], c.outputs);
  }
  CHECK(same);
}

// Every pair of inputs and outputs; row counts and what follows take turns.
void ResultsMatchTheReference(const KernelTable& table) {
  unsigned turn = 0;
  for (Format format : kFormats) {
    if (kernels::LinearFor(table, format).run == nullptr) continue;
    for (size_t inputs : kInputs) {
      for (size_t outputs : kOutputs) {
        const size_t rows = kRowCounts[turn * 5 % std::size(kRowCounts)];
        const Post post = kPosts[turn % std::size(kPosts)];
        SetContext(table,
                   Join("linear format, rows, inputs, outputs, post",
                        {static_cast<size_t>(format), rows, inputs, outputs, static_cast<size_t>(post)}));
        LinearCase c(table, format, rows, inputs, outputs, ++turn);
        const std::vector<double> products = Products(c.Args(post));
        const std::vector<float> out = c.Out(c.Args(post));
        OutMatchesTheReference(c, post, products, out);
        const auto plain = c.Out(c.Args(Post::kNothing));
        OutMatchesTheReference(c, Post::kNothing, products, plain);
        EncodedResultsAreTheEncodedOut(c, post, out);
        RowsAloneGiveTheSameBits(c, post, out);
      }
    }
  }
}

// More rows than a block has.
void ManyRowsAreAsFewRows(const KernelTable& table) {
  for (Format format : kFormats) {
    if (kernels::LinearFor(table, format).run == nullptr) continue;
    for (Post post : {Post::kGeluErf, Post::kLayerNorm}) {
      SetContext(table,
                 Join("many rows, format, post", {static_cast<size_t>(format), static_cast<size_t>(post)}));
      LinearCase c(table, format, 700, 200, 1152, 77);
      const std::vector<float> out = c.Out(c.Args(post));
      EncodedResultsAreTheEncodedOut(c, post, out);
      RowsAloneGiveTheSameBits(c, post, out);
    }
  }
}

void NanAndInfinityStayInTheirRow(const KernelTable& table) {
  for (Format format : kFormats) {
    if (kernels::LinearFor(table, format).run == nullptr) continue;
    for (Post post : kPosts) {
      SetContext(table, Join("NaN, format, post", {static_cast<size_t>(format), static_cast<size_t>(post)}));
      LinearCase c(table, format, 20, 100, 70, 5);
      const std::vector<float> clean = c.Out(c.Args(post));
      c.values[3 * 100 + 99] = std::nanf("");
      c.values[7 * 100] = std::nanf("");
      c.values[14 * 100 + 50] = INFINITY;
      c.Encode();
      const std::vector<float> out = c.Out(c.Args(post));
      for (size_t r = 0; r < c.rows; ++r) {
        const float* row = &out[r * c.outputs];
        if (r == 3 || r == 7) {
          CHECK(std::all_of(row, row + c.outputs, [](float y) { return std::isnan(y); }));
        } else if (r == 14) {  // bf16 weighs infinity: zeros and infinities of an activation are right
          if (format == Format::kInt8) CHECK(std::isnan(row[0]) && std::isnan(row[c.outputs - 1]));
        } else {
          CHECK(SameBits(row, &clean[r * c.outputs], c.outputs));
        }
      }
    }
  }
}

void ExtremeRowsStayFinite(const KernelTable& table) {
  for (Format format : kFormats) {
    if (kernels::LinearFor(table, format).run == nullptr) continue;
    for (Post post : kPosts) {
      SetContext(table,
                 Join("extremes, format, post", {static_cast<size_t>(format), static_cast<size_t>(post)}));
      LinearCase c(table, format, 6, 64, 96, 6);
      const float constants[] = {0.0f, 1e30f, -1e30f, 1e-30f, 1e-42f, 3.0f};
      for (size_t i = 0; i < c.values.size(); ++i) c.values[i] = constants[i / 64];
      c.values[64] = 1.0f;
      c.Encode();
      const std::vector<float> out = c.Out(c.Args(post));
      CHECK(std::all_of(out.begin(), out.end(), [](float y) { return std::isfinite(y); }));
    }
  }
}

// Weights of zero leave the bias: activations over their range.
void ActivationsAreAsAccurateAsTheFormat(const KernelTable& table) {
  for (Format format : kFormats) {
    if (kernels::LinearFor(table, format).run == nullptr) continue;
    SetContext(table, Join("activations, format", {static_cast<size_t>(format)}));
    std::vector<float> bias;
    for (int i = -8000; i <= 8000; ++i) bias.push_back(static_cast<float>(i) * 1e-3f);
    for (float huge : {100.0f, 1e4f, 1e30f}) bias.insert(bias.end(), {huge, -huge});
    LinearCase c(table, format, 1, 8, bias.size(), 9);
    const std::vector<float> zeros(8 * bias.size());
    CHECK(c.packed.SetRows(0, bias.size(), zeros.data(), bias.data()));
    for (Post post : {Post::kGeluErf, Post::kGeluTanh, Post::kRelu, Post::kTanh}) {
      const LinearArgs args = c.Args(post);
      const std::vector<float> out = c.Out(args);
      WorstError worst;
      for (size_t i = 0; i < bias.size(); ++i) {
        const double expected = Activate(bias[i], args.activation);
        worst.Add((out[i] - expected) / std::fmax(1.0, std::fabs(bias[i])));
      }
      CHECK_NEAR(worst.Get(), 0.0, post == Post::kGeluErf && HasRoughGelu(format) ? 2.1e-5 : 2e-7);
    }
  }
}

void ProductsFromElsewhereAreFinishedAlike(const KernelTable& table) {
  for (Post post : kPosts) {
    for (size_t outputs : {31, 64, 200}) {
      SetContext(table, Join("finish_int8 post, outputs", {static_cast<size_t>(post), outputs}));
      LinearCase c(table, Format::kInt8, 19, 100, outputs, 11);
      const std::vector<double> exact = Products(c.Args(post));
      const std::vector<int32_t> products(exact.begin(), exact.end());
      LinearArgs args = c.Args(post);
      args.weights.panels = nullptr;
      args.weights.compensation = nullptr;
      Buffer out(c.rows * outputs, 1);
      EncodedRows encoded(Format::kInt8, c.rows, outputs), expected(Format::kInt8, c.rows, outputs);
      args.out = out.data();
      args.encoded = encoded.data();
      args.encoded_format = Format::kInt8;
      table.finish_int8(args, products.data());
      CHECK(out.Intact() && encoded.Intact());
      OutMatchesTheReference(c, post, exact, {out.data(), out.data() + c.rows * outputs});
      table.encode(out.data(), c.rows, outputs, Format::kInt8, expected.data());
      bool same = true;
      for (size_t r = 0; r < c.rows; ++r) {
        const size_t bytes = MeaningfulBytes(Format::kInt8, outputs);
        same = same && std::memcmp(encoded.row(r), expected.row(r), bytes) == 0;
      }
      CHECK(same);
      // A row's sums depend on the width of the vectors, which the kernel of a level may have from another.
      if (c.kernel.run != nullptr && post != Post::kLayerNorm)
        CHECK(SameBits(out.data(), c.Out(c.Args(post)).data(), c.rows * outputs));
    }
  }
}

void TestTable(const KernelTable& table) {
  ResultsMatchTheReference(table);
  ManyRowsAreAsFewRows(table);
  NanAndInfinityStayInTheirRow(table);
  ExtremeRowsStayFinite(table);
  ActivationsAreAsAccurateAsTheFormat(table);
  ProductsFromElsewhereAreFinishedAlike(table);
}

}  // namespace
}  // namespace crossrank::testing

int main() { return crossrank::testing::TestEveryTable(crossrank::testing::TestTable); }
