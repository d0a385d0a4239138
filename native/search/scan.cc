// Why the best k of a quantized scan are those of the plain one, ties and all:
//
// Let x be a row and y the query, both as floats, x = a + d and y = b + e, where a = scale * int8 and b =
// scale * shorts are what the first look multiplies, and d and e what they leave. Then
//
//   x.y = a.b + d.b + x.e      and so by Cauchy and Schwarz      |x.y - a.b| <= |d| |b| + |x| |e|
//
// |d| is the row's `error`, |b| and |e| the query's `length` and `error`, |x| at most 1 + kUnitTolerance. a.b
// is exact but for roundings of double. A score is x.y summed in double (an error below 1e-12) and rounded to
// fp32 (below 1e-7, as scores are at most 1.0001): kRounding is more than all of these together. So every
// score lies in its interval [a.b - bound, a.b + bound].
//
// The k-th best lower bound, the floor, is no more than the k-th best score. A row whose upper bound is below
// the floor therefore scores less than the k-th best, and is not tied with it either. All others are scored
// in fp32. The floor only rises while rows are looked at, and any k rows give a floor, so it does not matter
// which thread saw which rows: a lower floor leaves more rows to score, and the same hits.
#include "search/scan.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "search/candidates.h"
#include "search/unit_length.h"

namespace crossrank {
namespace {

constexpr double kRounding = 1e-6;

// Rows that a thread takes at a time.
constexpr size_t kBlockRows = 1024;
constexpr size_t kBlockGroups = kBlockRows / kRowGroup;
// What a thread must have to do so that waking it pays.
constexpr size_t kLeastBlocksAThread = 4;
constexpr size_t kScoresAtATime = 256;

class Pass {
 public:
  Pass(const std::vector<std::shared_ptr<VectorQuery>>& queries, const kernels::KernelTable& kernels,
       Crew& crew, const Cancellation& cancellation)
      : kernels_(kernels), crew_(crew), cancellation_(cancellation) {
    for (const auto& query : queries) {
      // Rows are only ever appended: the longest view holds the others.
      if (query->rows.count >= rows_.count) rows_ = query->rows;
      const bool quantized = query->kind == ScanKind::kQuantized;
      (quantized ? quantized_ : plain_).push_back(states_.size());
      states_.emplace_back(*query);
      if (quantized) shorts_.insert(shorts_.end(), query->shorts.begin(), query->shorts.end());
    }
    const size_t blocks = (rows_.count + kBlockRows - 1) / kBlockRows;
    threads_ = std::clamp<size_t>(blocks / kLeastBlocksAThread, 1, crew.size());
    for (State& state : states_) state.found.assign(threads_, Candidates(state.query.top_k));
  }

  std::vector<Hits> Run() {
    FindCandidates();
    std::vector<Hits> hits;
    for (State& state : states_) hits.push_back(Best(Score(state), state.query.top_k));
    return hits;
  }

 private:
  struct State {
    explicit State(const VectorQuery& of) : query(of) {}
    State(State&& other) noexcept : query(other.query) {}  // before anything is found

    const VectorQuery& query;
    std::vector<Candidates> found;        // of each thread
    std::atomic<double> floor{kNoFloor};  // the best that a thread has
  };

  void FindCandidates() {
    const size_t blocks = (rows_.count + kBlockRows - 1) / kBlockRows;
    std::vector<std::vector<int32_t>> products(threads_);
    for (auto& each : products) each.resize(quantized_.size() * kRowGroup);
    crew_.Run(threads_, blocks, cancellation_, [&](size_t thread, size_t block) {
      const size_t groups = (rows_.count + kRowGroup - 1) / kRowGroup;
      const size_t end = std::min((block + 1) * kBlockGroups, groups);
      for (size_t group = block * kBlockGroups; group < end; ++group) {
        LookAtGroup(thread, group, products[thread].data());
        ScoreGroup(thread, group);
      }
    });
  }

  // The quantized queries on 64 rows.
  void LookAtGroup(size_t thread, size_t group, int32_t* products) {
    const auto wants = [&](size_t i) { return states_[i].query.allowed_group(group) != 0; };
    if (std::none_of(quantized_.begin(), quantized_.end(), wants)) return;
    const size_t first = group * kRowGroup, count = std::min(kRowGroup, rows_.count - first);
    const RowChunk& chunk = rows_.chunk_of(first);
    const size_t row = rows_.in_chunk(first);
    kernels_.dot_int8(shorts_.data(), quantized_.size(), chunk.bytes(row), count, rows_.columns, products);
    for (const size_t i : quantized_) {
      State& state = states_[i];
      const VectorQuery& query = state.query;
      Candidates& found = StartGroup(state, thread);
      const double rest = (1.0 + kUnitTolerance) * query.error + kRounding;
      ForEachAllowed(query.allowed_group(group), count, [&](size_t r) {
        const double near = static_cast<double>(chunk.scale(row + r)) * query.scale * products[r];
        const double bound = static_cast<double>(chunk.error(row + r)) * query.length + rest;
        found.Offer(near - bound, near + bound, static_cast<uint32_t>(first + r));
      });
      EndGroup(state, thread);
      products += count;
    }
  }

