// Engine: running chunks, and what comes out of them.
#include <algorithm>
#include <cmath>

#include "engine/engine.h"

namespace crossrank {

void Engine::Score(Lane& lane, std::unique_lock<std::mutex>& lock) {
  std::optional<Error> refused;
  try {
    scheduler_.Next(lane.chunk);
  } catch (...) {
    refused = CurrentError();
  }
  const Clock::time_point started = Clock::now();
  if (!refused) NoteChunk(lane.chunk);
  for (const ChunkItem& item : lane.chunk) {
    for (Job* job = item.work->jobs; job != nullptr; job = job->next) {
      if (job->request->computing == Clock::time_point()) job->request->computing = started;
    }
  }
  lock.unlock();
  Run run;
  if (refused) {
    run.error = refused;
  } else {
    run = RunChunk(lane);
  }
  lock.lock();
  if (stopping_) return;  // Stop() answers the requests of a run that it ended itself
  const bool was_ended = lane.handle.terminated();
  if (was_ended) {
    lane.handle.Reset();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - lane.ended_at).count();
    stats_.ended_runs++;
    stats_.ended_runs_ms += ms;
    stats_.ended_runs_most_ms = std::max(stats_.ended_runs_most_ms, ms);
  }
  const bool was_empty = scheduler_.empty();
  std::vector<Ended> ended;
  if (was_ended && run.error) {
    stats_.restarted_pairs +=
        static_cast<uint64_t>(std::count_if(lane.chunk.begin(), lane.chunk.end(), [](const ChunkItem& item) {
          return item.work->jobs != nullptr;
        }));
    scheduler_.PutBack(lane.chunk);
  } else {
    ended = Deliver(lane.chunk, run);
  }
  const bool wake = was_empty && !scheduler_.empty();
  lane.spent.swap(lane.chunk);  // its works are gone
  EndUnwantedRuns();
  lock.unlock();
  if (wake) work_.notify_all();
  for (const Ended& each : ended) Answer(*each.request, each.error);
  lane.spent.clear();
}

void Engine::Append(const ChunkItem& item, SequenceBatch& batch) const {
  const Request& request = *item.request;
  const Piece& piece = request.pieces[item.piece];
  const Span<const uint32_t> document = request.document_tokens(piece.document);
  model_->layout().Append(request.query_tokens(piece.document),
                          document.subspan(piece.first, piece.document_tokens),
                          {piece.query_tokens, piece.document_tokens}, batch);
}

Engine::Run Engine::RunChunk(const Lane& lane) const {
  Run run;
  const size_t labels = model_->info().labels;
  const Clock::time_point started = Clock::now();
  try {
    run.logits.resize(lane.chunk.size() * labels);
    run.not_finite.resize(lane.chunk.size());
    SequenceBatch batch;
    for (const ChunkItem& item : lane.chunk) {
      Append(item, batch);
    }
    run.tokens = batch.tokens();
    session_->Run(batch, lane.handle, run.logits.data());
    run.time = Clock::now() - started;
    for (size_t i = 0; i < lane.chunk.size(); i++) {
      const float* const row = run.logits.data() + i * labels;
      const bool finite = std::all_of(row, row + labels, [](float logit) { return std::isfinite(logit); });
      if (!finite) run.not_finite[i] = NotFinite(lane.chunk[i]);
    }
  } catch (...) {
    run.error = CurrentError();
  }
  return run;
}

Error Engine::NotFinite(const ChunkItem& item) const {
  SequenceBatch batch;
  Append(item, batch);
  const std::string layer = session_->FindNonFinite(batch, RunHandle());
  return Error(ErrorCode::kModelInvalid, "the model in " + model_->info().folder + " computed " +
                                             (model_->info().embeds ? "an embedding" : "a score") +
                                             " that is not finite" +
                                             (layer.empty() ? "" : ", first in " + layer) +
                                             "; its weights hold NaN or infinity, or overflow");
}

std::vector<Engine::Ended> Engine::Deliver(const std::vector<ChunkItem>& chunk, const Run& run) {
  std::vector<Ended> ended;
  const size_t labels = model_->info().labels;
  if (!run.error) admission_.NoteRun(run.tokens, std::chrono::duration<double>(run.time).count());
  for (size_t i = 0; i < chunk.size(); i++) {
    if (run.error) {
      FailPair(chunk[i], *run.error, ended);
    } else if (run.not_finite[i]) {
      FailPair(chunk[i], *run.not_finite[i], ended);
    } else {
      DeliverPair(chunk[i], {run.logits.data() + i * labels, labels}, ended);
    }
  }
  return ended;
}

void Engine::DeliverPair(const ChunkItem& item, Span<const float> logits, std::vector<Ended>& ended) {
  stats_.scored_pairs++;
  stats_.tokens += item.tokens;
  if (!model_->info().embeds) NoteScore(logits[0]);
  if (item.request->options.share) {
    try {
      const uint32_t document = item.request->pieces[item.piece].document;
      cache_.Insert(item.work->key, {logits, item.tokens, item.request->tokens_lost[document]}, Clock::now());
    } catch (const std::bad_alloc&) {
      // Then it is not cached.
    }
  }
  Job* next = nullptr;
  for (Job* job = scheduler_.Finish(item); job != nullptr; job = next) {
    next = job->next;
    Request& request = *job->request;
    if (request.ended) continue;
    if (&request == item.request.get() && job->piece == item.piece) {
      request.computed_tokens += job->tokens;
    } else {
      request.cached++;
      request.cached_tokens += job->tokens;
      stats_.shared_pairs++;
    }
    try {
      if (Take(*job, logits)) Enqueue(*job, Clock::now());
    } catch (...) {
      FailRequest(request, CurrentError(), ended);
      continue;
    }
    if (request.pairs_left != 0) continue;
    ended.push_back({request.shared_from_this(), std::nullopt});
    Withdraw(request);
  }
}

// All that want the pair get the error; their requests have ended with it.
void Engine::FailPair(const ChunkItem& item, const Error& error, std::vector<Ended>& ended) {
  Job* next = nullptr;
  for (Job* job = scheduler_.Finish(item); job != nullptr; job = next) {
    next = job->next;
    if (!job->request->ended) FailRequest(*job->request, error, ended);
  }
}

void Engine::FailRequest(Request& request, const Error& error, std::vector<Ended>& ended) {
  ended.push_back({request.shared_from_this(), error});
  Withdraw(request);
  stats_.failed++;
}

void Engine::NoteChunk(const std::vector<ChunkItem>& chunk) {
  size_t tokens = 0;
  for (const ChunkItem& item : chunk) tokens += item.tokens;
  stats_.run_pairs.Add(chunk.size());
  stats_.run_tokens.Add(tokens);
}

void Engine::NoteScore(float logit) {
  const double sigmoid = 1 / (1 + std::exp(-static_cast<double>(logit)));
  const auto bin = static_cast<size_t>(sigmoid * EngineStats::kBins);
  stats_.sigmoid_scores[std::min(bin, EngineStats::kBins - 1)]++;
}

}  // namespace crossrank
