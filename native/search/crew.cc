#include "search/crew.h"

#include <algorithm>
#include <system_error>

namespace crossrank {

Crew::~Crew() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Crew::Run(size_t threads, size_t items, const Cancellation& cancellation, const Work& work) {
  Job job{work, cancellation, items, std::min(threads, size_) - 1};
  if (job.helpers > 0) {
    StartHelpers(job.helpers);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      ++jobs_;
    }
    changed_.notify_all();
  }
  Do(job, 0);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;
  changed_.wait(lock, [this] { return inside_ == 0; });
  if (job.error) std::rethrow_exception(job.error);
}

void Crew::StartHelpers(size_t count) {
  try {
    while (helpers_.size() < count) helpers_.emplace_back([this] { Help(); });
  } catch (const std::system_error&) {
    // The system has no more threads: those there are do all.
  }
}

void Crew::Help() {
  std::unique_lock<std::mutex> lock(mutex_);
  uint64_t last = 0;  // a job may be where the one before was, but has a number of its own
  for (;;) {
    changed_.wait(
        lock, [&] { return ending_ || (job_ != nullptr && jobs_ != last && job_->joined < job_->helpers); });
    if (ending_) return;
    Job& job = *job_;
    last = jobs_;
    const size_t thread = ++job.joined;
    ++inside_;
    lock.unlock();
    Do(job, thread);
    lock.lock();
    if (--inside_ == 0) changed_.notify_all();
  }
}

void Crew::Do(Job& job, size_t thread) {
  try {
    for (size_t item = job.next++; item < job.items; item = job.next++) {
      job.cancellation.Check();
      job.work(thread, item);
    }
  } catch (...) {
    job.next = job.items;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!job.error) job.error = std::current_exception();
  }
}

}  // namespace crossrank
