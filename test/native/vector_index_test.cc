// The index against a scan in double precision of all there is: the same rows, whatever the data, the number
// of threads and the kernels.
#include "search/vector_index.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "check.h"
#include "kernel_fixture.h"
#include "search/unit_length.h"

namespace crossrank::testing {
namespace {

using kernels::KernelTable;

struct Answer {
  Hits hits;
  std::optional<Error> error;
  bool done = false;
};

// Rows of `dimension` values, and what they are called with.
struct Data {
  const char* name;
  size_t dimension;
  std::vector<float> rows, queries;

  size_t count() const { return rows.size() / dimension; }
  const float* row(size_t r) const { return &rows[r * dimension]; }
};

double Cosine(const float* a, const float* b, size_t dimension) {
  long double dot = 0.0, a2 = 0.0, b2 = 0.0;
  for (size_t i = 0; i < dimension; ++i) {
    dot += static_cast<long double>(a[i]) * b[i];
    a2 += static_cast<long double>(a[i]) * a[i];
    b2 += static_cast<long double>(b[i]) * b[i];
  }
  return a2 == 0.0 || b2 == 0.0 ? 0.0 : static_cast<double>(dot / std::sqrt(a2 * b2));
}

// All queries that were submitted; the index takes no more before the next call.
void AnswerAll(VectorIndex& index) {
  Cancellation never;
  index.Close();
  index.Work(never);
  index.GiveUp();
}

Hits Ask(VectorIndex& index, const float* query, size_t top_k, ScanKind kind,
         const std::vector<uint8_t>* filter = nullptr) {
  Answer answer;
  const Span<const uint8_t> bits = filter != nullptr ? Span<const uint8_t>(*filter) : Span<const uint8_t>();
  const auto made =
      index.MakeQuery({query, index.rows().dimension()}, top_k, filter != nullptr ? &bits : nullptr, kind);
  made->done = [&answer](Hits hits, std::optional<Error> error) {
    answer = {std::move(hits), std::move(error), true};
  };
  CHECK(index.Submit(made));
  AnswerAll(index);
  CHECK(answer.done && !answer.error);
  return answer.hits;
}

bool Same(const Hits& a, const Hits& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Hit& x, const Hit& y) { return x.row == y.row && x.score == y.score; });
}

// Hits are the best of the rows for which `allowed` says so, all of the last score among them. The reference
// is not rounded to fp32, so rows that are closer than that may be in either order.
void CheckAgainstDouble(const Data& data, const float* query, size_t top_k, const Hits& hits,
                        const std::vector<bool>& allowed) {
  constexpr double kRounding = 3e-7;
  std::vector<double> expected;
  for (size_t r = 0; r < data.count(); ++r) {
    if (allowed[r]) expected.push_back(Cosine(data.row(r), query, data.dimension));
  }
  std::sort(expected.begin(), expected.end(), std::greater<>());
  CHECK(hits.size() >= std::min(top_k, expected.size()) && hits.size() <= expected.size());
  bool right = true, ordered = true;
  for (size_t i = 0; i < std::min(hits.size(), expected.size()); ++i) {
    const double score = Cosine(data.row(hits[i].row), query, data.dimension);
    right = right && allowed[hits[i].row] && std::fabs(hits[i].score - score) <= kRounding &&
            std::fabs(hits[i].score - expected[i]) <= kRounding;
    if (i == 0) continue;
    const Hit &better = hits[i - 1], &worse = hits[i];
    ordered =
        ordered && (better.score > worse.score || (better.score == worse.score && better.row < worse.row));
  }
  CHECK(right);
  CHECK(ordered);
  if (hits.size() > top_k) CHECK(hits.back().score == hits[top_k - 1].score);
}

Data RandomRows(Random& random, size_t dimension, size_t count) {
  return {"random", dimension, random.Normal(count * dimension), random.Normal(3 * dimension)};
}

// Embeddings of related texts: a few directions, with little between the rows of one.
Data Clusters(Random& random, size_t dimension, size_t count) {
  Data data{"clusters", dimension, random.Normal(count * dimension, 0.02f), {}};
  const std::vector<float> centres = random.Normal(5 * dimension);
  for (size_t r = 0; r < count; ++r) {
    for (size_t c = 0; c < dimension; ++c) data.rows[r * dimension + c] += centres[r % 5 * dimension + c];
  }
  data.queries = {centres.begin(), centres.begin() + 3 * dimension};
  return data;
}

