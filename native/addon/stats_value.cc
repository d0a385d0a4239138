#include "addon/stats_value.h"

#include <array>
#include <initializer_list>
#include <utility>

namespace crossrank::addon {
namespace {

using Field = std::pair<const char*, double>;

Napi::Object Fields(Napi::Env env, std::initializer_list<Field> fields) {
  Napi::Object out = Napi::Object::New(env);
  for (const auto& [name, value] : fields) out[name] = Napi::Number::New(env, value);
  return out;
}

double Number(uint64_t value) { return static_cast<double>(value); }

template <size_t kBins>
Napi::Array Numbers(Napi::Env env, const std::array<uint64_t, kBins>& values) {
  Napi::Array out = Napi::Array::New(env, kBins);
  for (uint32_t i = 0; i < kBins; i++) out.Set(i, Napi::Number::New(env, Number(values[i])));
  return out;
}

template <size_t kPowers>
Napi::Object SizesToJs(Napi::Env env, const SizeCounts<kPowers>& counts) {
  Napi::Object out = Fields(env, {{"sum", Number(counts.sum)}});
  out["bins"] = Numbers(env, counts.bins);
  return out;
}

}  // namespace

Napi::Object StatsToJs(Napi::Env env, const EngineStats& stats) {
  Napi::Object out = Napi::Object::New(env);
  out["queue"] = Fields(env, {{"requests", Number(stats.queued_requests)},
                              {"tokens", Number(stats.queued_tokens)},
                              {"maxTokens", Number(stats.max_queued_tokens)}});
  out["running"] =
      Fields(env, {{"chunks", Number(stats.running_chunks)}, {"pairs", Number(stats.running_pairs)}});
  out["requests"] = Fields(env, {{"ended", Number(stats.requests)},
                                 {"refused", Number(stats.refused)},
                                 {"failed", Number(stats.failed)},
                                 {"aborted", Number(stats.aborted)},
                                 {"timedOut", Number(stats.timed_out)},
                                 {"degraded", Number(stats.degraded)}});
  out["scored"] = Fields(env, {{"pairs", Number(stats.scored_pairs)},
                               {"tokens", Number(stats.tokens)},
                               {"shared", Number(stats.shared_pairs)},
                               {"restarted", Number(stats.restarted_pairs)}});
  out["tokensPerSecond"] = Napi::Number::New(env, stats.tokens_per_second);
  out["cache"] = Fields(env, {{"entries", Number(stats.cache_entries)},
                              {"bytes", Number(stats.cache_bytes)},
                              {"hits", Number(stats.cache_hits)},
                              {"misses", Number(stats.cache_misses)}});
  const double mean = stats.ended_runs == 0 ? 0 : stats.ended_runs_ms / Number(stats.ended_runs);
  out["endedRuns"] = Fields(
      env, {{"count", Number(stats.ended_runs)}, {"meanMs", mean}, {"maxMs", stats.ended_runs_most_ms}});
  Napi::Object sizes = Napi::Object::New(env);
  sizes["runPairs"] = SizesToJs(env, stats.run_pairs);
  sizes["runTokens"] = SizesToJs(env, stats.run_tokens);
  sizes["pairTokens"] = SizesToJs(env, stats.pair_tokens);
  out["sizes"] = sizes;
  out["scores"] = Numbers(env, stats.sigmoid_scores);
  return out;
}

}  // namespace crossrank::addon
