// Asks work on other threads to end early.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>

namespace crossrank {

class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;

  void Cancel();  // any thread; once and for all
  bool cancelled() const { return cancelled_; }
  // What the work polls. Throws kClosed.
  void Check() const;

  // Calls a function when the work is cancelled, or at once where it is already: for what waits and cannot
  // poll. The destructor waits for a call that is under way.
  class Listener {
   public:
    Listener(Cancellation& cancellation, std::function<void()> function);
    ~Listener();
    Listener(const Listener&) = delete;

   private:
    friend class Cancellation;
    Cancellation& cancellation_;
    const std::function<void()> function_;
  };

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::set<Listener*> listeners_;  // guarded by mutex_
};

}  // namespace crossrank
