#include "engine/registry.h"

#include <algorithm>
#include <future>
#include <utility>

#include "engine/exit_handler.h"

namespace crossrank {
namespace {

const Error& Disposed() {
  static const auto* error = new Error(ErrorCode::kClosed, "the reranker or embedder has been disposed");
  return *error;
}

const Error& DisposedDuringCall() {
  static const auto* error =
      new Error(ErrorCode::kClosed, "the reranker or embedder was disposed during the call");
  return *error;
}

}  // namespace

void EngineRegistry::Answer(Request& request, const Error& error) {
  Outcome outcome;
  outcome.error = error;
  request.done(std::move(outcome));
}

struct EngineRegistry::Ticket {
  Ticket(std::shared_ptr<EngineHandle> owner, const Request* held)
      : handle(std::move(owner)), request(held) {}
  ~Ticket() { EngineRegistry::Get().Release(*handle, request); }

  const std::shared_ptr<EngineHandle> handle;
  const Request* const request;
};

EngineRegistry& EngineRegistry::Get() {
  static auto* registry = new EngineRegistry;  // never destroyed
  return *registry;
}

std::shared_ptr<EngineHandle> EngineRegistry::Acquire(const LoadOptions& load, const EngineOptions& engine,
                                                      const HolderOptions& holder,
                                                      Cancellation& cancellation) {
  StopAtExit(ExitStage::kFirstLoad);
  const EngineKey key{Model::Key(load), engine};
  const Cancellation::Listener listener(cancellation, [this] {
    const Lock lock(mutex_);
    changed_.notify_all();
  });
  std::shared_ptr<EngineHandle> handle;
  try {
    Lock lock(mutex_);
    if (stopping_) throw Disposed();
    if (!housekeeper_.joinable()) housekeeper_ = std::thread([this] { KeepHouse(); });
    std::shared_ptr<EngineSlot>& slot = slots_[key];
    if (!slot) slot = std::make_shared<EngineSlot>(key, load);
    handle = std::make_shared<EngineHandle>(slot, holder);
    slot->holders.insert(handle.get());
    EnsureLoaded(*handle, lock, cancellation);
  } catch (...) {
    if (handle) Close(*handle);
    throw;
  }
  return handle;
}

void EngineRegistry::EnsureLoaded(const EngineHandle& handle, Lock& lock, const Cancellation& cancellation) {
  const std::shared_ptr<EngineSlot>& slot = handle.slot;
  slot->callers++;
  std::shared_ptr<LoadAttempt> attempt;
  const auto wait = [&] {
    for (;; changed_.wait(lock)) {
      if (stopping_) throw Disposed();
      if (handle.closing.cancelled()) throw DisposedDuringCall();
      cancellation.Check();
      if (slot->state == EngineSlot::State::kLoaded) return;
      if (attempt && attempt->error) throw *attempt->error;
      if (slot->state == EngineSlot::State::kUnloaded) StartLoad(slot);
      // null while it unloads; another one than before where that was cancelled
      attempt = slot->attempt;
    }
  };
  const auto leave = [&] {
    slot->callers--;
    changed_.notify_all();  // it may be idle now
  };
  try {
    wait();
  } catch (...) {
    leave();
    throw;
  }
  leave();
}

EngineInfo EngineRegistry::Info(const EngineHandle& handle) {
  const Lock lock(mutex_);
  return *handle.slot->info;
}

bool EngineRegistry::IsLoaded(const EngineHandle& handle) {
  const Lock lock(mutex_);
  return handle.slot->state == EngineSlot::State::kLoaded;
}

EngineStats EngineRegistry::Stats(const EngineHandle& handle) {
  std::shared_ptr<Engine> engine;
  {
    const Lock lock(mutex_);
    engine = handle.slot->engine;
  }
  return engine ? engine->Stats() : EngineStats();
}

void EngineRegistry::Submit(const std::shared_ptr<EngineHandle>& handle,
                            const std::shared_ptr<Request>& request) {
  EngineSlot& slot = *handle->slot;
  std::shared_ptr<Engine> engine;
  {
    Lock lock(mutex_);
    if (handle->closing.cancelled() || stopping_) {
      lock.unlock();
      Answer(*request, Disposed());
      return;
    }
    request->ticket = std::make_shared<Ticket>(handle, request.get());
    handle->requests.emplace(request.get(), request);
    slot.in_flight++;
    if (slot.state != EngineSlot::State::kLoaded) {
      slot.waiting.push_back({handle, request});
      if (slot.state != EngineSlot::State::kUnloaded) return;
      std::optional<Error> error;
      const std::vector<EngineSlot::Waiting> refused = StartWantedLoad(handle->slot, error);
      lock.unlock();
      for (const EngineSlot::Waiting& each : refused) Answer(*each.request, *error);
      return;
    }
    engine = slot.engine;
    handle->submitting++;
  }
  SubmitTo(*engine, *handle, request);
}

// handle.submitting counts the request.
void EngineRegistry::SubmitTo(Engine& engine, EngineHandle& handle, const std::shared_ptr<Request>& request) {
  engine.Submit(request);
  const Lock lock(mutex_);
  if (--handle.submitting == 0) changed_.notify_all();
}

void EngineRegistry::Release(EngineHandle& handle, const Request* request) {
  const Lock lock(mutex_);
  handle.requests.erase(request);
  EngineSlot& slot = *handle.slot;
  slot.last_used = Clock::now();
  if (--slot.in_flight == 0 || handle.closing.cancelled()) changed_.notify_all();
}

// Of one handle, or of all.
std::vector<EngineSlot::Waiting> EngineRegistry::TakeWaiting(EngineSlot& slot, const EngineHandle* handle) {
  std::vector<EngineSlot::Waiting> taken;
  std::deque<EngineSlot::Waiting> kept;
  for (EngineSlot::Waiting& each : slot.waiting) {
    if (handle == nullptr || each.handle.get() == handle) {
      taken.push_back(std::move(each));
    } else {
      kept.push_back(std::move(each));
    }
  }
  slot.waiting = std::move(kept);
  return taken;
}

void EngineRegistry::Cancel(EngineHandle& handle, const std::shared_ptr<Request>& request,
                            CancelReason reason) {
  std::shared_ptr<Engine> engine;
  bool waited = false;
  size_t labels = 0;
  {
    Lock lock(mutex_);
    auto& waiting = handle.slot->waiting;
    const auto found = std::find_if(waiting.begin(), waiting.end(),
                                    [&](const EngineSlot::Waiting& each) { return each.request == request; });
    waited = found != waiting.end();
    if (waited) {
      waiting.erase(found);
      labels = handle.slot->info->model.labels;
    } else {
      changed_.wait(lock, [&] { return handle.submitting == 0; });
      engine = handle.slot->engine;
    }
  }
  if (waited) Engine::CancelUnsubmitted(*request, reason, labels);
  if (engine) engine->Cancel(request, reason);
}

class EngineRegistry::Loan {
 public:
  // Throws kClosed when cancelled, or the load's error.
  Loan(EngineRegistry& registry, EngineHandle& handle, Cancellation& cancellation)
      : registry_(registry), handle_(handle) {
    const auto wake = [&registry] {
      const Lock lock(registry.mutex_);
      registry.changed_.notify_all();
    };
    const Cancellation::Listener listener(cancellation, wake), closing(handle.closing, wake);
    Lock lock(registry.mutex_);
    if (handle.closing.cancelled()) throw Disposed();
    registry.EnsureLoaded(handle, lock, cancellation);
    handle.slot->in_flight++;
    handle.loans++;
    engine_ = handle.slot->engine;
  }
  ~Loan() {
    engine_.reset();  // before the housekeeper may take it for the last
    const Lock lock(registry_.mutex_);
    handle_.loans--;
    handle_.slot->in_flight--;
    handle_.slot->last_used = Clock::now();
    registry_.changed_.notify_all();
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  Engine& engine() const { return *engine_; }

 private:
  EngineRegistry& registry_;
  EngineHandle& handle_;
  std::shared_ptr<Engine> engine_;
};

void EngineRegistry::WarmUp(EngineHandle& handle, Cancellation& cancellation) {
  const Loan loan(*this, handle, cancellation);
  try {
    for (std::future<void>& lane : loan.engine().WarmUp()) {
      while (lane.wait_for(std::chrono::milliseconds(5)) != std::future_status::ready) {
        if (handle.closing.cancelled()) throw DisposedDuringCall();
        cancellation.Check();
      }
      lane.get();
    }
  } catch (const std::future_error&) {
    throw DisposedDuringCall();
  } catch (...) {
    // a run that Stop has ended, among others
    throw handle.closing.cancelled() ? DisposedDuringCall() : CurrentError();
  }
}

EncodedBatch EngineRegistry::Tokenize(EngineHandle& handle, const std::vector<std::string>& texts,
                                      Cancellation& cancellation) {
  const Loan loan(*this, handle, cancellation);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return loan.engine().model().tokenizer().Encode(views.data(), views.size(), true);
}

void EngineRegistry::Close(EngineHandle& handle) {
  EngineSlot& slot = *handle.slot;
  std::vector<EngineSlot::Waiting> waiting;
  std::vector<std::shared_ptr<Request>> submitted;
  std::shared_ptr<Engine> engine;
  handle.closing.Cancel();
  {
    Lock lock(mutex_);
    if (std::exchange(handle.closed, true)) return;
    waiting = TakeWaiting(slot, &handle);
    changed_.wait(lock, [&] { return handle.submitting == 0; });
    for (const auto& [request, weak] : handle.requests) {
      if (std::shared_ptr<Request> shared = weak.lock()) submitted.push_back(std::move(shared));
    }
    engine = slot.engine;
  }
  for (const EngineSlot::Waiting& each : waiting) Answer(*each.request, DisposedDuringCall());
  for (const auto& request : submitted) {
    if (engine) engine->Cancel(request, CancelReason::kClosed);
  }
  engine.reset();  // before the housekeeper may take it for the last
  std::shared_ptr<LoadAttempt> unwanted;
  {
    const Lock lock(mutex_);
    slot.holders.erase(&handle);
    if (slot.state == EngineSlot::State::kLoading && !slot.wanted()) unwanted = slot.attempt;
    changed_.notify_all();
  }
  if (!unwanted) return;
  unwanted->cancellation.Cancel();
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return unwanted->ended; });
}

