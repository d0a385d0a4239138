#include "engine/engine.h"

#include <algorithm>
#include <cmath>

#include "common/thread_priority.h"
#include "engine/ranking.h"

namespace crossrank {
namespace {

// Sequences end to end lose nothing in small chunks, and these stay in the cache (measured: 256 to 768 tokens
// are alike; 2,048 are 10 % slower on Zen 5, thousands 15 to 25 % on Sapphire Rapids). A padded run has no
// such choice: 32 rows is what exported models are run with.
constexpr size_t kPackedChunkTokens = 512;
constexpr size_t kPaddedChunkTokens = 32 * 512;
constexpr size_t kPaddedChunkRows = 32;

// A slice is small enough that lanes share a request's texts, and large enough that taking one costs nothing.
constexpr size_t kSliceBytes = 32 * 1024;
constexpr size_t kSliceTexts = 32;

double Milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

ComposerLimits Limits(const EngineOptions& options, const Model& model) {
  const bool padded = !model.info().packed;
  return {ChunkTokens(options, !padded), padded ? kPaddedChunkRows : std::numeric_limits<size_t>::max(),
          padded, options.lanes};
}

const std::string& TextAt(const Request& request, size_t text) {
  const size_t queries = request.queries.size();
  return text < queries ? request.queries[text] : request.documents[text - queries];
}

}  // namespace

size_t ChunkTokens(const EngineOptions& options, bool packed) {
  if (options.max_tokens_per_chunk != 0) return options.max_tokens_per_chunk;
  return packed ? kPackedChunkTokens : kPaddedChunkTokens;
}

Engine::Engine(std::shared_ptr<Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      lane_count_(options.lanes),
      max_tokens_per_chunk_(ChunkTokens(options, model_->info().packed)),
      nice_(options.nice),
      composer_(Limits(options, *model_)),
      warm_ups_(options.lanes),
      handles_(options.lanes) {
  lanes_.reserve(lane_count_);
  try {
    for (size_t lane = 0; lane < lane_count_; lane++) lanes_.emplace_back([this, lane] { RunLane(lane); });
  } catch (const std::system_error& error) {
    Stop();
    throw Error(ErrorCode::kRuntime, std::string("cannot start an engine thread: ") + error.what());
  }
}

Engine::~Engine() { Stop(); }

void Engine::Submit(std::shared_ptr<Request> request) {
  request->submitted = Clock::now();
  request->tokens.resize(request->texts());
  std::vector<Slice> slices;
  for (size_t first = 0; first < request->texts();) {
    size_t count = 0, bytes = 0;
    while (first + count < request->texts() && count < kSliceTexts && bytes < kSliceBytes) {
      bytes += TextAt(*request, first + count).size();
      count++;
    }
    slices.push_back({request, slices.size(), first, count});
    first += count;
  }
  request->encoded.resize(slices.size());
  request->slices_left = slices.size();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (stopping_) {
      lock.unlock();
      Fail(request, Error(ErrorCode::kClosed, "the reranker has been disposed"));
      return;
    }
    active_.insert(request);
    slices_.insert(slices_.end(), slices.begin(), slices.end());
  }
  work_.notify_all();
}

void Engine::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  {
    std::lock_guard<std::mutex> lock(join_mutex_);
    for (RunHandle& handle : handles_) handle.Terminate();
    for (std::thread& lane : lanes_) lane.join();
    lanes_.clear();
  }
  std::unordered_set<std::shared_ptr<Request>> left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    left = active_;
    slices_.clear();
    for (auto& tasks : warm_ups_) tasks.clear();
  }
  for (const auto& request : left)
    Fail(request, Error(ErrorCode::kClosed, "the reranker was disposed during the call"));
}

std::vector<std::future<void>> Engine::WarmUp() {
  std::vector<std::future<void>> ended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kClosed, "the reranker has been disposed");
    for (size_t lane = 0; lane < lane_count_; lane++) {
      // A padded run keeps no memory for the next, so one row shows the weights as well as 32.
      const size_t most = model_->info().packed ? max_tokens_per_chunk_ : model_->info().max_tokens;
      std::packaged_task<void()> task([this, most, &handle = handles_[lane]] {
        RunEmptyTexts(most, handle);
        RunEmptyTexts(1, handle);
      });
      ended.push_back(task.get_future());
      warm_ups_[lane].push_back(std::move(task));
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
  model_->session().Run(batch, handle, logits.data());
}

void Engine::RunLane(size_t lane) {
  LowerThreadPriority(nice_);
  RunHandle& handle = handles_[lane];
  auto& warm_ups = warm_ups_[lane];
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock,
               [&] { return stopping_ || !warm_ups.empty() || !slices_.empty() || !composer_.empty(); });
    if (stopping_) return;
    if (!warm_ups.empty()) {
      std::packaged_task<void()> warm_up = std::move(warm_ups.front());
      warm_ups.pop_front();
      lock.unlock();
      warm_up();
      lock.lock();
      continue;
    }
    // Texts first: tokenizing costs a small part of scoring, and what is tokenized can share a chunk.
    if (!slices_.empty()) {
      const Slice slice = std::move(slices_.front());
      slices_.pop_front();
      lock.unlock();
      Tokenize(slice);
    } else {
      const std::vector<ChunkItem> chunk = composer_.Next();
      lock.unlock();
      if (!chunk.empty()) Score(chunk, handle);
    }
    lock.lock();
  }
}

