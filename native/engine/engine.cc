#include "engine/engine.h"

#include <cmath>

#include "common/thread_priority.h"
#include "engine/pieces.h"
#include "engine/ranking.h"

namespace crossrank {
namespace {

// Sequences end to end lose nothing in small chunks, and these stay in the cache (measured: 256 to 768 tokens
// are alike; 2,048 are 10 % slower on Zen 5, thousands 15 to 25 % on Sapphire Rapids). A padded run has no
// such choice: 32 rows is what exported models are run with.
constexpr size_t kPackedChunkTokens = 512;
constexpr size_t kPaddedChunkTokens = 32 * 512;
constexpr size_t kPaddedChunkRows = 32;

// So that composing allocates nothing, but for chunks of very short pairs.
constexpr size_t kUsualChunkItems = 256;

// 0 where one of them has not come.
double Milliseconds(Clock::time_point from, Clock::time_point to) {
  if (from == Clock::time_point() || to == Clock::time_point()) return 0;
  return std::chrono::duration<double, std::milli>(to - from).count();
}

ChunkLimits LimitsOfChunks(const EngineOptions& options, const Model& model) {
  const bool padded = !model.info().packed;
  return {ChunkTokens(options, !padded), padded ? kPaddedChunkRows : std::numeric_limits<size_t>::max(),
          padded, options.lanes};
}

// A token's matrix products. Of an exported graph only the size is known: most weights are used once a token.
size_t MultiplyAddsPerToken(const ModelInfo& model) {
  if (!model.packed) return model.weight_bytes / sizeof(float);
  return model.layers * (4 * model.hidden_size + 2 * model.intermediate_size) * model.hidden_size;
}

Admission::Limits LimitsOfAdmission(const EngineOptions& options, const Model& model) {
  return {options.max_queued_tokens, options.lanes, ChunkTokens(options, model.info().packed),
          MultiplyAddsPerToken(model.info()), model.layout().special_tokens()};
}

Error CancelError(CancelReason reason, const Request& request) {
  switch (reason) {
    case CancelReason::kAborted:
      return Error(ErrorCode::kAborted, "the call was aborted");
    case CancelReason::kTimedOut:
      break;
    case CancelReason::kClosed:
      return Error(ErrorCode::kClosed, "the reranker or embedder was disposed during the call");
  }
  const std::string scored = std::to_string(request.pairs() - request.pairs_left);
  if (request.queries.empty()) {
    return Error(ErrorCode::kTimeout, "timeoutMs passed with " + scored + " of " +
                                          std::to_string(request.pairs()) +
                                          " texts embedded; raise it, or send fewer texts");
  }
  return Error(ErrorCode::kTimeout, "timeoutMs passed with " + scored + " of " +
                                        std::to_string(request.pairs()) +
                                        " pairs scored; raise it, send fewer documents, or take what is "
                                        "there with rerank's option onTimeout");
}

void Prepare(Request& request, size_t labels) {
  request.submitted = Clock::now();
  request.pairs_left = request.pairs();
  request.logits.assign(request.pairs() * labels, std::nanf(""));
  request.tokens_lost.resize(request.pairs());
  request.progress.resize(request.pairs());
}

bool TakesWhatIsThere(const Request& request, CancelReason reason) {
  return reason == CancelReason::kTimedOut && request.options.on_timeout != OnTimeout::kError;
}

// The best window so far of a document is not the best one of all: where time was over, it does not count.
void ForgetUnfinished(Request& request) {
  if (!request.options.windows) return;
  for (size_t d = 0; d < request.pairs(); d++) {
    if (request.progress[d].left != 0) request.logits[d] = std::nanf("");
  }
}

Outcome OutcomeOf(Request& request, bool degraded) {
  const RequestOptions& options = request.options;
  Outcome outcome;
  outcome.pairs = request.pairs();
  outcome.scored = request.pairs() - request.pairs_left;
  outcome.windows = request.windows_scored;
  outcome.cached = request.cached;
  outcome.tokens = request.computed_tokens;
  outcome.cached_tokens = request.cached_tokens;
  outcome.degraded = degraded;
  outcome.tokenize_ms = Milliseconds(request.tokenizing, request.tokenized);
  outcome.queue_ms = Milliseconds(request.submitted, request.tokenizing) +
                     Milliseconds(request.tokenized, request.computing);
  outcome.compute_ms = Milliseconds(request.computing, Clock::now());
  ForgetUnfinished(request);
  ApplyActivation(options.activation, request.logits);
  if (!options.rank) {
    outcome.scores = std::move(request.logits);
    outcome.tokens_lost = request.tokens_lost;  // a run that goes on for others still reads them
  } else if (degraded && options.on_timeout == OnTimeout::kInputOrder) {
    outcome.ranked = FirstK(request.logits, request.tokens_lost, options);
  } else {
    outcome.ranked = TopK(request.logits, request.tokens_lost, options);
  }
  for (RankedDocument& document : outcome.ranked) {
    const Progress& progress = request.progress[document.index];
    document.windows = progress.scored;
    if (options.windows && !std::isnan(document.score)) document.span = SpanOf(request, progress.best);
  }
  return outcome;
}

}  // namespace

size_t ChunkTokens(const EngineOptions& options, bool packed) {
  if (options.max_tokens_per_chunk != 0) return options.max_tokens_per_chunk;
  return packed ? kPackedChunkTokens : kPaddedChunkTokens;
}

Engine::Engine(std::shared_ptr<Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      session_(options.session ? options.session
                               : std::shared_ptr<ScoringSession>(model_, &model_->session())),
      max_tokens_per_chunk_(ChunkTokens(options, model_->info().packed)),
      nice_(options.nice),
      admission_(LimitsOfAdmission(options, *model_)),
      scheduler_(LimitsOfChunks(options, *model_)),
      cache_(options.cache, model_->info().labels),
      lanes_(options.lanes) {
  try {
    for (Lane& lane : lanes_) {
      lane.chunk.reserve(kUsualChunkItems);
      lane.spent.reserve(kUsualChunkItems);
      lane.thread = std::thread([this, &lane] { RunLane(lane); });
    }
  } catch (const std::system_error& error) {
    Stop();
    throw Error(ErrorCode::kRuntime, std::string("cannot start an engine thread: ") + error.what());
  }
}

Engine::~Engine() { Stop(); }

void Engine::Submit(const std::shared_ptr<Request>& request) {
  std::optional<Error> refused;
  try {
    Prepare(*request, model_->info().labels);
    std::vector<TextTask> tasks{{request, true}};
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kClosed, "the reranker or embedder has been disposed");
    active_.insert(request);
    try {
      admission_.Admit(*request);
    } catch (...) {
      active_.erase(request);
      throw;
    }
    texts_.Add(std::move(tasks));
  } catch (...) {
    refused = CurrentError();
  }
  if (!refused) {
    work_.notify_one();
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (refused->code() == ErrorCode::kQueueFull) stats_.refused++;
    Withdraw(*request);
  }
  Answer(*request, refused);
}

void Engine::Cancel(const std::shared_ptr<Request>& request, CancelReason reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!Withdraw(*request)) return;
    if (reason == CancelReason::kAborted) stats_.aborted++;
    if (reason == CancelReason::kTimedOut) stats_.timed_out++;
    if (TakesWhatIsThere(*request, reason)) stats_.degraded++;
    EndUnwantedRuns();
  }
  AnswerCancelled(*request, reason);
}

