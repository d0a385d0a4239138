// Attention of every kernel table that this CPU can run, against the plain double-precision reference, and
// the promise that a sequence does not depend on its neighbours, bit for bit.
#include <algorithm>

#include "check.h"
#include "kernel_fixture.h"
#include "kernels.h"
#include "reference.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;

// Random q, k, v and biases of a packed batch, and its attention.
struct AttentionCase {
  size_t heads, head_size, stride;
  std::vector<int32_t> offsets{0};
  bool one_query;
  std::vector<float> q, k, v, q_bias, k_bias, v_bias;

  AttentionCase(unsigned seed, size_t head_count, size_t size, const std::vector<int32_t>& lengths,
                bool first)
      : heads(head_count), head_size(size), stride(heads * head_size), one_query(first) {
    for (int32_t length : lengths) offsets.push_back(offsets.back() + length);
    Random random(seed);
    q = random.Normal(QueryRows() * stride);
    k = random.Normal(offsets.back() * stride);
    v = random.Normal(offsets.back() * stride);
    q_bias = random.Normal(stride);
    k_bias = random.Normal(stride);
    v_bias = random.Normal(stride);
  }

  size_t QueryRows() const { return one_query ? offsets.size() - 1 : offsets.back(); }

  AttentionArgs Args(float* out) const {
    return {q.data(),       k.data(),           v.data(),  stride, stride,    q_bias.data(), v_bias.data(),
            offsets.data(), offsets.size() - 1, one_query, heads,  head_size, out,           nullptr};
  }
};

void RunAttention(const KernelTable& kernels, AttentionArgs args, size_t misalignment = 0) {
  int32_t longest = 0;
  for (size_t s = 0; s < args.sequences; ++s)
    longest = std::max(longest, args.offsets[s + 1] - args.offsets[s]);
  Buffer workspace(kernels.attention_workspace_floats(longest, args.head_size), misalignment);
  args.workspace = workspace.data();
  kernels.attention(args);
  CHECK(workspace.Intact());
}

const std::vector<int32_t> kLengths = {1, 17, 2, 130, 33, 1, 64, 7};

void CheckAttention(const KernelTable& kernels, const AttentionCase& c, size_t query_step,
                    double tolerance = 2e-6) {
  const size_t rows = c.QueryRows();
  Buffer out(rows * c.stride, 0);
  const AttentionArgs args = c.Args(out.data());
  RunAttention(kernels, args);
  CHECK(out.Intact());
  WorstError worst;
  for (size_t s = 0; s + 1 < c.offsets.size(); ++s) {
    const size_t begin = c.one_query ? s : c.offsets[s], end = c.one_query ? s + 1 : c.offsets[s + 1];
    for (size_t row = begin; row < end; row += query_step) {
      for (size_t h = 0; h < c.heads; ++h) {
        const auto expected = AttentionRow(args, c.k_bias, s, row, h);
        for (size_t d = 0; d < c.head_size; ++d) {
          worst.Add(out.data()[row * c.stride + h * c.head_size + d] - expected[d]);
        }
      }
    }
  }
  CHECK_NEAR(worst.Get(), 0.0, tolerance);
}

void AttentionMatchesTheReference(const KernelTable& kernels) {
  for (size_t head_size : {1, 3, 8, 16, 20, 32, 48, 64, 80, 100, 128, 256}) {
    for (bool one_query : {false, true}) {
      SetContext(kernels, Join("attention head_size, one_query", {head_size, one_query}));
      CheckAttention(kernels, {5, head_size > 64 ? 1u : 3u, head_size, kLengths, one_query}, 1);
    }
  }
  for (int32_t length : {1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 100, 1000, 8192}) {
    SetContext(kernels, Join("attention length", {static_cast<size_t>(length)}));
    CheckAttention(kernels, {6, 1, 32, {length}, length == 8192}, length > 500 ? 37 : 1);
  }
}

void ASequenceDoesNotDependOnItsNeighbours(const KernelTable& kernels) {
  for (size_t head_size : {7, 32, 64}) {
    for (bool one_query : {false, true}) {
      SetContext(kernels, Join("attention alone, head_size, one_query", {head_size, one_query}));
      const AttentionCase c(7, 2, head_size, kLengths, one_query);
      Buffer together(c.QueryRows() * c.stride, 0);
      RunAttention(kernels, c.Args(together.data()));
      for (size_t s = 0; s + 1 < c.offsets.size(); ++s) {
        const size_t token = c.offsets[s], tokens = c.offsets[s + 1] - token;
        const size_t query = one_query ? s : token, queries = one_query ? 1 : tokens;
        const auto slice = [&](const std::vector<float>& from, size_t row, size_t rows) {
          return std::vector<float>(from.begin() + row * c.stride, from.begin() + (row + rows) * c.stride);
        };
        Buffer q(slice(c.q, query, queries), 1 + s), k(slice(c.k, token, tokens), 3 + s);
        Buffer v(slice(c.v, token, tokens), 5), out(queries * c.stride, 2 * s);
        const int32_t offsets[] = {0, static_cast<int32_t>(tokens)};
        AttentionArgs args = c.Args(out.data());
        args.q = q.data();
        args.k = k.data();
        args.v = v.data();
        args.offsets = offsets;
        args.sequences = 1;
        RunAttention(kernels, args, 3);
        CHECK(SameBits(out.data(), together.data() + query * c.stride, queries * c.stride));
        CHECK(out.Intact());
        args.out = q.data();  // over the queries
        RunAttention(kernels, args);
        CHECK(SameBits(q.data(), together.data() + query * c.stride, queries * c.stride));
        CHECK(q.Intact());
      }
    }
  }
}

