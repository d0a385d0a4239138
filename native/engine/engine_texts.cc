// Engine: from texts to pairs that wait.
#include <algorithm>
#include <cmath>

#include "engine/engine.h"
#include "engine/pieces.h"

namespace crossrank {
namespace {

// A slice is small enough that lanes share a request's texts, and large enough that taking one costs nothing.
constexpr size_t kSliceBytes = 32 * 1024;
constexpr size_t kSliceTexts = 32;

// Looked up or added before the mutex is let go: Submit and Cancel, on the JavaScript thread, wait for it.
constexpr size_t kPairsAtOnce = 512;

const std::string& TextAt(const Request& request, size_t text) {
  const size_t queries = request.queries.size();
  return text < queries ? request.queries[text] : request.documents[text - queries];
}

std::vector<PairKey> KeysOf(const Request& request) {
  std::vector<PairKey> queries, keys;
  queries.reserve(request.queries.size());
  keys.reserve(request.pairs());
  for (const std::string& query : request.queries) queries.push_back(KeyOfText(query));
  for (size_t d = 0; d < request.pairs(); d++) {
    const PairKey query = queries.empty() ? PairKey() : queries[request.query(d)];
    keys.push_back(KeyOfPair(query, KeyOfText(request.documents[d]), request.options.max_tokens,
                             request.options.truncation));
  }
  return keys;
}

std::vector<uint32_t> TextsOf(const Request& request, const std::vector<uint32_t>& documents) {
  std::vector<bool> wanted(request.texts());
  for (const uint32_t d : documents) {
    wanted[request.queries.size() + d] = true;
    if (!request.queries.empty()) wanted[request.query(d)] = true;
  }
  std::vector<uint32_t> texts;
  for (size_t text = 0; text < wanted.size(); text++) {
    if (wanted[text]) texts.push_back(static_cast<uint32_t>(text));
  }
  return texts;
}

}  // namespace

bool Engine::AnswerFromCache(Request& request, size_t document, Clock::time_point now) {
  const auto found = cache_.Find(request.keys[document], now);
  if (!found) return false;
  std::copy(found->logits.begin(), found->logits.end(),
            request.logits.begin() + static_cast<ptrdiff_t>(document * found->logits.size()));
  request.tokens_lost[document] = found->tokens_lost;
  request.progress[document].scored = 1;
  request.pairs_left--;
  request.windows_scored++;
  request.cached++;
  request.cached_tokens += found->tokens;
  stats_.cache_hits++;
  stats_.pair_tokens.Add(found->tokens);
  return true;
}

void Engine::LookUp(const std::shared_ptr<Request>& request) {
  try {
    if (request->options.share) request->keys = KeysOf(*request);
    std::vector<uint32_t>& missing = request->missing;
    missing.reserve(request->pairs());
    const bool look_up = request->options.share && !request->options.windows;
    const Clock::time_point now = Clock::now();
    std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
    for (size_t first = 0; first < request->pairs(); first += kPairsAtOnce) {
      lock.lock();
      if (request->ended) return;
      const size_t end = std::min(first + kPairsAtOnce, request->pairs());
      for (size_t d = first; d < end; d++) {
        if (look_up && AnswerFromCache(*request, d, now)) continue;
        missing.push_back(static_cast<uint32_t>(d));
        if (look_up) stats_.cache_misses++;
      }
      if (request->pairs_left == 0) {
        Withdraw(*request);
        lock.unlock();
        return Answer(*request, std::nullopt);
      }
      if (end == request->pairs())
        admission_.Recount(*request, request->queued_tokens * missing.size() / request->pairs());
      lock.unlock();
    }
    request->wanted = TextsOf(*request, request->missing);
    request->tokens.resize(request->texts());
    if (request->options.windows) request->offsets.resize(request->texts());
    std::vector<TextTask> slices = Slices(request);
    request->encoded.resize(slices.size());
    request->slices_left = slices.size();
    lock.lock();
    if (!request->ended) texts_.Add(std::move(slices));
  } catch (...) {
    return Fail(request, CurrentError());
  }
  work_.notify_all();
}

std::vector<TextTask> Engine::Slices(const std::shared_ptr<Request>& request) {
  const std::vector<uint32_t>& wanted = request->wanted;
  std::vector<TextTask> slices;
  for (size_t first = 0; first < wanted.size();) {
    size_t count = 0, bytes = 0;
    while (first + count < wanted.size() && count < kSliceTexts && bytes < kSliceBytes)
      bytes += TextAt(*request, wanted[first + count++]).size();
    slices.push_back({request, false, slices.size(), first, count});
    first += count;
  }
  return slices;
}

void Engine::Tokenize(const TextTask& task) {
  Request& request = *task.request;
  try {
    if (!request.ended) {
      std::vector<std::string_view> texts(task.count);
      for (size_t i = 0; i < texts.size(); i++) texts[i] = TextAt(request, request.wanted[task.first + i]);
      EncodedBatch& batch = request.encoded[task.slice];
      const bool with_offsets = request.options.windows.has_value();
      batch = model_->tokenizer().Encode(texts.data(), texts.size(), with_offsets);
      for (size_t i = 0; i < texts.size(); i++) {
        const uint32_t text = request.wanted[task.first + i];
        request.tokens[text] = batch.row(i);
        if (with_offsets) request.offsets[text] = batch.offsets(i);
        model_->layout().CheckTokens(batch.row(i));
      }
    }
  } catch (...) {
    Fail(task.request, CurrentError());
  }
  if (--request.slices_left == 0 && !request.ended) Plan(task.request);
}

void Engine::Plan(const std::shared_ptr<Request>& request) {
  try {
    size_t bytes = 0, text_tokens = 0;
    for (const uint32_t text : request->wanted) {
      bytes += TextAt(*request, text).size();
      text_tokens += request->tokens[text].size();
    }
    PiecePlan plan = PlanPieces(*request, model_->layout());
    PairQueue queue;
    queue.Fill(JobsOf(*request, plan, model_->layout()), request->options.on_timeout != OnTimeout::kError);
    for (std::string& document : request->documents)
      std::string().swap(document);  // its tokens are what is needed
    decltype(stats_.pair_tokens) sizes;
    for (const Piece& piece : plan.pieces) sizes.Add(piece.tokens(model_->layout().special_tokens()));
    request->pieces = std::move(plan.pieces);

    std::unique_lock<std::mutex> lock(mutex_);
    if (request->ended) return;
    admission_.NoteTexts(bytes, text_tokens);
    admission_.Recount(*request, sizes.sum);
    stats_.pair_tokens.Add(sizes);
    for (size_t i = 0; i < request->missing.size(); i++) {
      request->progress[request->missing[i]] = plan.progress[i];
      request->tokens_lost[request->missing[i]] = plan.tokens_lost[i];
    }
    request->tokenized = Clock::now();
    request->queue = std::move(queue);
    std::vector<Job>& jobs = request->queue.jobs();
    scheduler_.Admit(*request);
    for (size_t first = 0; first < jobs.size(); first += kPairsAtOnce) {
      if (!lock.owns_lock()) lock.lock();
      if (request->ended) return;
      const size_t end = std::min(first + kPairsAtOnce, jobs.size());
      for (size_t i = first; i < end; i++) Enqueue(jobs[i], request->tokenized);
      if (request->pairs_left == 0) {
        Withdraw(*request);
        lock.unlock();
        return Answer(*request, std::nullopt);
      }
      lock.unlock();
      work_.notify_all();
    }
  } catch (...) {
    Fail(request, CurrentError());
  }
}

void Engine::Enqueue(Job& job, Clock::time_point now) {
  Request& request = *job.request;
  if (!request.options.share) return scheduler_.Add(job, nullptr);
  // Pairs have been looked up before they were tokenized, but may have been scored for others since.
  const bool looked_up = !request.options.windows;
  for (bool goes_on = true; goes_on;) {
    const PairKey key = KeyOfPiece(request, request.pieces[job.piece]);
    const auto found = cache_.Find(key, now);
    if (!found) {
      if (!looked_up) stats_.cache_misses++;
      return scheduler_.Add(job, &key);
    }
    stats_.cache_hits++;
    if (looked_up) stats_.cache_misses--;
    request.cached++;
    request.cached_tokens += job.tokens;
    goes_on = Take(job, found->logits);
  }
}

bool Engine::Take(Job& job, Span<const float> logits) {
  const Taken taken = TakeLogits(job, logits);
  admission_.Recount(*job.request, job.request->queued_tokens - taken.tokens);
  return taken.goes_on;
}

}  // namespace crossrank