void Engine::Tokenize(const Slice& slice) {
  Request& request = *slice.request;
  std::call_once(request.first_slice, [&] { request.tokenizing = Clock::now(); });
  try {
    if (!request.failed) {
      std::vector<std::string_view> texts(slice.text_count);
      for (size_t i = 0; i < texts.size(); i++) texts[i] = TextAt(request, slice.first_text + i);
      EncodedBatch& batch = request.encoded[slice.index];
      batch = model_->tokenizer().Encode(texts.data(), texts.size());
      for (size_t i = 0; i < texts.size(); i++) {
        request.tokens[slice.first_text + i] = batch.row(i);
        model_->layout().CheckTokens(batch.row(i));
      }
    }
  } catch (...) {
    Fail(slice.request, CurrentError());
  }
  if (--request.slices_left == 0 && !request.failed) Plan(slice.request);
}

void Engine::Plan(const std::shared_ptr<Request>& request) {
  try {
    const SequenceLayout& layout = model_->layout();
    const size_t room = request->options.max_tokens - layout.special_tokens();
    const size_t pairs = request->documents.size();
    request->lengths.resize(pairs);
    request->tokens_lost.resize(pairs);
    for (size_t i = 0; i < pairs; i++) {
      const PairLengths whole{request->query_tokens(i).size(), request->document_tokens(i).size()};
      const PairLengths kept = TruncatePair(whole, room, request->options.truncation);
      request->lengths[i] = kept;
      request->tokens_lost[i] =
          static_cast<uint32_t>(whole.query + whole.document - kept.query - kept.document);
      request->total_tokens += kept.query + kept.document + layout.special_tokens();
    }
    request->logits.resize(pairs * model_->info().labels);
    request->pairs_left = pairs;
    request->tokenized = Clock::now();
    for (std::string& document : request->documents)
      std::string().swap(document);  // its tokens are what is needed
    {
      std::lock_guard<std::mutex> lock(mutex_);
      composer_.Add(request, layout.special_tokens());
    }
    work_.notify_all();
  } catch (...) {
    Fail(request, CurrentError());
  }
}

void Engine::Score(const std::vector<ChunkItem>& chunk, const RunHandle& handle) {
  const size_t labels = model_->info().labels;
  std::vector<float> logits;
  try {
    const Clock::time_point now = Clock::now();
    logits.resize(chunk.size() * labels);
    SequenceBatch batch;
    for (const ChunkItem& item : chunk) {
      Request& request = *item.request;
      std::call_once(request.first_chunk, [&] { request.computing = now; });
      model_->layout().Append(request.query_tokens(item.document), request.document_tokens(item.document),
                              request.lengths[item.document], batch);
    }
    model_->session().Run(batch, handle, logits.data());
  } catch (...) {
    const Error error = CurrentError();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;  // Stop() tells the requests of a run that it ended itself
    }
    for (const ChunkItem& item : chunk) Fail(item.request, error);
    return;
  }
  for (size_t i = 0; i < chunk.size(); i++) {
    const auto& request = chunk[i].request;
    std::copy_n(logits.data() + i * labels, labels, request->logits.data() + chunk[i].document * labels);
    if (--request->pairs_left != 0) continue;
    try {
      Finish(request);
    } catch (...) {
      Fail(request, CurrentError());
    }
  }
}

void Engine::Finish(const std::shared_ptr<Request>& request) {
  for (size_t i = 0; i < request->logits.size(); i++) {
    if (std::isfinite(request->logits[i])) continue;
    const std::string layer = FirstNonFiniteLayer(*request, i / model_->info().labels);
    Fail(request, Error(ErrorCode::kModelInvalid, "the model in " + model_->info().folder +
                                                      " computed a score that is not finite" +
                                                      (layer.empty() ? "" : ", first in " + layer) +
                                                      "; its weights hold NaN or infinity, or overflow"));
    return;
  }
  Outcome outcome;
  outcome.pairs = request->documents.size();
  outcome.tokens = request->total_tokens;
  ApplyActivation(request->options.activation, request->logits);
  if (request->options.rank) {
    outcome.ranked = TopK(request->logits, request->tokens_lost, request->options);
  } else {
    outcome.scores = std::move(request->logits);
  }
  outcome.tokenize_ms = Milliseconds(request->tokenized - request->tokenizing);
  outcome.queue_ms = Milliseconds(request->tokenizing - request->submitted) +
                     Milliseconds(request->computing - request->tokenized);
  outcome.compute_ms = Milliseconds(Clock::now() - request->computing);
  Complete(request, std::move(outcome));
}

std::string Engine::FirstNonFiniteLayer(const Request& request, size_t pair) const {
  SequenceBatch batch;
  model_->layout().Append(request.query_tokens(pair), request.document_tokens(pair), request.lengths[pair],
                          batch);
  return model_->session().FindNonFinite(batch, RunHandle());
}

void Engine::Fail(const std::shared_ptr<Request>& request, const Error& error) {
  request->failed = true;
  Outcome outcome;
  outcome.error = error;
  Complete(request, std::move(outcome));
}

void Engine::Complete(const std::shared_ptr<Request>& request, Outcome outcome) {
  std::call_once(request->finished, [&] {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      active_.erase(request);
    }
    request->done(std::move(outcome));
  });
}

}  // namespace crossrank
