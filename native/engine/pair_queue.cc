#include "engine/pair_queue.h"

#include <algorithm>

namespace crossrank {

void PairQueue::Fill(std::vector<Job> jobs, bool in_input_order) {
  jobs_ = std::move(jobs);
  in_input_order_ = in_input_order;
  if (in_input_order) return;
  std::sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
    return a.tokens != b.tokens ? a.tokens > b.tokens : a.piece < b.piece;
  });
}

Job* PairQueue::First() {
  if (waiting_ == 0) return nullptr;
  while (!jobs_[first_].waits()) first_++;
  return &jobs_[first_];
}

Job* PairQueue::Last() {
  if (waiting_ == 0 || in_input_order_) return nullptr;
  while (!jobs_[end_ - 1].waits()) end_--;
  return &jobs_[end_ - 1];
}

Job* PairQueue::AtMost(size_t tokens) {
  Job* first = First();
  if (first == nullptr || first->tokens <= tokens) return first;
  if (in_input_order_) return nullptr;
  Job* const end = jobs_.data() + end_;
  Job* job = std::partition_point(first, end, [tokens](const Job& job) { return job.tokens > tokens; });
  while (job != end && !job->waits()) job++;
  return job == end ? nullptr : job;
}

void PairQueue::Enter(const Job& job) {
  const auto place = static_cast<size_t>(&job - jobs_.data());
  first_ = waiting_ == 0 ? place : std::min(first_, place);
  end_ = waiting_ == 0 ? place + 1 : std::max(end_, place + 1);
  waiting_++;
  waiting_tokens_ += job.tokens;
}

void PairQueue::Leave(const Job& job) {
  waiting_--;
  waiting_tokens_ -= job.tokens;
}

}  // namespace crossrank
