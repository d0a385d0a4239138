// Memory that runs out while a request is added or a chunk composed: what was taken is known, and the
// scheduler goes on.
#include <cstdlib>
#include <new>

#include "simulation.h"

namespace {

// How many allocations of this thread succeed before one fails; negative: all do.
thread_local long allocations_left = -1;

}  // namespace

void* operator new(size_t size) {
  if (allocations_left == 0) {
    allocations_left = -1;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) allocations_left--;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace crossrank::testing {
namespace {

// Whether memory ran out.
template <class Function>
bool RunsOut(long after, Function function) {
  allocations_left = after;
  bool ran_out = false;
  try {
    function();
  } catch (const std::bad_alloc&) {
    ran_out = true;
  }
  allocations_left = -1;
  return ran_out;
}

std::vector<std::shared_ptr<Request>> Requests() {
  std::vector<std::shared_ptr<Request>> requests;
  for (uint32_t i = 0; i < 4; i++) requests.push_back(RequestOf(std::vector<uint32_t>(20, 10 + i)));
  return requests;
}

// Takes everything that is left; the number of pairs.
size_t Drain(Scheduler& scheduler) {
  size_t pairs = 0;
  while (!scheduler.empty()) {
    std::vector<ChunkItem> chunk;
    scheduler.Next(chunk);
    for (const ChunkItem& item : chunk) {
      for (Job* job = scheduler.Finish(item); job != nullptr; job = job->next) pairs++;
    }
  }
  CHECK(scheduler.waiting_tokens() == 0);
  return pairs;
}

void TestAdd() {
  std::vector<PairKey> keys, others;  // some in common
  for (uint64_t d = 0; d < 20; d++) {
    keys.push_back({1, d % 15});
    others.push_back({1, 8 + d % 15});
  }
  int failures = 0;
  for (long after = 0; after < 60; after++) {
    Checks::Get().context = "memory runs out in Add, after " + std::to_string(after);
    Scheduler scheduler({512, 1 << 20, false, 1});
    const auto requests = Requests();
    AddTo(scheduler, *requests[0], keys);
    const bool ran_out = RunsOut(after, [&] { AddTo(scheduler, *requests[1], others); });
    if (ran_out) scheduler.Remove(*requests[1]);
    AddTo(scheduler, *requests[2]);
    failures += ran_out;
    CHECK(Drain(scheduler) == (ran_out ? 40 : 60));
  }
  CHECK(failures > 3);
}

void TestNext() {
  int failures = 0;
  for (long after = 0; after < 20; after++) {
    Checks::Get().context = "memory runs out in Next, after " + std::to_string(after);
    Scheduler scheduler({512, 1 << 20, false, 1});
    const auto requests = Requests();
    for (const auto& request : requests) AddTo(scheduler, *request);
    std::vector<ChunkItem> chunk;
    failures += RunsOut(after, [&] { scheduler.Next(chunk); });
    // What was taken is in the chunk; its requests fail, the others are scored.
    size_t touched = 0;
    for (const auto& request : requests) {
      const bool taken = std::any_of(chunk.begin(), chunk.end(),
                                     [&](const ChunkItem& item) { return item.request == request; });
      if (!taken) continue;
      touched++;
      scheduler.Remove(*request);
    }
    for (const ChunkItem& item : chunk) CHECK(scheduler.Finish(item) == nullptr);
    CHECK(Drain(scheduler) == 20 * (requests.size() - touched));
  }
  CHECK(failures > 3);
}

}  // namespace
}  // namespace crossrank::testing

int main() {
  using namespace crossrank::testing;
  TestAdd();
  TestNext();
  return Checks::Get().Report();
}
