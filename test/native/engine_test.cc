// Many threads submit at once, requests fail, and the engine stops in the middle: every request is answered
// exactly once, with the scores that it has alone.
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <limits>
#include <thread>

#include "check.h"
#include "engine_requests.h"

namespace crossrank::testing {
namespace {

constexpr size_t kNoLimit =
    std::numeric_limits<size_t>::max();  // of queued tokens: slow builds must not refuse

std::shared_ptr<Request> MakeRequest(unsigned seed, size_t documents) {
  auto request = std::make_shared<Request>();
  request->queries = {"what is question number " + std::to_string(seed % 7)};
  for (size_t i = 0; i < documents; i++) {
    std::string text = "document";
    for (size_t k = 0; k < (seed * 31 + i * 17) % 60; k++) text += " word" + std::to_string((i + k) % 13);
    request->documents.push_back(text);
  }
  request->options.max_tokens = 128;
  request->options.rank = false;
  return request;
}

// Submits and waits for the answer.
Outcome Run(Engine& engine, const std::shared_ptr<Request>& request) {
  auto promise = std::make_shared<std::promise<Outcome>>();
  request->done = [promise](Outcome outcome) { promise->set_value(std::move(outcome)); };
  std::future<Outcome> answer = promise->get_future();
  engine.Submit(request);
  return answer.get();
}

void TestConcurrentRequests(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "concurrent requests";
  constexpr unsigned kRequests = 40;
  std::vector<std::vector<float>> expected(kRequests);
  {
    Engine engine(model, {1, 0});
    for (unsigned i = 0; i < kRequests; i++) expected[i] = Run(engine, MakeRequest(i, 1 + i % 9)).scores;
  }
  Engine engine(model, {3, 200});
  std::vector<std::vector<float>> actual(kRequests);
  std::vector<std::thread> callers;
  for (unsigned t = 0; t < 4; t++) {
    callers.emplace_back([&, t] {
      for (unsigned i = t; i < kRequests; i += 4) actual[i] = Run(engine, MakeRequest(i, 1 + i % 9)).scores;
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (unsigned i = 0; i < kRequests; i++) {
    CHECK(actual[i].size() == expected[i].size());
    CHECK(std::memcmp(actual[i].data(), expected[i].data(), expected[i].size() * sizeof(float)) == 0);
  }
}

std::shared_ptr<Request> MakeWindowed(unsigned seed) {
  auto request = MakeRequest(seed, 6);
  for (size_t i = 0; i < request->documents.size(); i++) {
    for (size_t k = 0; k < (seed + i) % 4 * 100; k++)
      request->documents[i] += " word" + std::to_string((seed * i + k * k) % 13);
  }
  request->options.rank = true;
  request->options.windows = WindowOptions{40, 20};
  if (seed % 2 == 0) request->options.windows->stop_score = 0;
  if (seed % 3 == 0) request->options.windows->max_windows = 5;
  return request;
}

// Some of them share windows, and some hang up.
void TestWindows(const std::shared_ptr<Model>& model) {
  constexpr unsigned kRequests = 24;
  const auto answers = [&](Engine& engine, unsigned cancelled_of) {
    std::vector<std::future<Outcome>> waiting;
    for (unsigned i = 0; i < kRequests; i++) {
      const auto request = MakeWindowed(i / 2);
      auto promise = std::make_shared<std::promise<Outcome>>();
      request->done = [promise](Outcome outcome) { promise->set_value(std::move(outcome)); };
      waiting.push_back(promise->get_future());
      engine.Submit(request);
      if (cancelled_of != 0 && i % cancelled_of == 0) engine.Cancel(request, CancelReason::kAborted);
    }
    std::vector<Outcome> outcomes;
    for (auto& each : waiting) outcomes.push_back(each.get());
    return outcomes;
  };
  Engine alone(model, {1, 0, kNoLimit});
  const std::vector<Outcome> expected = answers(alone, 0);
  for (const size_t cache_bytes : {size_t{0}, size_t{1} << 20}) {
    Engine engine(model, {3, 200, kNoLimit, {cache_bytes, std::chrono::hours(1)}});
    const std::vector<Outcome> actual = answers(engine, 5);
    for (unsigned i = 0; i < kRequests; i++) {
      Checks::Get().context = "windows, request " + std::to_string(i);
      const bool hung_up = actual[i].error && actual[i].error->code() == ErrorCode::kAborted;
      if (i % 5 == 0 && hung_up) continue;
      CHECK(!actual[i].error && actual[i].windows == expected[i].windows);
      CHECK(actual[i].ranked.size() == 6 && expected[i].ranked.size() == 6);
      for (size_t k = 0; k < actual[i].ranked.size(); k++) {
        const RankedDocument &one = actual[i].ranked[k], &other = expected[i].ranked[k];
        CHECK(one.index == other.index && one.score == other.score && one.windows == other.windows);
        CHECK(one.span.start == other.span.start && one.span.end == other.span.end);
        CHECK(one.tokens_lost == other.tokens_lost);
      }
    }
    const EngineStats stats = engine.Stats();
    CHECK(stats.queued_requests == 0 && stats.queued_tokens == 0);
  }
}

// A text that is not UTF-8 fails its own request and no other.
void TestFailureStaysAlone(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "a failure stays alone";
  Engine engine(model, {2, 0, kNoLimit});
  std::atomic<int> good{0}, failed{0}, answers{0};
  std::vector<std::shared_ptr<Request>> requests;
  for (unsigned i = 0; i < 60; i++) {
    auto request = MakeRequest(i, 80);
    const bool broken = i % 3 == 0;
    if (broken) request->documents[i % 80] = "\xff\xfe";
    request->done = [&, broken](Outcome outcome) {
      if (broken && outcome.error && outcome.error->code() == ErrorCode::kInvalidArgument) failed++;
      if (!broken && !outcome.error && outcome.scores.size() == 80) good++;
      answers++;
    };
    requests.push_back(request);
    engine.Submit(request);
  }
  while (answers < 60) std::this_thread::yield();
  CHECK(failed == 20);
  CHECK(good == 40);
}

void TestStopInTheMiddle(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "stop in the middle";
  for (unsigned round = 0; round < 20; round++) {
    constexpr int kRequests = 30;
    std::atomic<int> answers{0}, wrong{0};
    {
      Engine engine(model, {2, 0, kNoLimit});
      std::thread caller([&] {
        for (unsigned i = 0; i < kRequests; i++) {
          auto request = MakeRequest(i, 50);
          request->done = [&](Outcome outcome) {
            if (outcome.error && outcome.error->code() != ErrorCode::kClosed) wrong++;
            answers++;
          };
          engine.Submit(request);
        }
      });
      std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
      engine.Stop();
      caller.join();
      engine.Stop();  // twice is once
    }
    CHECK(answers == kRequests);
    CHECK(wrong == 0);
  }
}

// Tokens of a request are the same whoever computes them, and sizes count every run and every pair.
void TestTokensOfCachedPairs(const std::shared_ptr<Model>& model) {
  Engine engine(model, {2, 0, kNoLimit, {size_t{1} << 20, std::chrono::hours(1)}});
  const auto repeated = [] {
    auto request = MakeRequest(5, 9);
    request->documents.push_back(request->documents[0]);
    return request;
  };
  size_t pairs = 0, tokens = 0;
  for (const bool windowed : {false, true}) {
    Checks::Get().context = windowed ? "tokens of cached windows" : "tokens of cached pairs";
    const auto make = [&] { return windowed ? MakeWindowed(5) : repeated(); };
    const Outcome first = Run(engine, make()), second = Run(engine, make());
    CHECK(first.tokens > 0 && second.tokens == 0 && second.cached == second.windows);
    CHECK(second.cached_tokens == first.tokens + first.cached_tokens);
    CHECK(windowed || first.cached_tokens > 0);
    pairs += first.windows + second.windows;
    tokens += first.tokens + first.cached_tokens + second.cached_tokens;
  }
  Checks::Get().context = "sizes";
  const EngineStats stats = engine.Stats();
  uint64_t runs = 0, runs_by_tokens = 0, counted = 0;
  for (const uint64_t count : stats.run_pairs.bins) runs += count;
  for (const uint64_t count : stats.run_tokens.bins) runs_by_tokens += count;
  for (const uint64_t count : stats.pair_tokens.bins) counted += count;
  CHECK(runs > 0 && runs == runs_by_tokens);
  CHECK(stats.run_pairs.sum == stats.scored_pairs && stats.run_tokens.sum == stats.tokens);
  CHECK(counted == pairs && stats.pair_tokens.sum == tokens);
}

void TestSizeCounts() {
  Checks::Get().context = "a size is in the bin of the power of two that it does not exceed";
  SizeCounts<3> counts;
  for (const size_t value : {0, 1, 2, 3, 4, 5, 8, 9, 1000}) counts.Add(value);
  CHECK((counts.bins == std::array<uint64_t, 4>{2, 1, 2, 4}));
  CHECK(counts.sum == 1032);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  try {
    const auto model = LoadFixture("bert");
    TestConcurrentRequests(model);
    TestFailureStaysAlone(model);
    TestStopInTheMiddle(model);
    TestWindows(model);
    TestTokensOfCachedPairs(model);
    TestSizeCounts();
    const auto roberta = LoadFixture("roberta");
    TestConcurrentRequests(roberta);
  } catch (const std::exception& error) {
    CHECK(false);
    std::fprintf(stderr, "%s\n", error.what());
  }
  return Checks::Get().Report();
}
