// Texts that wait to be taken up: looked for in the cache, or tokenized. Requests take turns, a slice of
// texts each, so that a short request does not wait for all texts of a long one. Interactive ones come first,
// but for every eighth task while both wait. Not thread-safe: the engine guards it.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "engine/request.h"

namespace crossrank {

// What a lane does with texts in one go.
struct TextTask {
  std::shared_ptr<Request> request;
  bool look_up;                            // all texts of the request; else:
  size_t slice = 0, first = 0, count = 0;  // of request->wanted
};

class TextQueue {
 public:
  // Tasks of one request.
  void Add(std::vector<TextTask> tasks) {
    if (tasks.empty()) return;
    const Priority priority = tasks.front().request->options.priority;
    Of(priority).push_back({tasks.begin(), tasks.end()});
  }

  bool waits(Priority priority) const { return !queues_[static_cast<size_t>(priority)].empty(); }
  bool empty() const { return !waits(Priority::kInteractive) && !waits(Priority::kBulk); }

  TextTask Next() {
    const bool both = waits(Priority::kInteractive) && waits(Priority::kBulk);
    before_bulk_ = both ? (before_bulk_ + 1) % kBulkTurn : 0;
    const bool bulk = both ? before_bulk_ == 0 : waits(Priority::kBulk);
    auto& queue = Of(bulk ? Priority::kBulk : Priority::kInteractive);
    std::deque<TextTask> tasks = std::move(queue.front());
    queue.pop_front();
    TextTask task = std::move(tasks.front());
    tasks.pop_front();
    if (!tasks.empty()) queue.push_back(std::move(tasks));
    return task;
  }

  void Remove(const Request& request) {
    auto& queue = Of(request.options.priority);
    for (auto it = queue.begin(); it != queue.end(); ++it) {
      if (it->front().request.get() != &request) continue;
      queue.erase(it);
      return;
    }
  }

  void Clear() {
    for (auto& queue : queues_) queue.clear();
  }

 private:
  std::deque<std::deque<TextTask>>& Of(Priority priority) { return queues_[static_cast<size_t>(priority)]; }

  static constexpr int kBulkTurn = 8;
  std::array<std::deque<std::deque<TextTask>>, kPriorities> queues_;
  int before_bulk_ = 0;
};

}  // namespace crossrank
