#include "common/cancellation.h"

#include <utility>

#include "common/error.h"

namespace crossrank {

void Cancellation::Cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (cancelled_.exchange(true)) return;
  for (Listener* listener : listeners_) listener->function_();
}

void Cancellation::Check() const {
  if (cancelled_) throw Error(ErrorCode::kClosed, "the work was cancelled");
}

Cancellation::Listener::Listener(Cancellation& cancellation, std::function<void()> function)
    : cancellation_(cancellation), function_(std::move(function)) {
  std::lock_guard<std::mutex> lock(cancellation_.mutex_);
  cancellation_.listeners_.insert(this);
  if (cancellation_.cancelled_) function_();
}

Cancellation::Listener::~Listener() {
  std::lock_guard<std::mutex> lock(cancellation_.mutex_);
  cancellation_.listeners_.erase(this);
}

}  // namespace crossrank
