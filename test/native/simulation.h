// A scheduler under a simulated clock: lanes whose runs take as long as their chunks have tokens, requests
// that come, hang up and share pairs. What happened is recorded for the tests to judge.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "check.h"
#include "engine/scheduler.h"

namespace crossrank::testing {

inline std::shared_ptr<Request> RequestOf(const std::vector<uint32_t>& tokens,
                                          Priority priority = Priority::kInteractive,
                                          bool in_input_order = false) {
  auto request = std::make_shared<Request>();
  request->options.priority = priority;
  std::vector<Job> jobs(tokens.size());
  for (uint32_t d = 0; d < tokens.size(); d++) {
    jobs[d].request = request.get();
    jobs[d].piece = d;
    jobs[d].tokens = tokens[d];
  }
  request->queue.Fill(std::move(jobs), in_input_order);
  return request;
}

// With the keys of its documents, or each pair its own.
inline void AddTo(Scheduler& scheduler, Request& request, const std::vector<PairKey>& keys = {}) {
  scheduler.Admit(request);
  for (Job& job : request.queue.jobs()) scheduler.Add(job, keys.empty() ? nullptr : &keys[job.piece]);
}

class Simulation {
 public:
  explicit Simulation(const ChunkLimits& limits)
      : limits_(limits), scheduler_(limits), lanes_(limits.lanes) {}

  struct Seen {
    std::shared_ptr<Request> request;
    size_t tokens = 0, earlier = 0;  // its own; left of earlier ones of its class when it came
    size_t later = 0, others = 0;    // of its class, taken before its last pair
    bool fewest = true;              // no other had fewer tokens left, at any time
    std::map<uint32_t, int> scored;  // by document
    bool removed = false;
    size_t came = 0, through = 0;  // simulated time
  };

  void Add(const std::shared_ptr<Request>& request, const std::vector<PairKey>& keys = {}) {
    Seen& seen = seen_[request.get()];
    seen.request = request;
    seen.came = now_;
    for (const Job& job : request->queue.jobs()) seen.tokens += job.tokens;
    for (const auto& [other, entry] : seen_) {
      if (other != request.get() && other->options.priority == request->options.priority)
        seen.earlier += other->queue.waiting_tokens();
    }
    AddTo(scheduler_, *request, keys);
  }

  void Remove(Request& request) {
    scheduler_.Remove(request);
    seen_[&request].removed = true;
    for (Lane& lane : lanes_) {
      if (!Scheduler::ShouldEnd(lane.chunk)) continue;
      for (const ChunkItem& item : lane.chunk) restarts_[item.work]++;
      scheduler_.PutBack(lane.chunk);
      lane.chunk.clear();
    }
  }

  // Free lanes take chunks; false when all are idle then.
  bool Fill() {
    bool busy = false;
    for (Lane& lane : lanes_) {
      if (lane.chunk.empty()) Take(lane);
      busy = busy || !lane.chunk.empty();
    }
    return busy;
  }

  // The next run ends.
  void Advance() {
    Lane* next = nullptr;
    for (Lane& lane : lanes_) {
      if (!lane.chunk.empty() && (next == nullptr || lane.ends < next->ends)) next = &lane;
    }
    if (next == nullptr) return;
    now_ = next->ends;
    for (const ChunkItem& item : next->chunk) {
      for (Job* job = scheduler_.Finish(item); job != nullptr; job = job->next) {
        Seen& seen = seen_[job->request];
        seen.scored[job->piece]++;
        seen.through = now_;
      }
      runs_++;
    }
    next->chunk.clear();
  }

  void Finish() {
    while (Fill()) Advance();
  }

  // Every pair of a request that stayed was scored once, and of one that went at most once.
  void CheckEveryPairOnce() const {
    for (const auto& [request, seen] : seen_) {
      bool once = true;
      for (const auto& [document, times] : seen.scored) once = once && times == 1;
      CHECK(once);
      CHECK(seen.removed || seen.scored.size() == request->queue.jobs().size());
    }
    CHECK(scheduler_.empty() && scheduler_.waiting_tokens() == 0);
  }

