// Attention over bf16 rows by AMX, against the same written plainly in double precision. Rows, output and
// workspace end at a page that may not be touched.
#include <algorithm>

#include "amx_emulator.h"
#include "check.h"
#include "guarded_memory.h"
#include "kernel_fixture.h"
#include "reference.h"
#include "tables.h"

namespace crossrank::testing {
namespace {

using kernels::AttentionBf16Args;
using kernels::Format;
using kernels::kAttentionBf16Amx;

uint16_t ToBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

constexpr uint16_t kNan = 0x7FC1;

// q, k and v of a packed batch. `fused`: they are columns of one matrix, as one product leaves them.
struct Batch {
  size_t heads, head_size, columns, stride;
  std::vector<int32_t> offsets{0};
  bool one_query;
  std::vector<uint16_t> q, k, v;

  Batch(unsigned seed, size_t head_count, size_t size, const std::vector<int32_t>& lengths, bool first,
        bool fused = false, float deviation = 1.0f)
      : heads(head_count), head_size(size), columns(heads * head_size), stride(columns), one_query(first) {
    for (int32_t length : lengths) offsets.push_back(offsets.back() + length);
    Random random(seed);
    if (fused) stride = 3 * columns;
    q = Rows(random.Normal(QueryRows() * columns, deviation));
    k = Rows(random.Normal(offsets.back() * columns, deviation));
    v = Rows(random.Normal(offsets.back() * columns));
  }

  size_t Sequences() const { return offsets.size() - 1; }
  size_t QueryRows() const { return one_query ? Sequences() : offsets.back(); }
  size_t FirstQuery(size_t s) const { return one_query ? s : offsets[s]; }
  size_t EndQuery(size_t s) const { return one_query ? s + 1 : offsets[s + 1]; }

  // Sequences [first, first + count) alone.
  Batch Part(size_t first, size_t count) const {
    Batch part = *this;
    const auto rows = [this](const std::vector<uint16_t>& all, size_t begin, size_t end) {
      // The last row ends with its columns, not with its stride.
      const size_t last = std::min(end * stride, all.size());
      return std::vector<uint16_t>(all.begin() + begin * stride, all.begin() + last);
    };
    part.q = rows(q, FirstQuery(first), EndQuery(first + count - 1));
    part.k = rows(k, offsets[first], offsets[first + count]);
    part.v = rows(v, offsets[first], offsets[first + count]);
    part.offsets.assign(offsets.begin() + first, offsets.begin() + first + count + 1);
    for (int32_t& offset : part.offsets) offset -= offsets[first];
    return part;
  }