// All that int8 can tell is that they are alike: rows which differ in the last bits, one large value that
// leaves the others next to no steps, zeros, and each row better than the one before.
Data Adversaries(Random& random, size_t dimension, size_t count) {
  Data data{"adversaries", dimension, random.Normal(count * dimension, 1e-6f), {}};
  for (size_t r = 0; r < count; ++r) {
    float* row = &data.rows[r * dimension];
    if (r % 7 == 0) std::fill(row, row + dimension, 0.0f);
    if (r % 7 == 1) row[0] += 1e4f;
    if (r % 7 >= 2) row[r % 2] += 1.0f + 1e-6f * static_cast<float>(r);
    if (r % 7 == 5) row[1] += 1e-3f * static_cast<float>(r);
  }
  data.queries = random.Normal(3 * dimension, 1e-4f);
  for (size_t q = 0; q < 3; ++q) data.queries[q * dimension + q % dimension] += 1.0f;
  return data;
}

// Many rows of the same few vectors, some of another length.
Data Ties(Random& random, size_t dimension, size_t count) {
  Data data{"ties", dimension, {}, random.Normal(2 * dimension)};
  const std::vector<float> few = random.Normal(4 * dimension);
  for (size_t r = 0; r < count; ++r) {
    const float size = r % 3 == 0 ? 4.0f : 1.0f;
    for (size_t c = 0; c < dimension; ++c) data.rows.push_back(size * few[r % 4 * dimension + c]);
  }
  data.queries.insert(data.queries.end(), dimension, 0.0f);
  return data;
}

// Queries of one large value and many that are less than a step of its shorts: together they decide, and the
// first look does not see them. What it sees of the second value is too much. Rows lose nothing: all values
// are of one size.
Data CoarseQueries(Random& random, size_t dimension, size_t count) {
  Data data{"coarse queries", dimension, random.Normal(count * dimension), random.Normal(3 * dimension)};
  constexpr float kStep = 1.0f / 32767.0f;
  for (float& value : data.rows) value = value < 0.0f ? -1.0f : 1.0f;
  for (float& value : data.queries) value = std::copysign(0.4f * kStep, value);
  for (size_t q = 0; q < 3; ++q) {
    data.queries[q * dimension] = 1.0f;
    data.queries[q * dimension + 1] = 1.5f * kStep;
  }
  return data;
}

void TheBestAreFound(const KernelTable& table) {
  Random random(3);
  for (size_t dimension : {3, 96, 384}) {
    for (const Data& data : {RandomRows(random, dimension, 4500), Clusters(random, dimension, 4500),
                             Adversaries(random, dimension, 4500), CoarseQueries(random, dimension, 4500),
                             Ties(random, dimension, 4500)}) {
      SetContext(table, std::string(data.name) + Join(" dimension", {dimension}));
      VectorIndex index(dimension, 1, table);
      CHECK(index.rows().Append(data.rows));
      index.Show(0, data.count());
      const std::vector<bool> all(data.count(), true);
      for (size_t q = 0; q < 3; ++q) {
        const float* query = &data.queries[q * dimension];
        for (size_t top_k : {1, 10, 100}) {
          const Hits hits = Ask(index, query, top_k, ScanKind::kQuantized);
          CheckAgainstDouble(data, query, top_k, hits, all);
          CHECK(Same(hits, Ask(index, query, top_k, ScanKind::kPlain)));
        }
      }
    }
  }
}

void FiltersAndHiddenRowsAreKept(const KernelTable& table) {
  SetContext(table, "filters");
  Random random(4);
  const Data data = Clusters(random, 64, 3001);
  VectorIndex index(data.dimension, 2, table);
  CHECK(index.rows().Append(data.rows));
  index.Show(5, data.count());
  std::vector<bool> allowed(data.count());
  std::vector<uint8_t> filter((data.count() - 100) / 8);  // its end is missing
  std::vector<uint32_t> hidden;
  for (size_t r = 0; r < data.count(); ++r) {
    const bool wanted = r % 3 == 0 || (r > 1000 && r < 1400);
    if (wanted && r / 8 < filter.size()) filter[r / 8] |= static_cast<uint8_t>(1u << r % 8);
    if (r % 9 == 0) hidden.push_back(static_cast<uint32_t>(r));
    allowed[r] = wanted && r / 8 < filter.size() && r % 9 != 0 && r >= 5;
  }
  index.Hide(hidden);
  for (size_t top_k : {1, 40, 5000}) {
    const Hits hits = Ask(index, data.queries.data(), top_k, ScanKind::kQuantized, &filter);
    CheckAgainstDouble(data, data.queries.data(), top_k, hits, allowed);
    CHECK(Same(hits, Ask(index, data.queries.data(), top_k, ScanKind::kFastest, &filter)));
  }
  filter.clear();
  CHECK(Ask(index, data.queries.data(), 5, ScanKind::kQuantized, &filter).empty());
  VectorIndex empty(7, 2, table);
  CHECK(Ask(empty, data.queries.data(), 5, ScanKind::kQuantized).empty());
}