  const Seen& seen(const std::shared_ptr<Request>& request) { return seen_[request.get()]; }
  const std::map<const Request*, Seen>& all() const { return seen_; }
  size_t now() const { return now_; }
  size_t runs() const { return runs_; }
  size_t chunk_cost(const std::vector<ChunkItem>& chunk) const {
    size_t sum = 0, longest = 0;
    for (const ChunkItem& item : chunk) {
      sum += item.tokens;
      longest = std::max<size_t>(longest, item.tokens);
    }
    return limits_.padded ? longest * chunk.size() : sum;
  }
  // Tokens of each class, chunk by chunk, taken while both classes waited.
  const std::vector<std::array<size_t, kPriorities>>& contested() const { return contested_; }
  // What was taken, in order: request number and document.
  const std::vector<std::pair<uint64_t, uint32_t>>& taken() const { return taken_; }

 private:
  struct Lane {
    std::vector<ChunkItem> chunk;
    size_t ends = 0;
  };

  void Take(Lane& lane) {
    NoteFewest();
    const bool both = scheduler_.waits(Priority::kInteractive) && scheduler_.waits(Priority::kBulk);
    scheduler_.Next(lane.chunk);
    if (lane.chunk.empty()) return;
    const size_t cost = chunk_cost(lane.chunk);
    CHECK(lane.chunk.size() == 1 || cost <= limits_.max_tokens);
    CHECK(lane.chunk.size() <= limits_.max_rows);
    lane.ends = now_ + cost;
    std::array<size_t, kPriorities> tokens{};
    for (size_t i = 0; i < lane.chunk.size(); i++) {
      const ChunkItem& item = lane.chunk[i];
      CHECK(restarts_[item.work] <= 3);
      tokens[static_cast<size_t>(item.request->options.priority)] += item.tokens;
      taken_.emplace_back(item.request->number, item.piece);
    }
    if (both) contested_.push_back(tokens);
    NoteTaken(lane.chunk);
  }

  void NoteFewest() {
    for (auto& [request, seen] : seen_) {
      if (request->queue.waiting() == 0) continue;
      for (const auto& [other, unused] : seen_) {
        if (other == request || other->options.priority != request->options.priority) continue;
        const PairQueue &mine = request->queue, &theirs = other->queue;
        if (theirs.waiting() == 0 || theirs.waiting_tokens() > mine.waiting_tokens()) continue;
        if (theirs.waiting_tokens() < mine.waiting_tokens() || other->number < request->number)
          seen.fewest = false;
      }
    }
  }

  // For every request of which pairs wait, or waited until this chunk: what went before its last.
  void NoteTaken(const std::vector<ChunkItem>& chunk) {
    for (auto& [request, seen] : seen_) {
      size_t end = 0;
      if (request->queue.waiting() != 0) {
        end = chunk.size();
      } else {
        for (size_t i = 0; i < chunk.size(); i++) {
          if (chunk[i].request.get() == request) end = i + 1;
        }
      }
      for (size_t i = 0; i < end; i++) {
        const Request* const other = chunk[i].request.get();
        if (other == request || other->options.priority != request->options.priority) continue;
        seen.others += chunk[i].tokens;
        if (other->number > request->number) seen.later += chunk[i].tokens;
      }
    }
  }

  const ChunkLimits limits_;
  Scheduler scheduler_;
  std::vector<Lane> lanes_;
  std::map<const Request*, Seen> seen_;
  std::map<const Work*, int> restarts_;
  std::vector<std::array<size_t, kPriorities>> contested_;
  std::vector<std::pair<uint64_t, uint32_t>> taken_;
  size_t now_ = 0, runs_ = 0;
};

}  // namespace crossrank::testing
