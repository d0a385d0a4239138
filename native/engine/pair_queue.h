// The pairs of one request that wait to be scored, and how pairs that are the same work belong together.
// (Where documents are cut into windows, read window for pair.)
//
// A Work is one distinct pair, waiting or running, with the jobs of all requests that want it. A Job is a
// request's interest in a work. So a work stands in the queue of each of its requests, is run for the first
// whose turn comes, and answers all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/pair_key.h"

namespace crossrank {

struct Job;
struct Request;

struct Work {
  PairKey key;
  Job* jobs = nullptr;  // a list; a running work may have none left
  bool running = false;
  uint8_t restarts = 0;  // how often a run of it was ended for the sake of others
};

struct Job {
  Request* request = nullptr;
  uint32_t piece = 0;  // of the request's
  uint32_t tokens = 0;
  Work* work = nullptr;  // null: not in the scheduler, or no more
  Job *previous = nullptr, *next = nullptr;

  bool waits() const { return work != nullptr && !work->running; }
};

class PairQueue {
 public:
  // Best first: in the order of the input, for a request that may be cut short. Else longest first, whose
  // gaps the shortest fill.
  void Fill(std::vector<Job> jobs, bool in_input_order);

  // Those that do not wait, not yet or no more, are passed over. They stay where they are.
  std::vector<Job>& jobs() { return jobs_; }
  const std::vector<Job>& jobs() const { return jobs_; }
  // The next in order, null when none waits; the last in order, null also where the order is the input's.
  Job* First();
  Job* Last();
  // The longest that waits and has at most so many tokens.
  Job* AtMost(size_t tokens);

  size_t waiting() const { return waiting_; }
  size_t waiting_tokens() const { return waiting_tokens_; }

  // The scheduler tells of its jobs: one waits now, again perhaps; one waits no more.
  void Enter(const Job& job);
  void Leave(const Job& job);

 private:
  std::vector<Job> jobs_;  // in order
  bool in_input_order_ = false;
  size_t first_ = 0, end_ = 0;  // all that wait are in [first, end)
  size_t waiting_ = 0, waiting_tokens_ = 0;
};

}  // namespace crossrank