// q, k and v as columns of one matrix, as the fused projection leaves them.
void StridesDoNotChangeTheResult(const KernelTable& kernels) {
  for (size_t head_size : {7, 20, 32}) {
    for (bool one_query : {false, true}) {
      SetContext(kernels, Join("attention strides, head_size, one_query", {head_size, one_query}));
      const AttentionCase c(13, 2, head_size, kLengths, one_query);
      Buffer dense(c.QueryRows() * c.stride, 0), out(c.QueryRows() * c.stride, 0);
      RunAttention(kernels, c.Args(dense.data()));
      const size_t wide = 3 * c.stride + 5;
      std::vector<float> matrix(c.offsets.back() * wide, std::nanf(""));
      const auto place = [&](const std::vector<float>& from, size_t column) {
        for (size_t i = 0; i < from.size(); ++i)
          matrix[i / c.stride * wide + column + i % c.stride] = from[i];
      };
      place(c.q, 0);
      place(c.k, c.stride);
      place(c.v, 2 * c.stride);
      AttentionArgs args = c.Args(out.data());
      args.q = matrix.data();
      args.k = args.q + c.stride;
      args.v = args.k + c.stride;
      args.q_stride = args.kv_stride = wide;
      RunAttention(kernels, args);
      CHECK(SameBits(out.data(), dense.data(), c.QueryRows() * c.stride));
      CHECK(out.Intact());
      Buffer q(c.q, 1);
      args.q = q.data();
      args.q_stride = c.stride;
      RunAttention(kernels, args);
      CHECK(SameBits(out.data(), dense.data(), c.QueryRows() * c.stride));
    }
  }
}

void AQueryRowHasTheSameBitsInEveryBlock(const KernelTable& kernels) {
  SetContext(kernels, "attention, equal queries");
  AttentionCase c(8, 2, 32, {45}, false);
  for (size_t i = c.stride; i < c.q.size(); ++i) c.q[i] = c.q[i - c.stride];
  Buffer out(c.q.size(), 0);
  RunAttention(kernels, c.Args(out.data()));
  for (size_t r = 1; r < 45; ++r) CHECK(SameBits(out.data(), out.data() + r * c.stride, c.stride));
  c.one_query = true;
  Buffer first(c.stride, 0);
  RunAttention(kernels, c.Args(first.data()));
  CHECK(SameBits(out.data(), first.data(), c.stride));
}

// Scores of some 300 in which several keys share the weight: summed in fp32, or rounded before the maximum is
// taken off, they are wrong by 1e-5 and more, and so is the result.
void LargeScoresLoseNothing(const KernelTable& kernels) {
  for (size_t head_size : {16, 32, 64}) {
    SetContext(kernels, Join("attention large scores, head_size", {head_size}));
    AttentionCase c(11, 2, head_size, {100, 37}, false);
    const float size = std::sqrt(300.0f / std::sqrt(static_cast<float>(head_size)));
    Random random(12);
    for (size_t i = 0; i < c.k.size(); ++i) {
      const size_t column = i % c.stride;
      c.q[i] = size * (c.q_bias[column] + 0.1f * c.q[i]);
      c.k[i] = size * (c.q_bias[column] + 0.01f * c.k[i]);
    }
    CheckAttention(kernels, c, 1, 1e-6);
  }
}

void HugeScoresStayFinite(const KernelTable& kernels) {
  for (int32_t length : {1, 5, 32, 50}) {
    for (float sign : {1.0f, -1.0f}) {
      SetContext(kernels, Join("attention huge scores, length", {static_cast<size_t>(length), sign > 0.0f}));
      AttentionCase c(9, 1, 16, {length}, false);
      for (auto* bias : {&c.q_bias, &c.k_bias, &c.v_bias}) std::fill(bias->begin(), bias->end(), 0.0f);
      for (size_t i = 0; i < c.q.size(); ++i) {
        c.q[i] = 1e15f;
        c.k[i] = sign * 1e15f * static_cast<float>(1 + i / c.stride % 3);
      }
      CheckAttention(kernels, c, 1);
    }
  }
}

void AttentionToNanIsNan(const KernelTable& kernels) {
  SetContext(kernels, "attention, NaN");
  AttentionCase c(10, 1, 32, {20}, false);
  c.k[3 * c.stride + 5] = std::nanf("");
  Buffer out(c.q.size(), 0);
  RunAttention(kernels, c.Args(out.data()));
  CHECK(std::isnan(out.data()[0]) && std::isnan(out.data()[c.q.size() - 1]));
}

void TestTable(const KernelTable& kernels) {
  AttentionMatchesTheReference(kernels);
  ASequenceDoesNotDependOnItsNeighbours(kernels);
  StridesDoNotChangeTheResult(kernels);
  AQueryRowHasTheSameBitsInEveryBlock(kernels);
  LargeScoresLoseNothing(kernels);
  HugeScoresStayFinite(kernels);
  AttentionToNanIsNan(kernels);
}

}  // namespace
}  // namespace crossrank::testing

int main() { return crossrank::testing::TestEveryTable(crossrank::testing::TestTable); }
