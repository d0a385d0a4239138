// The way of a request after it has left JavaScript.
//
//   Submit     the request is admitted or refused, its texts wait                     (caller's thread)
//   LookUp     pairs that the cache knows are answered                                (a lane)
//   Tokenize   a lane encodes a slice of the other texts; the last slice plans        (lanes)
//   Plan       every pair is cut to its length, or its document into windows; token
//              counts are known, pairs wait                                           (that lane)
//   Score      a lane runs a chunk that the scheduler composes from all requests      (lanes)
//   Answer     the lane that delivers a request's last pair ranks it and calls done() (that lane)
//
// A document's windows wait and are scored as pairs are, and are pairs to everything that counts pairs; they
// are not looked up but after Plan, which finds out what they are. Where a score ends a document, its next
// window waits once the one before is scored, so that what it gets depends on nothing else.
//
// Texts wait in the TextQueue, pairs in the Scheduler, whose header has the policy; Admission counts.
//
// A failure (a text that cannot be encoded, a run that throws, a logit that is not finite) ends the requests
// it touches and no other. Cancel() ends one request: what waits of it is dropped, a run that computes for it
// is ended, and pairs of others in that run wait again in their old place. Stop() ends running work, joins
// the lanes and ends every request that is left with kClosed.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "engine/admission.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/score_cache.h"
#include "engine/stats.h"
#include "engine/text_queue.h"

namespace crossrank {

struct EngineOptions {
  size_t lanes = 1;
  size_t max_tokens_per_chunk = 0;  // 0: what suits the model's path
  size_t max_queued_tokens = 0;     // 0: about ten seconds of work
  ScoreCache::Limits cache{};       // max_bytes 0: nothing is kept
  int nice = 0;                     // see LowerThreadPriority
  // In place of the model's: for tests of runs that fail, wait or are counted.
  std::shared_ptr<ScoringSession> session{};

  // All of them: rerankers that differ in one have an engine each.
  auto tie() const {
    return std::tie(lanes, max_tokens_per_chunk, max_queued_tokens, cache.max_bytes, cache.time_to_live, nice,
                    session);
  }
};

// Tokens of a chunk at most, of a model that runs packed or padded.
size_t ChunkTokens(const EngineOptions& options, bool packed);

class Engine {
 public:
  Engine(std::shared_ptr<Model> model, const EngineOptions& options);
  ~Engine();

  const Model& model() const { return *model_; }
  size_t lanes() const { return lanes_.size(); }
  size_t max_tokens_per_chunk() const { return max_tokens_per_chunk_; }

  // request->done is called exactly once, also when the request is refused or the engine is stopped already.
  void Submit(const std::shared_ptr<Request>& request);

  // Ends a request that has been submitted; one that has ended already stays as it is.
  void Cancel(const std::shared_ptr<Request>& request, CancelReason reason);

  // Answers a request that was never submitted, as Cancel does one that was.
  static void CancelUnsubmitted(Request& request, CancelReason reason, size_t labels);

  // Each lane runs a chunk of the most tokens and one of the fewest, so that its memory is there and the
  // weights are in pages. A future for each lane; it holds what the run threw, or broken_promise where the
  // engine was stopped before.
  std::vector<std::future<void>> WarmUp();

  // Idempotent; returns when no lane runs any more.
  void Stop();

  EngineStats Stats();

 private:
  struct Lane {
    std::thread thread;
    RunHandle handle;                                 // terminated and reset under the mutex
    std::vector<ChunkItem> chunk;                     // being run; changed under the mutex
    std::vector<ChunkItem> spent;                     // the lane's own: requests are let go without the mutex
    Clock::time_point ended_at;                       // when its run was ended
    std::deque<std::packaged_task<void()>> warm_ups;  // under the mutex
  };
  // A request that was withdrawn, and why if it failed.
  struct Ended {
    std::shared_ptr<Request> request;
    std::optional<Error> error;
  };
  // A run's logits, or why there are none; of pairs that came out not finite, why.
  struct Run {
    std::vector<float> logits;  // [pairs, labels]
    std::optional<Error> error;
    std::vector<std::optional<Error>> not_finite;  // [pairs]
    size_t tokens = 0;
    Clock::duration time{};
  };

  void RunLane(Lane& lane);
  bool TextsComeNext();
  void RunEmptyTexts(size_t tokens, const RunHandle& handle);

  // engine_texts.cc
  void LookUp(const std::shared_ptr<Request>& request);
  void Tokenize(const TextTask& task);
  void Plan(const std::shared_ptr<Request>& request);
  static std::vector<TextTask> Slices(const std::shared_ptr<Request>& request);
  bool AnswerFromCache(Request& request, size_t document, Clock::time_point now);
  // Lets a job wait, unless the cache has its logits: with the mutex held, as the next.
  void Enqueue(Job& job, Clock::time_point now);
  // Whether the job goes on with its document's next window, and is to be enqueued again.
  bool Take(Job& job, Span<const float> logits);

  // engine_chunks.cc
  void Score(Lane& lane, std::unique_lock<std::mutex>& lock);
  Run RunChunk(const Lane& lane) const;
  void Append(const ChunkItem& item, SequenceBatch& batch) const;
  Error NotFinite(const ChunkItem& item) const;
  std::vector<Ended> Deliver(const std::vector<ChunkItem>& chunk, const Run& run);
  void DeliverPair(const ChunkItem& item, Span<const float> logits, std::vector<Ended>& ended);
  void FailPair(const ChunkItem& item, const Error& error, std::vector<Ended>& ended);
  void FailRequest(Request& request, const Error& error, std::vector<Ended>& ended);
  void NoteChunk(const std::vector<ChunkItem>& chunk);
  void NoteScore(float logit);

  // With the mutex held: takes an active request out of everything; it then belongs to the caller, who
  // answers it. False where it has ended already.
  bool Withdraw(Request& request);
  void EndUnwantedRuns();

  void Fail(const std::shared_ptr<Request>& request, const Error& error);
  // For the owner of a request that was withdrawn, or never active; calls done().
  static void AnswerCancelled(Request& request, CancelReason reason);
  static void Answer(Request& request, const std::optional<Error>& error, bool degraded = false);

  const std::shared_ptr<Model> model_;
  const std::shared_ptr<ScoringSession> session_;
  const size_t max_tokens_per_chunk_;
  const int nice_;

  std::mutex mutex_;  // guards what follows, and what request.h says
  std::condition_variable work_;
  Admission admission_;
  TextQueue texts_;
  Scheduler scheduler_;
  ScoreCache cache_;
  std::unordered_set<std::shared_ptr<Request>> active_;
  EngineStats stats_;
  bool texts_were_last_ = false;
  bool stopping_ = false;

  std::mutex join_mutex_;  // taken before mutex_
  std::vector<Lane> lanes_;
};

}  // namespace crossrank
