// Runs that fail, that take long, that come out as NaN, that are ended: the requests they touch get their
// answer, others lose nothing, and the engine goes on. The session is a fake that the tests hold in their
// hand.
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <limits>
#include <mutex>
#include <new>
#include <thread>

#include "check.h"
#include "engine_requests.h"

namespace crossrank::testing {
namespace {

// Scores a sequence with its last word's token, so that every pair has a score to be known by.
class FakeSession : public ScoringSession {
 public:
  size_t labels() const override { return 1; }

  void Run(const SequenceBatch& batch, const RunHandle& handle, float* logits) override {
    std::unique_lock<std::mutex> lock(mutex_);
    const size_t run = runs_++;
    started_ += batch.sequences();
    changed_.notify_all();
    while (run >= held_from_) {
      // As ONNX Runtime does it: a run looks at its flag from time to time.
      changed_.wait_for(lock, std::chrono::milliseconds(1));
      if (handle.terminated()) throw Error(ErrorCode::kRuntime, "Exiting due to terminate flag being set");
    }
    if (fault) fault();
    for (size_t i = 0; i < batch.sequences(); i++) logits[i] = Score(batch, i);
    sequences_ += batch.sequences();
  }

  // Called by every run, which it may let fail.
  std::function<void()> fault;
  bool scores_nan = false;

  // Runs from the next on, or from a later one, wait until they are let go or ended.
  void Hold(size_t after = 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    held_from_ = runs_ + after;
  }
  void LetGo() {
    std::lock_guard<std::mutex> lock(mutex_);
    held_from_ = std::numeric_limits<size_t>::max();
    changed_.notify_all();
  }
  // Until so many sequences, or runs, have begun.
  void AwaitStarted(size_t sequences) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return started_ >= sequences; });
  }
  void AwaitRuns(size_t runs) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return runs_ >= runs; });
  }
  size_t sequences() {
    std::lock_guard<std::mutex> lock(mutex_);
    return sequences_;
  }

 private:
  float Score(const SequenceBatch& batch, size_t sequence) const {
    if (scores_nan) return std::nanf("");
    double sum = 0;
    for (int32_t i = batch.offsets[sequence]; i < batch.offsets[sequence + 1]; i++) sum += batch.ids[i] % 97;
    return static_cast<float>(sum);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t held_from_ = std::numeric_limits<size_t>::max();
  size_t started_ = 0, runs_ = 0, sequences_ = 0;  // sequences: of runs that came to their end
};

struct Rig {
  std::shared_ptr<FakeSession> session = std::make_shared<FakeSession>();
  Engine engine;

  explicit Rig(const std::shared_ptr<Model>& model, size_t lanes = 1, size_t cache_bytes = 1 << 20,
               size_t max_queued_tokens = 0)
      : engine(model, Options(lanes, cache_bytes, max_queued_tokens)) {}
  ~Rig() { session->LetGo(); }

  EngineOptions Options(size_t lanes, size_t cache_bytes, size_t max_queued_tokens) {
    EngineOptions options;
    options.lanes = lanes;
    options.max_queued_tokens = max_queued_tokens;
    options.cache = {cache_bytes, std::chrono::hours(1)};
    options.session = session;
    return options;
  }

  // The lane is busy with a pair of this call when this returns.
  std::unique_ptr<Call> Occupy() {
    session->Hold();
    auto call = std::make_unique<Call>("occupies the lane", std::vector<std::string>{"document"});
    call->SubmitTo(engine);
    session->AwaitStarted(1);
    return call;
  }
};

std::vector<std::string> Documents(size_t count, const std::string& about) {
  std::vector<std::string> documents;
  for (size_t i = 0; i < count; i++) documents.push_back(about + " " + std::to_string(i));
  return documents;
}

bool IsCode(const Outcome& outcome, ErrorCode code) { return outcome.error && outcome.error->code() == code; }

void TestFailingRun(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "a run that fails is the error of its requests, and the next works";
  Rig rig(model);
  const std::function<void()> faults[] = {[] { throw std::runtime_error("out of luck"); },
                                          [] { throw std::bad_alloc(); }, [] { throw 42; }};
  for (const auto& fault : faults) {
    const std::vector<std::string> documents =
        Documents(50, "planet " + std::to_string(rig.session->sequences()));
    rig.session->fault = fault;
    CHECK(IsCode(Call("query", documents).SubmitTo(rig.engine).Wait(), ErrorCode::kRuntime));
    rig.session->fault = nullptr;
    CHECK(Call("query", documents).SubmitTo(rig.engine).Wait().scored == 50);
  }
  CHECK(rig.engine.Stats().failed == 3);
}

