// The registry's housekeeper: the one thread that stops engines and frees their memory, so that neither a
// lane nor a JavaScript thread ever waits for it. A thread rather than JavaScript timers, because an engine
// belongs to no environment: the one whose timer it was may have ended, and another may be busy.
#include <utility>

#include "common/left_behind.h"
#include "common/memory.h"
#include "engine/registry.h"

namespace crossrank {

void EngineRegistry::KeepHouse() {
  Lock lock(mutex_);
  while (!stopping_) {
    JoinEndedLoads();
    std::optional<Clock::time_point> deadline;
    if (const std::shared_ptr<EngineSlot> slot = NextToUnload(deadline)) {
      Unload(slot, lock);
    } else if (deadline) {
      changed_.wait_until(lock, *deadline);
    } else {
      changed_.wait(lock);
    }
  }
}

void EngineRegistry::JoinEndedLoads() {
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    if (!(*it)->ended) {
      ++it;
      continue;
    }
    (*it)->thread.join();  // takes the mutex no more
    it = attempts_.erase(it);
  }
}

// Removes slots that nobody holds. Null where nothing is due; `deadline` is then when something may be.
std::shared_ptr<EngineSlot> EngineRegistry::NextToUnload(std::optional<Clock::time_point>& deadline) {
  const Clock::time_point now = Clock::now();
  for (auto it = slots_.begin(); it != slots_.end();) {
    const std::shared_ptr<EngineSlot>& slot = it->second;
    const bool held = !slot->holders.empty();
    if (!held && slot->state == EngineSlot::State::kUnloaded) {
      it = slots_.erase(it);
      continue;
    }
    ++it;
    if (slot->state != EngineSlot::State::kLoaded) continue;
    // Close has ended the requests of an engine that nobody holds; what still runs of them ends with it.
    if (!held || (slot->idle() && slot->unload_asked)) return slot;
    const auto allowed = slot->idle_unload();
    if (!slot->idle() || allowed == HolderOptions::kNever) continue;
    const Clock::time_point due = slot->last_used + allowed;
    if (due <= now) return slot;
    if (!deadline || due < *deadline) deadline = due;
  }
  return nullptr;
}

void EngineRegistry::Unload(const std::shared_ptr<EngineSlot>& slot, Lock& lock) {
  slot->state = EngineSlot::State::kUnloading;
  std::shared_ptr<Engine> engine = std::move(slot->engine);
  lock.unlock();
  engine->Stop();
  std::shared_ptr<const Tokenizer> tokenizer = engine->model().shared_tokenizer();
  engine.reset();
  try {
    // Freeing a large vocabulary takes 0.1 s of Rust code alone: a process that exits does not wait for it.
    LeftBehind<bool>([last = std::move(tokenizer)]() mutable {
      last.reset();
      ReturnFreedMemory();
      return true;
    }).Wait(stop_);
  } catch (...) {
    // stopped; or there is no thread to be had, and it has been freed here
  }
  lock.lock();
  slot->state = EngineSlot::State::kUnloaded;
  slot->memory.reset();
  slot->unload_asked = false;
  std::optional<Error> error;
  std::vector<EngineSlot::Waiting> refused = StartWantedLoad(slot, error);
  changed_.notify_all();
  if (refused.empty()) return;
  lock.unlock();
  for (const EngineSlot::Waiting& each : refused) Answer(*each.request, *error);
  refused.clear();  // a request's ticket takes the mutex
  lock.lock();
}

}  // namespace crossrank
