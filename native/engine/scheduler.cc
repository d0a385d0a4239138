#include "engine/scheduler.h"

#include <algorithm>
#include <limits>

namespace crossrank {
namespace {

// Work is cut to occupy every lane, but not finer than the matrix multiplications can live with (measured on
// the MiniLM-L6 shape, one thread, Zen 5: 8 tokens run at 55 % of the full speed, 16 at 80 %, 32 at all of
// it).
constexpr size_t kMinChunkTokens = 32;

// Tokens of interactive requests for one of bulk, while both wait.
constexpr ptrdiff_t kInteractiveShare = 7;

// Requests that a padded chunk is filled up from: looking for pairs that fit must not cost more than they
// save.
constexpr size_t kMostFillers = 32;

// Twice is enough: a pair that was put back so often is run to its end, whoever hangs up meanwhile.
constexpr uint8_t kMostRestarts = 2;

constexpr size_t kNoTokens = std::numeric_limits<size_t>::max();

}  // namespace

Scheduler::Place Scheduler::PlaceOf(Request& request) {
  const size_t tokens = request.queue.waiting() == 0 ? kNoTokens : request.queue.waiting_tokens();
  return {tokens, request.number, &request};
}

void Scheduler::Admit(Request& request) {
  Class& to = ClassOf(request);
  request.number = ++admitted_;
  to.oldest.emplace(request.number, &request);
  try {
    to.fewest.insert(PlaceOf(request));
  } catch (...) {
    to.oldest.erase(request.number);
    throw;
  }
}

void Scheduler::Add(Job& job, const PairKey* key) {
  const PairKey own{0, ++unshared_};
  Work& work = works_[key == nullptr ? own : *key];
  work.key = key == nullptr ? own : *key;
  job.work = &work;
  job.previous = nullptr;
  job.next = work.jobs;
  if (job.next != nullptr) job.next->previous = &job;
  work.jobs = &job;
  if (work.running) return;
  const Moving moving(ClassOf(*job.request), *job.request);
  Enter(job);
}

void Scheduler::Enter(Job& job) noexcept {
  Class& of = ClassOf(*job.request);
  job.request->queue.Enter(job);
  of.waiting++;
  of.waiting_tokens += job.tokens;
}

void Scheduler::Leave(Job& job) noexcept {
  Class& of = ClassOf(*job.request);
  job.request->queue.Leave(job);
  of.waiting--;
  of.waiting_tokens -= job.tokens;
}

void Scheduler::Unlink(Job& job) noexcept {
  (job.previous == nullptr ? job.work->jobs : job.previous->next) = job.next;
  if (job.next != nullptr) job.next->previous = job.previous;
  job.work = nullptr;
  job.previous = job.next = nullptr;
}

void Scheduler::Drop(Work& work) noexcept { works_.erase(works_.find(work.key)); }

void Scheduler::Remove(Request& request) noexcept {
  Class& of = ClassOf(request);
  if (of.oldest.count(request.number) == 0) return;
  of.fewest.erase(PlaceOf(request));
  of.oldest.erase(request.number);
  for (Job& job : request.queue.jobs()) {
    if (job.work == nullptr) continue;
    Work& work = *job.work;
    if (!work.running) Leave(job);
    Unlink(job);
    if (work.jobs == nullptr && !work.running) Drop(work);
  }
}

Job* Scheduler::Finish(const ChunkItem& item) noexcept {
  Job* const jobs = item.work->jobs;
  for (Job* job = jobs; job != nullptr; job = job->next) job->work = nullptr;
  Drop(*item.work);
  return jobs;
}

void Scheduler::PutBack(const std::vector<ChunkItem>& chunk) noexcept {
  for (const ChunkItem& item : chunk) {
    Work& work = *item.work;
    work.running = false;
    work.restarts++;
    for (Job* job = work.jobs; job != nullptr; job = job->next) {
      const Moving moving(ClassOf(*job->request), *job->request);
      Enter(*job);
    }
    if (work.jobs == nullptr) Drop(work);
  }
}

bool Scheduler::ShouldEnd(const std::vector<ChunkItem>& chunk) {
  bool unwanted = false;
  for (const ChunkItem& item : chunk) {
    if (item.work->jobs == nullptr) {
      unwanted = true;
    } else if (item.work->restarts >= kMostRestarts) {
      return false;
    }
  }
  return unwanted;
}

size_t Scheduler::LeadingClass() const {
  if (!waits(Priority::kBulk)) return static_cast<size_t>(Priority::kInteractive);
  const bool owed = owed_to_bulk_ >= kInteractiveShare * static_cast<ptrdiff_t>(limits_.max_tokens);
  return static_cast<size_t>(waits(Priority::kInteractive) && !owed ? Priority::kInteractive
                                                                    : Priority::kBulk);
}

// What is left is shared out evenly, so that the lanes finish together.
size_t Scheduler::Budget(const Class& leading) const {
  const size_t share = (leading.waiting_tokens + limits_.lanes - 1) / limits_.lanes;
  return std::min(limits_.max_tokens, std::max(share, kMinChunkTokens));
}

Request* Scheduler::Oldest(Class& of) {
  // Only those in front of the first that waits are passed: all of their pairs are being run.
  for (const auto& [number, request] : of.oldest) {
    if (request->queue.waiting() != 0) return request;
  }
  return nullptr;
}

Request* Scheduler::Fewest(Class& of) {
  if (of.fewest.empty() || of.fewest.begin()->tokens == kNoTokens) return nullptr;
  return of.fewest.begin()->request;
}

void Scheduler::Next(std::vector<ChunkItem>& chunk) {
  if (empty()) return;
  const bool both = waits(Priority::kInteractive) && waits(Priority::kBulk);
  const size_t leading = LeadingClass();
  Filling filling{chunk, Budget(classes_[leading])};
  FillByTurns(classes_[leading], filling);
  const auto tokens = static_cast<ptrdiff_t>(filling.tokens);
  const bool interactive = leading == static_cast<size_t>(Priority::kInteractive);
  owed_to_bulk_ = both ? owed_to_bulk_ + (interactive ? tokens : -kInteractiveShare * tokens) : 0;
}

void Scheduler::FillByTurns(Class& of, Filling& chunk) {
  const bool by_age = of.balance <= 0;
  for (;;) {
    Request* const request = by_age ? Oldest(of) : Fewest(of);
    if (request == nullptr || !TakeFrom(*request, chunk) || limits_.padded) break;
  }
  of.balance += (by_age ? 1 : -1) * static_cast<ptrdiff_t>(chunk.tokens);
  if (limits_.padded) FillWithAlike(of, chunk);
}

void Scheduler::FillWithAlike(Class& of, Filling& chunk) {
  auto it = of.fewest.begin();
  for (size_t i = 0; i < kMostFillers && it != of.fewest.end() && it->tokens != kNoTokens; i++) {
    const Place place = *it;
    for (;;) {
      Job* const job = place.request->queue.AtMost(chunk.longest);
      if (job == nullptr || job->tokens * 4 < chunk.longest * 3 || !Fits(chunk, job->tokens)) break;
      Take(*job, chunk);
    }
    it = of.fewest.upper_bound(place);
  }
}

bool Scheduler::TakeFrom(Request& request, Filling& chunk) {
  PairQueue& queue = request.queue;
  for (Job* job = queue.First(); job != nullptr && Fits(chunk, job->tokens); job = queue.First())
    Take(*job, chunk);
  if (!limits_.padded) {
    for (Job* job = queue.Last(); job != nullptr && Fits(chunk, job->tokens); job = queue.Last())
      Take(*job, chunk);
  }
  return queue.waiting() == 0;
}

bool Scheduler::Fits(const Filling& chunk, size_t tokens) const {
  if (chunk.items.empty()) return true;
  if (chunk.items.size() >= limits_.max_rows) return false;
  if (!limits_.padded) return chunk.tokens + tokens <= chunk.budget;
  return std::max(chunk.longest, tokens) * (chunk.items.size() + 1) <= chunk.budget;
}

void Scheduler::Take(Job& job, Filling& chunk) {
  chunk.items.push_back({job.request->shared_from_this(), job.piece, job.tokens, job.work});
  chunk.tokens += job.tokens;
  chunk.longest = std::max<size_t>(chunk.longest, job.tokens);
  job.work->running = true;
  for (Job* each = job.work->jobs; each != nullptr; each = each->next) {
    const Moving moving(ClassOf(*each->request), *each->request);
    Leave(*each);
  }
}

}  // namespace crossrank