void TestNaN(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "NaN is an error, and is not kept";
  Rig rig(model);
  rig.session->scores_nan = true;
  CHECK(IsCode(Call("query", {"a", "b"}).SubmitTo(rig.engine).Wait(), ErrorCode::kModelInvalid));
  CHECK(rig.engine.Stats().cache_entries == 0);
  rig.session->scores_nan = false;
  const Outcome outcome = Call("query", {"a", "b"}).SubmitTo(rig.engine).Wait();
  CHECK(!outcome.error && outcome.cached == 0);
}

void TestCache(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "a pair is scored once, in a request, across requests and later";
  Rig rig(model, 2);
  const Outcome first = Call("query", {"a", "b", "a", "c", "a"}).SubmitTo(rig.engine).Wait();
  CHECK(rig.session->sequences() == 3);
  CHECK(first.scored == 5 && first.cached == 2);
  CHECK(first.scores[0] == first.scores[2] && first.scores[0] == first.scores[4]);
  const Outcome second = Call("query", {"c", "d", "a"}).SubmitTo(rig.engine).Wait();
  CHECK(rig.session->sequences() == 4 && second.cached == 2);
  CHECK(second.scores[0] == first.scores[3] && second.scores[2] == first.scores[0]);
  const Outcome third = Call("query", {"c", "d", "a"}).SubmitTo(rig.engine).Wait();
  CHECK(rig.session->sequences() == 4 && third.cached == 3 && third.tokens == 0);
  CHECK(third.scores == second.scores);
  Call("another query", {"a"}).SubmitTo(rig.engine).Wait();
  CHECK(rig.session->sequences() == 5);
  Call unshared("query", {"a", "a"});
  unshared.request->options.share = false;
  CHECK(unshared.SubmitTo(rig.engine).Wait().cached == 0);
  CHECK(rig.session->sequences() == 7);
  const EngineStats stats = rig.engine.Stats();
  CHECK(stats.cache_hits == 5 && stats.shared_pairs == 2 && stats.scored_pairs == 7 &&
        stats.cache_entries == 5);
  CHECK(stats.cache_misses == 7);
}

void TestSharedInFlight(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "requests that want the same pairs at the same time share them";
  Rig rig(model);
  const auto busy = rig.Occupy();
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 8; i++) {
    calls.push_back(std::make_unique<Call>("query", Documents(30, "planet")));
    if (i % 2) calls.back()->request->options.priority = Priority::kBulk;
    calls.back()->SubmitTo(rig.engine);
  }
  rig.session->LetGo();
  size_t tokens = busy->Wait().tokens;
  std::vector<float> scores;
  for (const auto& call : calls) {
    const Outcome outcome = call->Wait();
    CHECK(!outcome.error && outcome.scored == 30);
    if (scores.empty()) scores = outcome.scores;
    CHECK(outcome.scores == scores);
    tokens += outcome.tokens;
  }
  CHECK(rig.session->sequences() == 31);
  CHECK(tokens == rig.engine.Stats().tokens);
}

void TestAbortOfOneSubscriber(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "one of two who share a run hangs up: the run goes on for the other";
  Rig rig(model, 2);
  rig.session->Hold();
  Call first("query", {"shared"}), second("query", {"shared"}), third("query", {"other"});
  first.SubmitTo(rig.engine);
  rig.session->AwaitStarted(1);
  second.SubmitTo(rig.engine);
  third.SubmitTo(rig.engine);
  rig.session->AwaitStarted(2);  // the second was planned before the third, so it has joined
  rig.engine.Cancel(first.request, CancelReason::kAborted);
  CHECK(IsCode(first.Wait(), ErrorCode::kAborted));
  rig.session->LetGo();
  CHECK(second.Wait().scored == 1 && third.Wait().scored == 1);
  const EngineStats stats = rig.engine.Stats();
  CHECK(stats.aborted == 1 && stats.ended_runs == 0 && stats.scored_pairs == 2);
}