void ThreadsAndCompanyChangeNoBit(const KernelTable& table) {
  SetContext(table, "threads");
  Random random(5);
  const Data data = Clusters(random, 96, 30000);
  VectorIndex one(data.dimension, 1, table), four(data.dimension, 4, table),
      generic(data.dimension, 1, *kernels::FindKernels("generic"));
  for (VectorIndex* index : {&one, &four, &generic}) {
    CHECK(index->rows().Append(data.rows));
    index->Show(0, data.count());
  }
  // More queries than a pass takes, of both kinds, at once.
  std::vector<Hits> together(20);
  for (size_t q = 0; q < together.size(); ++q) {
    const auto query = four.MakeQuery({data.row(q), data.dimension}, 10 + q, nullptr,
                                      q % 3 == 0 ? ScanKind::kPlain : ScanKind::kQuantized);
    query->done = [&together, q](Hits hits, const std::optional<Error>&) { together[q] = std::move(hits); };
    CHECK(four.Submit(query) == (q == 0));
  }
  AnswerAll(four);
  for (size_t q = 0; q < together.size(); ++q) {
    CHECK(together[q].size() >= 10 + q);
    CHECK(Same(together[q], Ask(one, data.row(q), 10 + q, ScanKind::kQuantized)));
    CHECK(Same(together[q], Ask(generic, data.row(q), 10 + q, ScanKind::kQuantized)));
  }
}

void RowsMayBeAddedAndHiddenDuringScans(const KernelTable& table) {
  SetContext(table, "added during scans");
  Random random(6);
  const Data data = Clusters(random, 64, 12000);
  VectorIndex index(data.dimension, 2, table);
  std::thread worker;
  Cancellation never;
  std::atomic<int> answered{0}, wrong{0};
  int asked = 0;
  for (size_t r = 0; r < data.count(); r += 100) {
    CHECK(index.rows().Append({data.row(r), 100 * data.dimension}));
    index.Show(r, r + 100);
    const uint32_t gone = static_cast<uint32_t>(r / 2);
    index.Hide({&gone, 1});
    const auto query = index.MakeQuery({data.row(r + 50), data.dimension}, 3, nullptr, ScanKind::kQuantized);
    query->done = [&, r](const Hits& hits, const std::optional<Error>&) {
      if (hits.size() < 3 || hits[0].row != r + 50) ++wrong;
      ++answered;
    };
    ++asked;
    CHECK(index.Submit(query) == !worker.joinable());
    if (!worker.joinable()) worker = std::thread([&] { index.Work(never); });
    if (r % 1600 == 0) {  // let it fall asleep
      while (answered < asked) std::this_thread::yield();
    }
  }
  index.Close();
  worker.join();
  CHECK(answered == asked);
  CHECK(wrong == 0);
}

void BadRowsAreRefusedAsAWhole(const KernelTable& table) {
  SetContext(table, "bad rows");
  VectorIndex index(3, 1, table);
  RowStore& rows = index.rows();
  const float infinite = std::numeric_limits<float>::infinity();
  CHECK(!rows.Append(std::vector<float>{1, 2, 3, 4, infinite, 6}));
  CHECK(!rows.Append(std::vector<float>{1, 2, std::nanf("")}));
  CHECK(!rows.AppendUnit(std::vector<float>{1, 0, 0, 1, 1, 0}));
  CHECK(rows.count() == 0);
  CHECK(rows.AppendUnit(std::vector<float>{0, -1, 0, 0, 0, 0}));
  CHECK(rows.Append(std::vector<float>{3e38f, 3e38f, 3e38f, 1e-44f, 0, 0}));
  index.Show(0, 4);
  const float query[] = {1e-40f, 0, 0};
  const Hits hits = Ask(index, query, 4, ScanKind::kQuantized);
  CHECK(hits.size() == 4 && hits[0].row == 3 && hits[0].score == 1.0f && hits[1].row == 2);
  CHECK_NEAR(hits[1].score, 1 / std::sqrt(3.0), 1e-7);
  CHECK(hits[2].row == 0 && hits[2].score == 0.0f && hits[3].row == 1 && hits[3].score == 0.0f);
}

