// Work that cannot be interrupted, on a thread that nobody joins.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/cancellation.h"

namespace crossrank {

// Whoever waits for the value may leave: the thread then ends when it is done, or with the process. So
// `function` must own all that it uses; what it finds in static memory must never be destroyed, and the
// library with its code must stay loaded (addon/pin.h).
template <class Value>
class LeftBehind {
 public:
  explicit LeftBehind(std::function<Value()> function) : state_(std::make_shared<State>()) {
    std::thread([state = state_, function = std::move(function)] {
      std::optional<Value> value;
      std::exception_ptr error;
      try {
        value.emplace(function());
      } catch (...) {
        error = std::current_exception();
      }
      std::lock_guard<std::mutex> lock(state->mutex);
      state->value = std::move(value);
      state->error = error;
      state->done = true;
      state->changed.notify_all();
    }).detach();
  }

  // Once. Throws what `function` threw, or kClosed when cancelled.
  Value Wait(Cancellation& cancellation) {
    const Cancellation::Listener listener(cancellation, [this] {
      std::lock_guard<std::mutex> lock(state_->mutex);
      state_->changed.notify_all();
    });
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->changed.wait(lock, [&] { return cancellation.cancelled() || state_->done; });
    cancellation.Check();
    if (state_->error) std::rethrow_exception(state_->error);
    return std::move(*state_->value);
  }

 private:
  struct State {
    std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    bool done = false;
    std::optional<Value> value;
    std::exception_ptr error;
  };
  const std::shared_ptr<State> state_;
};

}  // namespace crossrank
