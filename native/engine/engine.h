// The way of a request after it has left JavaScript.
//
//   Submit     the request's texts are cut into slices and queued                     (caller's thread)
//   Tokenize   a lane encodes a slice; the lane that ends the last slice plans        (lanes)
//   Plan       every pair is cut to its length, token counts are known, pairs wait    (that lane)
//   Score      a lane composes a chunk from all waiting requests and runs it          (lanes)
//   Finish     the lane that ends a request's last pair ranks it and calls done()     (that lane)
//
// A failure (a text that cannot be encoded, a run that throws, a logit that is not finite) ends the requests
// it touches and no other. Stop() ends running work, joins the lanes and ends every request that is left with
// kClosed.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "engine/composer.h"
#include "engine/model.h"
#include "engine/request.h"

namespace crossrank {

struct EngineOptions {
  size_t lanes = 1;
  size_t max_tokens_per_chunk = 0;  // 0: what suits the model's path
  int nice = 0;                     // see LowerThreadPriority

  // All of them: rerankers that differ in one have an engine each.
  auto tie() const { return std::tie(lanes, max_tokens_per_chunk, nice); }
};

// Tokens of a chunk at most, of a model that runs packed or padded.
size_t ChunkTokens(const EngineOptions& options, bool packed);

class Engine {
 public:
  Engine(std::shared_ptr<Model> model, const EngineOptions& options);
  ~Engine();

  const Model& model() const { return *model_; }
  size_t lanes() const { return lane_count_; }
  size_t max_tokens_per_chunk() const { return max_tokens_per_chunk_; }

  // request->done is called exactly once, also when the engine is stopped already.
  void Submit(std::shared_ptr<Request> request);

  // Ends a request with an error, unless it has ended already. What is left of its work is dropped.
  void Cancel(const std::shared_ptr<Request>& request, const Error& error) { Fail(request, error); }

  // Each lane runs a chunk of the most tokens and one of the fewest, so that its memory is there and the
  // weights are in pages. A future for each lane; it holds what the run threw, or broken_promise where the
  // engine was stopped before.
  std::vector<std::future<void>> WarmUp();

  // Idempotent; returns when no lane runs any more.
  void Stop();

 private:
  struct Slice {
    std::shared_ptr<Request> request;
    size_t index, first_text, text_count;
  };

  void RunLane(size_t lane);
  void RunEmptyTexts(size_t tokens, const RunHandle& handle);
  void Tokenize(const Slice& slice);
  void Plan(const std::shared_ptr<Request>& request);
  void Score(const std::vector<ChunkItem>& chunk, const RunHandle& handle);
  void Finish(const std::shared_ptr<Request>& request);
  std::string FirstNonFiniteLayer(const Request& request, size_t pair) const;
  void Fail(const std::shared_ptr<Request>& request, const Error& error);
  void Complete(const std::shared_ptr<Request>& request, Outcome outcome);

  const std::shared_ptr<Model> model_;
  const size_t lane_count_;
  const size_t max_tokens_per_chunk_;
  const int nice_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::deque<Slice> slices_;
  Composer composer_;
  std::unordered_set<std::shared_ptr<Request>> active_;
  std::vector<std::deque<std::packaged_task<void()>>> warm_ups_;  // [lanes]
  bool stopping_ = false;

  std::mutex join_mutex_;
  std::vector<RunHandle> handles_;  // one a lane
  std::vector<std::thread> lanes_;
};

}  // namespace crossrank
