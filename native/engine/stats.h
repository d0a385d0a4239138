// What an engine has done so far, and what waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace crossrank {

// Numbers by powers of two: bin i counts those up to 2^i that no bin before it counts, the last one the rest.
template <size_t kPowers>
struct SizeCounts {
  std::array<uint64_t, kPowers + 1> bins{};
  uint64_t sum = 0;

  void Add(size_t value) {
    size_t bin = 0;
    while (bin < kPowers && value > (size_t{1} << bin)) bin++;
    bins[bin]++;
    sum += value;
  }
  void Add(const SizeCounts& other) {
    for (size_t bin = 0; bin < bins.size(); bin++) bins[bin] += other.bins[bin];
    sum += other.sum;
  }
};

struct EngineStats {
  // Now
  size_t queued_requests = 0;  // admitted and not ended
  size_t queued_tokens = 0;    // left of them
  size_t max_queued_tokens = 0;
  size_t running_chunks = 0, running_pairs = 0;
  size_t cache_entries = 0, cache_bytes = 0;
  double tokens_per_second = 0;  // of all lanes, a moving average over runs; at first an estimate

  // Since the engine was made
  uint64_t requests = 0;  // that were admitted and have ended, in whatever way
  uint64_t refused = 0;   // for a full queue; not among the requests
  uint64_t failed = 0, aborted = 0;
  uint64_t timed_out = 0, degraded = 0;  // degraded: of those timed out, answered all the same
  uint64_t scored_pairs = 0;             // run by the model, each once
  uint64_t tokens = 0;                   // of them
  uint64_t cache_hits = 0;               // pairs answered from the cache
  uint64_t cache_misses = 0;             // pairs looked for and not found
  uint64_t shared_pairs = 0;             // answered by a run for the same pair of this or another request
  uint64_t restarted_pairs = 0;

  // Of runs, restarted ones each time; and of pairs, answered from the cache or not. The borders are those of
  // text-embeddings-inference.
  SizeCounts<13> run_pairs;
  SizeCounts<21> run_tokens;
  SizeCounts<20> pair_tokens;

  // From a cancellation that ended a run to the lane being free.
  uint64_t ended_runs = 0;
  double ended_runs_ms = 0, ended_runs_most_ms = 0;

  // Pairs by the sigmoid of their (first) logit: bin i counts [i / 20, (i + 1) / 20).
  static constexpr size_t kBins = 20;
  std::array<uint64_t, kBins> sigmoid_scores{};
};

}  // namespace crossrank