void TestTimeoutOfOneSubscriber(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "one of two who share a run takes what is there: the pair is kept with what was cut";
  Rig rig(model, 2);
  rig.session->Hold();
  std::string words;
  for (int i = 0; i < 400; i++) words += "planet ";
  Call first("query", {words}), second("query", {words}), third("query", {"other"});
  first.request->options.on_timeout = OnTimeout::kPartial;
  first.SubmitTo(rig.engine);
  rig.session->AwaitStarted(1);
  second.SubmitTo(rig.engine);
  third.SubmitTo(rig.engine);
  rig.session->AwaitStarted(2);  // the second was planned before the third, so it has joined
  rig.engine.Cancel(first.request, CancelReason::kTimedOut);
  const Outcome partial = first.Wait();
  CHECK(partial.degraded && partial.scored == 0 && partial.tokens_lost[0] > 0);
  rig.session->LetGo();
  const Outcome whole = second.Wait();
  third.Wait();
  CHECK(!whole.error && whole.tokens_lost == partial.tokens_lost);
  const Outcome again = Call("query", {words}).SubmitTo(rig.engine).Wait();
  CHECK(again.cached == 1 && again.tokens_lost == partial.tokens_lost);
}

void TestAbortEndsTheRun(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "an abort ends a running chunk, and others in it lose nothing";
  Rig rig(model);
  const auto busy = rig.Occupy();
  Call aborted("query", Documents(5, "planet")), other("other", Documents(5, "star"));
  aborted.SubmitTo(rig.engine);
  other.SubmitTo(rig.engine);
  rig.engine.Cancel(busy->request, CancelReason::kAborted);  // ends the run that holds the lane
  CHECK(IsCode(busy->Wait(), ErrorCode::kAborted));
  rig.session->AwaitStarted(1 + 10);  // both are in the next run
  rig.engine.Cancel(aborted.request, CancelReason::kAborted);
  CHECK(IsCode(aborted.Wait(), ErrorCode::kAborted));
  rig.session->AwaitStarted(1 + 10 + 5);
  rig.session->LetGo();
  CHECK(other.Wait().scored == 5);
  CHECK(rig.session->sequences() == 5);
  const EngineStats stats = rig.engine.Stats();
  CHECK(stats.ended_runs == 2 && stats.restarted_pairs == 5 && stats.aborted == 2);
  CHECK(stats.queued_requests == 0 && stats.queued_tokens == 0);
  CHECK(Call("query", Documents(5, "planet")).SubmitTo(rig.engine).Wait().scored == 5);
}

void TestTimeouts(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "time-outs";
  for (const OnTimeout on_timeout : {OnTimeout::kError, OnTimeout::kPartial, OnTimeout::kInputOrder}) {
    Rig rig(model);
    // Too long for one chunk: the first is let through, the second is held.
    std::string text;
    for (int k = 0; k < 100; k++) text += " planet";
    Call call("query", Documents(12, text));
    call.request->options.on_timeout = on_timeout;
    call.request->options.rank = true;
    rig.session->Hold(1);
    call.SubmitTo(rig.engine);
    rig.session->AwaitRuns(2);
    rig.engine.Cancel(call.request, CancelReason::kTimedOut);
    rig.engine.Cancel(call.request, CancelReason::kAborted);  // no effect any more
    const Outcome outcome = call.Wait();
    if (on_timeout == OnTimeout::kError) {
      CHECK(IsCode(outcome, ErrorCode::kTimeout));
      CHECK(std::string(outcome.error->what()).find(" of 12 pairs scored") != std::string::npos);
      continue;
    }
    CHECK(outcome.degraded && outcome.scored > 0 && outcome.scored < 12 && outcome.ranked.size() == 12);
    for (size_t i = 0; i < outcome.ranked.size(); i++) {
      const RankedDocument& document = outcome.ranked[i];
      // What was scored are the first documents.
      CHECK(std::isnan(document.score) == (document.index >= outcome.scored));
      if (on_timeout == OnTimeout::kInputOrder || i >= outcome.scored) CHECK(document.index == i);
      if (on_timeout == OnTimeout::kPartial && i > 0 && i < outcome.scored)
        CHECK(outcome.ranked[i - 1].score >= document.score);
    }
    CHECK(rig.engine.Stats().degraded == 1 && rig.engine.Stats().timed_out == 1);
  }
}