void Engine::CancelUnsubmitted(Request& request, CancelReason reason, size_t labels) {
  try {
    Prepare(request, labels);
  } catch (...) {
    Answer(request, CurrentError());
    return;
  }
  AnswerCancelled(request, reason);
}

void Engine::AnswerCancelled(Request& request, CancelReason reason) {
  if (TakesWhatIsThere(request, reason)) {
    Answer(request, std::nullopt, true);
  } else {
    Answer(request, CancelError(reason, request));
  }
}

void Engine::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    for (Lane& lane : lanes_) lane.handle.Terminate();
  }
  work_.notify_all();
  {
    std::lock_guard<std::mutex> lock(join_mutex_);
    for (Lane& lane : lanes_) {
      if (lane.thread.joinable()) lane.thread.join();
    }
  }
  std::vector<std::shared_ptr<Request>> left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    left.assign(active_.begin(), active_.end());
    for (const auto& request : left) Withdraw(*request);
    for (Lane& lane : lanes_) {
      lane.chunk.clear();
      lane.warm_ups.clear();
    }
  }
  for (const auto& request : left) Answer(*request, CancelError(CancelReason::kClosed, *request));
}

EngineStats Engine::Stats() {
  std::lock_guard<std::mutex> lock(mutex_);
  EngineStats stats = stats_;
  stats.queued_requests = admission_.queued_requests();
  stats.queued_tokens = admission_.queued_tokens();
  stats.max_queued_tokens = admission_.max_queued_tokens();
  stats.tokens_per_second = admission_.tokens_per_second();
  stats.cache_entries = cache_.entries();
  stats.cache_bytes = cache_.bytes();
  for (const Lane& lane : lanes_) {
    stats.running_chunks += lane.chunk.empty() ? 0 : 1;
    stats.running_pairs += lane.chunk.size();
  }
  return stats;
}

