// The registry under many threads at once: every request is answered exactly once, whatever is closed,
// unloaded or cancelled meanwhile, and nothing is left in the end. Made for ThreadSanitizer (npm run
// test:sanitize).
#include "engine/registry.h"

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "check.h"
#include "engine_requests.h"

namespace crossrank::testing {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

using Handle = std::shared_ptr<EngineHandle>;

Handle Acquire(const std::string& fixture, std::chrono::milliseconds idle_unload,
               Cancellation& cancellation) {
  HolderOptions holder;
  holder.idle_unload = idle_unload;
  EngineOptions options;
  options.lanes = 2;
  options.max_queued_tokens = kNoLimit;
  options.cache = {1 << 20, std::chrono::hours(1)};
  return EngineRegistry::Get().Acquire(FixtureOptions(fixture), options, holder, cancellation);
}

std::vector<std::string> Documents(size_t count, const std::string& text) {
  std::vector<std::string> documents(count);
  for (size_t i = 0; i < count; i++) documents[i] = text + " " + std::to_string(i);
  return documents;
}

void WaitUntilUnloaded(const EngineHandle& handle) {
  while (EngineRegistry::Get().IsLoaded(handle)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void AllHoldersShareOneEngine() {
  Checks::Get().context = "one engine";
  EngineRegistry& registry = EngineRegistry::Get();
  Cancellation never;
  const Handle first = Acquire("bert", HolderOptions::kNever, never);
  const Handle second = Acquire("bert", HolderOptions::kNever, never);
  CHECK(first->slot == second->slot);
  {
    Call call("query", Documents(3, "planet"));
    registry.Submit(first, call.request);
    CHECK(call.Wait().scored == 3);
  }
  CHECK(registry.Stats(*second).scored_pairs == 3);
  registry.Close(*first);
  Call late("query", Documents(1, "late"));
  registry.Submit(first, late.request);
  CHECK(late.Wait().error->code() == ErrorCode::kClosed);
  {
    Call call("query", Documents(3, "planet"));
    registry.Submit(second, call.request);
    CHECK(call.Wait().cached == 3);
  }
  registry.Close(*second);
  registry.WaitUntilGone(*second, never);
  CHECK(!registry.IsLoaded(*second));
}

// While its model is loaded again, and after, whichever comes first.
void ARequestThatWaitsForAReloadCanTimeOut() {
  Checks::Get().context = "time-out during a reload";
  EngineRegistry& registry = EngineRegistry::Get();
  Cancellation never;
  const Handle handle = Acquire("bert", std::chrono::milliseconds(0), never);
  for (const OnTimeout on_timeout : {OnTimeout::kPartial, OnTimeout::kInputOrder, OnTimeout::kError}) {
    WaitUntilUnloaded(*handle);
    Call call("query", Documents(500, "planet"));
    call.request->options.on_timeout = on_timeout;
    call.request->options.rank = true;
    call.request->options.share = false;
    registry.Submit(handle, call.request);
    registry.Cancel(*handle, call.request, CancelReason::kTimedOut);
    const Outcome outcome = call.Wait();
    if (on_timeout == OnTimeout::kError) {
      CHECK(outcome.error && outcome.error->code() == ErrorCode::kTimeout);
    } else {
      CHECK(!outcome.error && outcome.degraded && outcome.scored < 500 && outcome.ranked.size() == 500);
    }
  }
  registry.Close(*handle);
  registry.WaitUntilGone(*handle, never);
}

void AFailedLoadIsTriedAgain() {
  Checks::Get().context = "failed load";
  Cancellation never;
  for (int i = 0; i < 2; i++) {
    try {
      Acquire("no-such-fixture", HolderOptions::kNever, never);
      CHECK(false);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kModelNotFound);
    }
  }
}

// Loads, calls, cancellations, idle unloads and closes of two models by eight holders at a time.
void Storm() {
  Checks::Get().context = "storm";
  constexpr unsigned kThreads = 4, kRounds = 20, kCalls = 6;
  EngineRegistry& registry = EngineRegistry::Get();
  std::atomic<unsigned> answers{0}, cancelled_loads{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (unsigned round = 0; round < kRounds; round++) {
        Cancellation ending;
        const bool hurried = random() % 8 == 0;
        std::thread canceller;
        if (hurried) canceller = std::thread([&ending] { ending.Cancel(); });
        Handle handle;
        try {
          handle = Acquire(random() % 2 ? "bert" : "roberta",
                           random() % 2 ? std::chrono::milliseconds(0) : HolderOptions::kNever, ending);
        } catch (const Error& error) {
          if (error.code() == ErrorCode::kClosed && hurried) cancelled_loads++;
        }
        if (hurried) canceller.join();
        if (!handle) {
          answers += hurried ? kCalls : 0;
          continue;
        }
        {
          std::vector<std::unique_ptr<Call>> calls;
          for (unsigned i = 0; i < kCalls; i++) {
            calls.push_back(
                std::make_unique<Call>("query", Documents(1 + random() % 30, std::to_string(random() % 5))));
            Call& call = *calls.back();
            call.request->options.on_timeout = random() % 2 ? OnTimeout::kPartial : OnTimeout::kError;
            registry.Submit(handle, call.request);
            if (random() % 3 == 0)
              registry.Cancel(*handle, call.request,
                              random() % 2 ? CancelReason::kTimedOut : CancelReason::kAborted);
            if (random() % 4 == 0) registry.Stats(*handle);
          }
          if (random() % 2) registry.Close(*handle);
          for (const auto& call : calls) {
            call->Wait();
            answers++;
          }
        }
        registry.Close(*handle);
        Cancellation never;
        registry.WaitUntilGone(*handle, never);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answers == kThreads * kRounds * kCalls);
  CHECK(cancelled_loads < kThreads * kRounds);
}

void NothingStartsAfterStop() {
  Checks::Get().context = "stop";
  EngineRegistry& registry = EngineRegistry::Get();
  Cancellation never;
  const Handle handle = Acquire("bert", HolderOptions::kNever, never);
  Call call("query", Documents(2000, "planet"));
  registry.Submit(handle, call.request);
  registry.Stop();
  const Outcome outcome = call.Wait();
  CHECK(outcome.scored == 2000 || outcome.error->code() == ErrorCode::kClosed);
  try {
    Acquire("bert", HolderOptions::kNever, never);
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kClosed);
  }
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  try {
    AllHoldersShareOneEngine();
    ARequestThatWaitsForAReloadCanTimeOut();
    AFailedLoadIsTriedAgain();
    Storm();
    NothingStartsAfterStop();
  } catch (const std::exception& error) {
    CHECK(false);
    std::fprintf(stderr, "%s\n", error.what());
  }
  return Checks::Get().Report();
}