 private:
  // Other columns hold NaN, which must not reach anything. The last row has none after its own.
  std::vector<uint16_t> Rows(const std::vector<float>& values) const {
    const size_t rows = values.size() / columns;
    std::vector<uint16_t> out((rows - 1) * stride + columns, kNan);
    for (size_t i = 0; i < values.size(); ++i) out[i / columns * stride + i % columns] = ToBf16(values[i]);
    return out;
  }
};

using Encoded = std::vector<uint8_t>;

Encoded Attend(const Batch& batch, Format format) {
  const size_t row = kernels::RowStride(format, batch.columns);
  int32_t longest = 0;
  for (size_t s = 0; s < batch.Sequences(); ++s)
    longest = std::max(longest, batch.offsets[s + 1] - batch.offsets[s]);
  Guarded<uint16_t> q(batch.q), k(batch.k), v(batch.v);
  Guarded<uint8_t> out(batch.QueryRows() * row);
  Guarded<float> workspace(kAttentionBf16Amx.workspace_floats(longest, batch.heads, batch.head_size, format));
  std::fill_n(workspace.data(), workspace.size(), std::nanf(""));
  AttentionBf16Args args = {};
  args.q = q.data();
  args.k = k.data();
  args.v = v.data();
  args.q_stride = args.kv_stride = batch.stride;
  args.offsets = batch.offsets.data();
  args.sequences = batch.Sequences();
  args.one_query = batch.one_query;
  args.heads = batch.heads;
  args.head_size = batch.head_size;
  args.out = out.data();
  args.out_format = format;
  args.workspace = workspace.data();
  CHECK(reinterpret_cast<uintptr_t>(workspace.data()) % 64 == 0);
  kAttentionBf16Amx.run(args);
  return Encoded(out.data(), out.data() + out.size());
}

double ValueAt(const Encoded& rows, const Batch& batch, Format format, size_t row, size_t column) {
  const uint8_t* start = rows.data() + row * kernels::RowStride(format, batch.columns);
  if (format == Format::kInt8) {
    float scale;
    std::memcpy(&scale, start + kernels::ScaleOffset(batch.columns), sizeof scale);
    return (start[column] - 128) * static_cast<double>(scale);
  }
  uint16_t value;
  std::memcpy(&value, start + 2 * column, sizeof value);
  return Bf16ToDouble(value);
}

// A head's context of one query, and how far the values lie from it on average: rounding a weight by a part
// of itself moves the context by that part of the distance.
struct Expected {
  std::vector<double> context, distance;
};

Expected Reference(const Batch& batch, size_t sequence, size_t query, size_t head) {
  const size_t first = batch.offsets[sequence], keys = batch.offsets[sequence + 1] - first;
  const auto value = [&](const std::vector<uint16_t>& rows, size_t row, size_t d) {
    return Bf16ToDouble(rows[row * batch.stride + head * batch.head_size + d]);
  };
  std::vector<double> weights(keys);
  double maximum = -INFINITY, sum = 0.0;
  for (size_t j = 0; j < keys; ++j) {
    for (size_t d = 0; d < batch.head_size; ++d)
      weights[j] += value(batch.q, query, d) * value(batch.k, first + j, d);
    weights[j] /= std::sqrt(static_cast<double>(batch.head_size));
    maximum = std::max(maximum, weights[j]);
  }
  for (double& weight : weights) sum += weight = std::exp(weight - maximum);
  Expected e = {std::vector<double>(batch.head_size), std::vector<double>(batch.head_size)};
  for (size_t d = 0; d < batch.head_size; ++d) {
    for (size_t j = 0; j < keys; ++j) e.context[d] += weights[j] / sum * value(batch.v, first + j, d);
    for (size_t j = 0; j < keys; ++j)
      e.distance[d] += weights[j] / sum * std::fabs(value(batch.v, first + j, d) - e.context[d]);
  }
  return e;
}

void CheckBatch(const Batch& batch, Format format, size_t query_step = 1) {
  const Encoded out = Attend(batch, format);
  // Of a weight: half a unit of bf16, the exponential, and the score's rounding in fp32.
  constexpr double kWeightError = 1.0 / 256 + 2e-4;
  double worst = 0.0;  // of what is allowed
  for (size_t s = 0; s < batch.Sequences(); ++s) {
    for (size_t row = batch.FirstQuery(s); row < batch.EndQuery(s); row += query_step) {
      double largest = 0.0;
      for (size_t c = 0; c < batch.columns; ++c)
        largest = std::max(largest, std::fabs(ValueAt(out, batch, format, row, c)));
      for (size_t h = 0; h < batch.heads; ++h) {
        const Expected e = Reference(batch, s, row, h);
        for (size_t d = 0; d < batch.head_size; ++d) {
          const double rounding = format == Format::kInt8 ? largest / 254 : std::fabs(e.context[d]) / 256;
          const double allowed = 1.01 * (kWeightError * e.distance[d] + rounding) + 1e-6;
          const double error =
              std::fabs(ValueAt(out, batch, format, row, h * batch.head_size + d) - e.context[d]);
          worst = error <= worst * allowed ? worst : error / allowed;
        }
      }
      const uint8_t* start = out.data() + row * kernels::RowStride(format, batch.columns);
      const size_t bytes = kernels::Steps(format, batch.columns) * 64;
      const bool int8 = format == Format::kInt8;
      for (size_t b = batch.columns * (int8 ? 1 : 2); b < bytes; ++b) CHECK(start[b] == (int8 ? 128 : 0));
    }
  }
  CHECK_NEAR(worst, 0.0, 1.0);
}

const std::vector<int32_t> kLengths = {1, 17, 2, 33, 16, 70, 15, 31, 32, 0, 48, 49, 64, 3, 5};

void MatchesTheReference() {
  unsigned seed = 0;
  for (size_t head_size : {8, 16, 24, 32, 40, 64, 96, 128}) {
    for (bool one_query : {false, true}) {
      for (Format format : {Format::kBf16, Format::kInt8}) {
        const size_t heads = head_size > 64 ? 1 : 1 + ++seed % 3;
        Checks::Get().context =
            Join("head_size, one_query, format", {head_size, one_query, static_cast<size_t>(format)});
        std::vector<int32_t> lengths = kLengths;
        if (one_query) lengths.erase(std::find(lengths.begin(), lengths.end(), 0));
        CheckBatch(Batch(seed, heads, head_size, lengths, one_query, seed % 2 == 0), format, 3);
      }
    }
  }
  Checks::Get().context = "300 tokens";
  CheckBatch(Batch(1, 2, 64, {300, 7}, false, true), Format::kBf16, 13);
  CheckBatch(Batch(2, 3, 32, {7, 300}, false), Format::kInt8, 13);
  Checks::Get().context = "8192 tokens";
  CheckBatch(Batch(4, 2, 64, {8192}, true), Format::kBf16);
  Checks::Get().context = "scores in the hundreds";
  Batch far(3, 2, 32, {40, 5, 100}, false, false, 6.0f);
  CheckBatch(far, Format::kBf16);
  for (uint16_t& value : far.q) value &= 0x7FFF;
  for (uint16_t& value : far.k) value |= 0x8000;
  CheckBatch(far, Format::kBf16);  // all far below zero
  Checks::Get().context = "scores of 1e30";
  for (uint16_t bits : {ToBf16(1e14f), ToBf16(-1e14f)}) {
    Batch huge(5, 1, 32, {1, 40}, false);
    std::fill(huge.q.begin(), huge.q.end(), ToBf16(1e15f));
    for (size_t i = 0; i < huge.k.size(); ++i) huge.k[i] = static_cast<uint16_t>(bits + i / 32 % 3);
    CheckBatch(huge, Format::kBf16);
  }
}

bool SameRow(const Encoded& a, size_t row_a, const Encoded& b, size_t row_b, const Batch& batch,
             Format format) {
  // The bytes that the format defines.
  const size_t stride = kernels::RowStride(format, batch.columns);
  const size_t bytes = format == Format::kInt8 ? kernels::ScaleOffset(batch.columns) + 4
                                               : kernels::Steps(format, batch.columns) * 64;
  return std::memcmp(a.data() + row_a * stride, b.data() + row_b * stride, bytes) == 0;
}

void ASequenceDoesNotDependOnItsNeighbours() {
  for (Format format : {Format::kBf16, Format::kInt8}) {
    for (bool one_query : {false, true}) {
      Checks::Get().context = Join("neighbours; one_query", {one_query});
      const std::vector<int32_t> lengths = {1, 17, 33, 16, 70, 4, 47};
      const Batch batch(11, 2, 40, lengths, one_query, true);
      const Encoded together = Attend(batch, format);
      for (size_t s = 0; s < lengths.size(); ++s) {
        const Encoded alone = Attend(batch.Part(s, 1), format);
        for (size_t row = batch.FirstQuery(s); row < batch.EndQuery(s); ++row)
          CHECK(SameRow(together, row, alone, row - batch.FirstQuery(s), batch, format));
      }
    }
  }
}

void TheFirstQueryAloneHasTheSameBits() {
  for (Format format : {Format::kBf16, Format::kInt8}) {
    Checks::Get().context = "first query";
    const Batch all(12, 2, 32, {33, 5, 70}, false);
    Batch first = all;
    first.one_query = true;
    first.q.clear();
    for (size_t s = 0; s < all.Sequences(); ++s) {
      const auto row = all.q.begin() + all.offsets[s] * all.stride;
      first.q.insert(first.q.end(), row, row + all.stride);
    }
    const Encoded rows = Attend(all, format), firsts = Attend(first, format);
    for (size_t s = 0; s < all.Sequences(); ++s) CHECK(SameRow(rows, all.offsets[s], firsts, s, all, format));
  }
}

// Sets one value to NaN or infinity; rows for which `sees` holds must show it in the head's columns (of v: in
// that column), everything else keeps its bits.
void CheckSpread(std::vector<uint16_t> Batch::* matrix, uint16_t bad, bool v_column) {
  const Batch clean(13, 3, 24, {9, 40, 20}, false);
  constexpr size_t kRow = 9 + 35, kHead = 1, kColumn = 5;
  Batch spoilt = clean;
  (spoilt.*matrix)[kRow * clean.stride + kHead * clean.head_size + kColumn] = bad;
  const bool query_alone = matrix == &Batch::q;
  const auto sees = [&](size_t row) { return query_alone ? row == kRow : row >= 9 && row < 49; };
  const Encoded before = Attend(clean, Format::kBf16), after = Attend(spoilt, Format::kBf16);
  for (size_t row = 0; row < clean.QueryRows(); ++row) {
    for (size_t c = 0; c < clean.columns; ++c) {
      const double value = ValueAt(after, clean, Format::kBf16, row, c);
      const bool hit = v_column ? c == kHead * clean.head_size + kColumn : c / clean.head_size == kHead;
      if (sees(row) && hit) {
        CHECK(!std::isfinite(value));
      } else {
        CHECK(value == ValueAt(before, clean, Format::kBf16, row, c));
      }
    }
  }
  const Encoded bytes = Attend(spoilt, Format::kInt8);
  for (size_t row = 0; row < clean.QueryRows(); ++row)
    CHECK(std::isnan(ValueAt(bytes, clean, Format::kInt8, row, 0)) == sees(row));
}

void NanAndInfinityShowWhereTheyAreSeen() {
  constexpr uint16_t kInfinity = 0x7F80;
  Checks::Get().context = "NaN";
  CheckSpread(&Batch::q, kNan, false);
  CheckSpread(&Batch::k, kNan, false);
  CheckSpread(&Batch::v, kNan, true);
  CheckSpread(&Batch::v, kInfinity, true);
  CheckSpread(&Batch::q, kInfinity, false);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  std::printf("AMX %s: ", InstallAmxEmulator() ? "emulated" : "of the CPU");
  std::fflush(stdout);
  MatchesTheReference();
  ASequenceDoesNotDependOnItsNeighbours();
  TheFirstQueryAloneHasTheSameBits();
  NanAndInfinityShowWhereTheyAreSeen();
  std::printf("%llu instructions emulated, ", static_cast<unsigned long long>(EmulatedInstructions()));
  return Checks::Get().Report();
}