std::vector<std::future<void>> Engine::WarmUp() {
  std::vector<std::future<void>> ended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kClosed, "the reranker or embedder has been disposed");
    // A padded run keeps no memory for the next, so one row shows the weights as well as 32.
    const size_t most = model_->info().packed ? max_tokens_per_chunk_ : model_->info().max_tokens;
    for (Lane& lane : lanes_) {
      std::packaged_task<void()> task([this, most, &handle = lane.handle] {
        RunEmptyTexts(most, handle);
        RunEmptyTexts(1, handle);
      });
      ended.push_back(task.get_future());
      lane.warm_ups.push_back(std::move(task));
    }
  }
  work_.notify_all();
  return ended;
}

void Engine::RunEmptyTexts(size_t tokens, const RunHandle& handle) {
  const SequenceLayout& layout = model_->layout();
  const size_t room = std::min(tokens, model_->info().max_tokens);
  const std::vector<uint32_t> document(room - std::min(room, layout.special_tokens()));  // of token 0
  SequenceBatch batch;
  do {
    layout.Append({}, document, {0, document.size()}, batch);
  } while (batch.tokens() + room <= tokens);
  std::vector<float> logits(batch.sequences() * model_->info().labels);
  session_->Run(batch, handle, logits.data());
}

void Engine::RunLane(Lane& lane) {
  LowerThreadPriority(nice_);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock,
               [&] { return stopping_ || !lane.warm_ups.empty() || !texts_.empty() || !scheduler_.empty(); });
    if (stopping_) return;
    if (!lane.warm_ups.empty()) {
      std::packaged_task<void()> warm_up = std::move(lane.warm_ups.front());
      lane.warm_ups.pop_front();
      lock.unlock();
      warm_up();
      lock.lock();
      continue;
    }
    texts_were_last_ = TextsComeNext();
    if (texts_were_last_) {
      const TextTask task = texts_.Next();
      if (task.request->tokenizing == Clock::time_point()) task.request->tokenizing = Clock::now();
      lock.unlock();
      task.look_up ? LookUp(task.request) : Tokenize(task);
    } else {
      Score(lane, lock);
    }
    if (!lock.owns_lock()) lock.lock();
  }
}

// Tokenizing costs a small part of scoring, and what is tokenized can share a chunk: texts come first until
// there is a chunk for every lane. Then they take turns, so that a request with few pairs does not wait for
// all texts of one with many; and so they do when interactive pairs wait, but texts of bulk alone.
bool Engine::TextsComeNext() {
  if (texts_.empty()) return false;
  if (scheduler_.empty()) return true;
  const bool enough = scheduler_.waiting_tokens() >= lanes_.size() * max_tokens_per_chunk_ ||
                      (scheduler_.waits(Priority::kInteractive) && !texts_.waits(Priority::kInteractive));
  return !enough || !texts_were_last_;
}

bool Engine::Withdraw(Request& request) {
  if (active_.erase(request.shared_from_this()) == 0) return false;
  request.ended = true;
  texts_.Remove(request);
  scheduler_.Remove(request);
  admission_.Release(request);
  stats_.requests++;
  return true;
}

void Engine::EndUnwantedRuns() {
  for (Lane& lane : lanes_) {
    if (lane.handle.terminated() || !Scheduler::ShouldEnd(lane.chunk)) continue;
    lane.ended_at = Clock::now();
    lane.handle.Terminate();
  }
}

void Engine::Fail(const std::shared_ptr<Request>& request, const Error& error) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!Withdraw(*request)) return;
    stats_.failed++;
    EndUnwantedRuns();
  }
  Answer(*request, error);
}

void Engine::Answer(Request& request, const std::optional<Error>& error, bool degraded) {
  Outcome outcome;
  try {
    if (!error) outcome = OutcomeOf(request, degraded);
    outcome.error = error;
  } catch (...) {
    outcome.error = CurrentError();
  }
  request.done(std::move(outcome));
}

}  // namespace crossrank