void EngineRegistry::WaitUntilGone(EngineHandle& handle, Cancellation& cancellation) {
  const Cancellation::Listener listener(cancellation, [this] {
    const Lock lock(mutex_);
    changed_.notify_all();
  });
  Lock lock(mutex_);
  const EngineSlot& slot = *handle.slot;
  changed_.wait(lock, [&] {
    const bool held = !slot.holders.empty() || slot.state == EngineSlot::State::kUnloaded;
    return cancellation.cancelled() || stopping_ || (handle.requests.empty() && handle.loans == 0 && held);
  });
}

void EngineRegistry::Stop() {
  const std::lock_guard<std::mutex> one_at_a_time(stop_mutex_);
  std::vector<EngineSlot::Waiting> waiting;
  std::vector<std::shared_ptr<Engine>> engines;
  std::list<std::shared_ptr<LoadAttempt>> attempts;
  {
    const Lock lock(mutex_);
    stopping_ = true;
    for (const auto& [key, slot] : slots_) {
      if (slot->engine) engines.push_back(slot->engine);
      for (EngineSlot::Waiting& each : TakeWaiting(*slot, nullptr)) waiting.push_back(std::move(each));
    }
    attempts = attempts_;
    changed_.notify_all();
  }
  stop_.Cancel();
  for (const auto& attempt : attempts) attempt->cancellation.Cancel();
  for (const EngineSlot::Waiting& each : waiting) Answer(*each.request, DisposedDuringCall());
  for (const auto& engine : engines) engine->Stop();
  if (housekeeper_.joinable()) housekeeper_.join();
  for (const auto& attempt : attempts) {
    if (attempt->thread.joinable()) attempt->thread.join();
  }
}

}  // namespace crossrank