  // The plain queries: their bounds are the scores themselves.
  void ScoreGroup(size_t thread, size_t group) {
    const size_t first = group * kRowGroup, count = std::min(kRowGroup, rows_.count - first);
    double scores[kRowGroup];
    for (const size_t i : plain_) {
      State& state = states_[i];
      const uint64_t allowed = state.query.allowed_group(group);
      if (allowed == 0) continue;
      kernels_.dot_double(state.query.values.data(), rows_.chunk_of(first).values(rows_.in_chunk(first)),
                          count, rows_.columns, scores);
      Candidates& found = StartGroup(state, thread);
      ForEachAllowed(allowed, count, [&](size_t r) {
        const double score = static_cast<float>(scores[r]);
        found.Offer(score, score, static_cast<uint32_t>(first + r));
      });
      EndGroup(state, thread);
    }
  }

  template <class Function>
  static void ForEachAllowed(uint64_t allowed, size_t count, const Function& function) {
    for (size_t r = 0; r < count; ++r) {
      if ((allowed >> r & 1) != 0) function(r);
    }
  }

  static Candidates& StartGroup(State& state, size_t thread) {
    state.found[thread].RaiseFloor(state.floor.load(std::memory_order_relaxed));
    return state.found[thread];
  }

  static void EndGroup(State& state, size_t thread) {
    const double mine = state.found[thread].floor();
    double known = state.floor.load(std::memory_order_relaxed);
    while (known < mine && !state.floor.compare_exchange_weak(known, mine, std::memory_order_relaxed)) {
    }
  }

  // The floor of all rows together.
  static double FinalFloor(const State& state) {
    std::vector<double> lowers;
    for (const Candidates& found : state.found)
      lowers.insert(lowers.end(), found.lowers().begin(), found.lowers().end());
    const size_t top_k = state.query.top_k;
    if (lowers.size() < top_k) return kNoFloor;
    std::nth_element(lowers.begin(), lowers.begin() + (top_k - 1), lowers.end(), std::greater<>());
    return lowers[top_k - 1];
  }

  Hits Score(const State& state) {
    const double floor = FinalFloor(state);
    Hits hits;
    for (const Candidates& found : state.found) {
      for (const Candidate& candidate : found.rows()) {
        if (candidate.upper >= floor) hits.push_back({static_cast<float>(candidate.upper), candidate.row});
      }
    }
    if (state.query.kind == ScanKind::kPlain) return hits;
    const size_t parts = (hits.size() + kScoresAtATime - 1) / kScoresAtATime;
    const size_t threads = std::clamp<size_t>(parts / kLeastBlocksAThread, 1, threads_);
    crew_.Run(threads, parts, cancellation_, [&](size_t, size_t part) {
      const size_t end = std::min((part + 1) * kScoresAtATime, hits.size());
      for (size_t i = part * kScoresAtATime; i < end; ++i) {
        const float* values = rows_.chunk_of(hits[i].row).values(rows_.in_chunk(hits[i].row));
        double score;
        kernels_.dot_double(state.query.values.data(), values, 1, rows_.columns, &score);
        hits[i].score = static_cast<float>(score);
      }
    });
    return hits;
  }

  static Hits Best(Hits hits, size_t top_k) {
    const auto better = [](const Hit& a, const Hit& b) {
      return a.score != b.score ? a.score > b.score : a.row < b.row;
    };
    if (hits.size() > top_k) {
      std::nth_element(hits.begin(), hits.begin() + (top_k - 1), hits.end(), better);
      const float last = hits[top_k - 1].score;
      hits.erase(std::partition(hits.begin() + top_k, hits.end(),
                                [last](const Hit& hit) { return hit.score == last; }),
                 hits.end());
    }
    std::sort(hits.begin(), hits.end(), better);
    return hits;
  }

  const kernels::KernelTable& kernels_;
  Crew& crew_;
  const Cancellation& cancellation_;
  RowsView rows_;
  size_t threads_ = 1;
  std::vector<State> states_;
  std::vector<size_t> quantized_, plain_;  // indexes of states_
  std::vector<int16_t> shorts_;            // of the quantized queries, [columns] each
};

}  // namespace

std::vector<Hits> Scan(const std::vector<std::shared_ptr<VectorQuery>>& queries,
                       const kernels::KernelTable& kernels, Crew& crew, const Cancellation& cancellation) {
  return Pass(queries, kernels, crew, cancellation).Run();
}

}  // namespace crossrank