void TestQueueFull(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "a full queue refuses whole requests, and takes a large one alone";
  Rig rig(model, 1, 0, 200);
  rig.session->Hold();
  Call large("query", Documents(500, "planet")), small("query", {"planet"});
  large.SubmitTo(rig.engine);
  const Outcome refused = small.SubmitTo(rig.engine).Wait();
  CHECK(IsCode(refused, ErrorCode::kQueueFull));
  const Error::Details& details = refused.error->details();
  CHECK(details.size() == 3 && details[0] == std::make_pair(std::string("queuedRequests"), 1.0));
  CHECK(details[1].second > 200 && details[2].first == "retryAfterMs" && details[2].second > 0);
  rig.session->LetGo();
  CHECK(large.Wait().scored == 500);
  CHECK(Call("query", {"planet"}).SubmitTo(rig.engine).Wait().scored == 1);
  const EngineStats stats = rig.engine.Stats();
  CHECK(stats.refused == 1 && stats.queued_requests == 0 && stats.queued_tokens == 0);
}

void TestInteractiveOvertakesBulk(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "an interactive request overtakes bulk work that waits";
  Rig rig(model, 1, 0);
  const auto busy = rig.Occupy();
  Call bulk("query", Documents(2000, "planet")), urgent("query", Documents(10, "star"));
  bulk.request->options.priority = Priority::kBulk;
  std::atomic<bool> bulk_ended{false}, bulk_was_later{false};
  const auto done = bulk.request->done;
  bulk.request->done = [&](Outcome outcome) {
    bulk_ended = true;
    done(std::move(outcome));
  };
  const auto urgent_done = urgent.request->done;
  urgent.request->done = [&](Outcome outcome) {
    bulk_was_later = !bulk_ended;
    urgent_done(std::move(outcome));
  };
  bulk.SubmitTo(rig.engine);
  urgent.SubmitTo(rig.engine);
  rig.session->LetGo();
  CHECK(urgent.Wait().scored == 10);
  CHECK(bulk.Wait().scored == 2000);
  CHECK(bulk_was_later);
}

// Callers that hang up, run out of time, share pairs and fail, at random: every one gets one answer.
void TestStorm(const std::shared_ptr<Model>& model) {
  Checks::Get().context = "a storm";
  Rig rig(model, 3, 1 << 16, std::numeric_limits<size_t>::max());
  std::atomic<unsigned> runs{0};
  rig.session->fault = [&] {
    if (++runs % 50 == 0) throw std::runtime_error("out of luck");
  };
  constexpr unsigned kCallers = 4, kCalls = 400;
  std::atomic<int> answers{0};
  std::vector<std::thread> callers;
  for (unsigned t = 0; t < kCallers; t++) {
    callers.emplace_back([&, t] {
      for (unsigned i = 0; i < kCalls; i++) {
        const unsigned seed = t * 7919 + i * 104729;
        Call call("query " + std::to_string(seed % 3), Documents(1 + seed % 40, std::to_string(seed % 11)));
        call.request->options.on_timeout = seed % 2 ? OnTimeout::kPartial : OnTimeout::kError;
        call.request->options.share = seed % 5 != 0;
        call.request->options.priority = seed % 4 == 0 ? Priority::kBulk : Priority::kInteractive;
        call.SubmitTo(rig.engine);
        if (seed % 3 == 0) std::this_thread::yield();
        if (seed % 3 == 0)
          rig.engine.Cancel(call.request, seed % 2 ? CancelReason::kTimedOut : CancelReason::kAborted);
        call.Wait();
        answers++;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(answers == kCallers * kCalls);
  const EngineStats stats = rig.engine.Stats();
  CHECK(stats.requests == kCallers * kCalls);
  CHECK(stats.queued_requests == 0 && stats.queued_tokens == 0);
  rig.session->fault = nullptr;
  CHECK(Call("query", Documents(40, "planet")).SubmitTo(rig.engine).Wait().scored == 40);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  try {
    const auto model = LoadFixture("bert");
    TestFailingRun(model);
    TestNaN(model);
    TestCache(model);
    TestSharedInFlight(model);
    TestAbortOfOneSubscriber(model);
    TestTimeoutOfOneSubscriber(model);
    TestAbortEndsTheRun(model);
    TestTimeouts(model);
    TestQueueFull(model);
    TestInteractiveOvertakesBulk(model);
    TestStorm(model);
  } catch (const std::exception& error) {
    CHECK(false);
    std::fprintf(stderr, "%s\n", error.what());
  }
  return Checks::Get().Report();
}
