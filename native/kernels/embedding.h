// Embedding rows of words, positions and token types, summed and normalised. In double, for what is lost here
// reaches every layer, and it is done only once per token.
#pragma once

#include <math.h>

#include "convert.h"
#include "kernels.h"

namespace crossrank::kernels {
namespace {

// The sum of one token's rows, in blocks of columns. Most models' rows are a single block; a longer row is
// read again for each of the three passes of LayerNorm.
class EmbeddingSum {
 public:
  EmbeddingSum(const EmbeddingArgs& args, size_t token) : args_(args), token_(token) {}

  // use(first, count, sum) for every block; sums are padded to a whole Vec, with zeros.
  template <class Use>
  CROSSRANK_INLINE void ForEachBlock(Use use) {
    for (size_t first = 0; first < args_.columns; first += kBlockColumns) {
      const size_t left = args_.columns - first, count = left < kBlockColumns ? left : kBlockColumns;
      if (!filled_ || args_.columns > kBlockColumns) Fill(first, count);
      use(first, count, sum_);
    }
  }

 private:
  void Fill(size_t first, size_t count) {
    for (size_t c = 0; c < count; c += Vec::kWidth) {
      Wide::Zero().Store(sum_ + c);
      Wide::Zero().Store(sum_ + c + Wide::kWidth);
    }
    Add(args_.words, args_.ids, first, count);
    Add(args_.positions, args_.position_ids, first, count);
    if (args_.type_ids != nullptr) Add(args_.types, args_.type_ids, first, count);
    filled_ = true;
  }

  CROSSRANK_INLINE void Add(const RowTable& table, const int32_t* ids, size_t first, size_t count) {
    AddToSum(table, static_cast<size_t>(ids[token_]), args_.columns, first, count, sum_);
  }

  static constexpr size_t kBlockColumns = 1024;
  const EmbeddingArgs& args_;
  const size_t token_;
  bool filled_ = false;
  alignas(64) double sum_[kBlockColumns];
};

void EmbedToken(const EmbeddingArgs& args, size_t token) {
  constexpr size_t kWidth = Wide::kWidth;
  const double columns = static_cast<double>(args.columns);
  EmbeddingSum embedding(args, token);

  Wide total = Wide::Zero();
  embedding.ForEachBlock([&](size_t, size_t count, const double* sum) {
    for (size_t c = 0; c < count; c += kWidth) total = total + Wide::Load(sum + c);
  });
  const double mean = ReduceAdd(total) / columns;
  const Wide means = Wide::Broadcast(mean);

  Wide squares = Wide::Zero();
  embedding.ForEachBlock([&](size_t, size_t count, double* sum) {
    for (size_t c = count; c % kWidth != 0; ++c) sum[c] = mean;  // padding does not deviate
    for (size_t c = 0; c < count; c += kWidth) {
      const Wide deviation = Wide::Load(sum + c) - means;
      squares = Fma(deviation, deviation, squares);
    }
  });
  const double variance = ReduceAdd(squares) / columns;
  const Wide inverse = Wide::Broadcast(1.0 / sqrt(variance + static_cast<double>(args.epsilon)));

  float* out = args.out + token * args.columns;
  embedding.ForEachBlock([&](size_t first, size_t count, const double* sum) {
    for (size_t c = 0; c < count; c += Vec::kWidth) {
      const Vec gamma = Vec::LoadFirst(args.gamma + first + c, count - c);
      const Vec beta = Vec::LoadFirst(args.beta + first + c, count - c);
      const Wide low = (Wide::Load(sum + c) - means) * inverse;
      const Wide high = (Wide::Load(sum + c + kWidth) - means) * inverse;
      Narrow(Fma(low, WidenLow(gamma), WidenLow(beta)), Fma(high, WidenHigh(gamma), WidenHigh(beta)))
          .StoreFirst(out + first + c, count - c);
    }
  });
}

void Embed(const EmbeddingArgs& args) {
  for (size_t t = 0; t < args.tokens; ++t) EmbedToken(args, t);
}

}  // namespace
}  // namespace crossrank::kernels