void RowsAreCopiedToTheBit(const KernelTable& table) {
  SetContext(table, "copies");
  Random random(7);
  const Data data = RandomRows(random, 40, 3000);
  VectorIndex index(data.dimension, 1, table), copy(data.dimension, 1, table),
      again(data.dimension, 1, table);
  CHECK(index.rows().Append(data.rows));
  std::vector<uint32_t> odd;
  for (uint32_t r = 1; r < data.count(); r += 2) odd.push_back(r);
  copy.rows().AppendFrom(index.rows(), odd);
  copy.Show(0, odd.size());
  std::vector<float> read(odd.size() * data.dimension);
  index.rows().Read(odd, read.data());
  CHECK(again.rows().AppendUnit(read));
  again.Show(0, odd.size());
  for (const uint32_t r : odd) index.Show(r, r + 1);
  Hits expected = Ask(index, data.queries.data(), 20, ScanKind::kQuantized);
  for (Hit& hit : expected) hit.row /= 2;
  CHECK(Same(expected, Ask(copy, data.queries.data(), 20, ScanKind::kQuantized)));
  CHECK(Same(expected, Ask(again, data.queries.data(), 20, ScanKind::kQuantized)));
}

void ACancelledScanAnswersNothing(const KernelTable& table) {
  SetContext(table, "cancelled");
  Random random(8);
  const Data data = RandomRows(random, 32, 10000);
  VectorIndex index(data.dimension, 2, table);
  CHECK(index.rows().Append(data.rows));
  index.Show(0, data.count());
  bool answered = false;
  const auto query = index.MakeQuery({data.row(0), data.dimension}, 5, nullptr, ScanKind::kQuantized);
  query->done = [&answered](const Hits&, const std::optional<Error>&) { answered = true; };
  CHECK(index.Submit(query));
  Cancellation cancelled;
  cancelled.Cancel();
  index.Work(cancelled);
  CHECK(!answered);
}

void CancellingWakesTheThreadThatWaits(const KernelTable& table) {
  SetContext(table, "cancelled while it waits");
  VectorIndex index(8, 4, table);
  Cancellation cancellation;
  std::thread worker([&] { index.Work(cancellation); });
  cancellation.Cancel();
  worker.join();
  CHECK(cancellation.cancelled());
}

void ACrewDoesEachItemOnceAndTellsErrors() {
  Checks::Get().context = "crew";
  Crew crew(4);
  Cancellation cancellation;
  for (size_t threads : {1, 2, 4, 9}) {
    for (size_t items : {0, 1, 3, 500}) {
      std::vector<std::atomic<int>> done(items);
      std::atomic<bool> in_range{true};
      crew.Run(threads, items, cancellation, [&](size_t thread, size_t item) {
        if (thread >= std::min<size_t>(threads, 4)) in_range = false;
        ++done[item];
      });
      CHECK(in_range && std::all_of(done.begin(), done.end(), [](const auto& times) { return times == 1; }));
    }
  }
  // Helpers come to every job: two items that wait for each other need two threads, each time.
  for (int time = 0; time < 100; ++time) {
    std::atomic<int> there{0};
    crew.Run(2, 2, cancellation, [&](size_t, size_t) {
      for (++there; there < 2;) std::this_thread::yield();
    });
    CHECK(there == 2);
  }
  const auto fails = [&](const Crew::Work& work) {
    try {
      crew.Run(4, 100, cancellation, work);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kRuntime;
  };
  CHECK(fails([](size_t, size_t item) {
          if (item == 60) throw Error(ErrorCode::kMemory, "on purpose");
        }) == ErrorCode::kMemory);
  cancellation.Cancel();
  CHECK(fails([](size_t, size_t) {}) == ErrorCode::kClosed);
}

void TestTable(const KernelTable& table) {
  TheBestAreFound(table);
  FiltersAndHiddenRowsAreKept(table);
  ThreadsAndCompanyChangeNoBit(table);
  RowsMayBeAddedAndHiddenDuringScans(table);
  BadRowsAreRefusedAsAWhole(table);
  RowsAreCopiedToTheBit(table);
  ACancelledScanAnswersNothing(table);
  CancellingWakesTheThreadThatWaits(table);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  crossrank::testing::ACrewDoesEachItemOnceAndTellsErrors();
  return crossrank::testing::TestEveryTable(crossrank::testing::TestTable);
}
