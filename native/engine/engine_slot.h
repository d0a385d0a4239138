// What the registry knows of one engine and of those who hold it. All of it is guarded by the registry's
// mutex but what is const or says otherwise.
#pragma once

#include <chrono>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "common/cancellation.h"
#include "common/error.h"
#include "engine/engine.h"
#include "engine/memory_estimate.h"
#include "engine/model.h"
#include "engine/request.h"

namespace crossrank {

struct EngineKey {
  std::string model;  // Model::Key
  EngineOptions options;

  bool operator<(const EngineKey& other) const {
    const auto own = options.tie(), others = other.options.tie();
    return std::tie(model, own) < std::tie(other.model, others);
  }
};

struct EngineInfo {
  ModelInfo model;
  size_t special_tokens = 0, lanes = 0, max_tokens_per_chunk = 0;
};

struct HolderOptions {
  static constexpr auto kNever = std::chrono::milliseconds::max();
  std::chrono::milliseconds idle_unload = kNever;
  size_t memory_budget = std::numeric_limits<size_t>::max();
};

// One try to load an engine.
struct LoadAttempt {
  Cancellation cancellation;  // when nobody waits for it any more; thread-safe by itself
  std::thread thread;         // joined by the housekeeper once it has ended
  bool ended = false;         // and touches nothing any more
  std::optional<Error> error;
};

struct EngineSlot;

// A holder's share in an engine: one for each reranker.
struct EngineHandle {
  EngineHandle(std::shared_ptr<EngineSlot> held, const HolderOptions& holder)
      : slot(std::move(held)), options(holder) {}

  const std::shared_ptr<EngineSlot> slot;
  const HolderOptions options;
  Cancellation closing;  // thread-safe by itself
  bool closed = false;
  // Those that native code still works on, answered or not.
  std::map<const Request*, std::weak_ptr<Request>> requests;
  size_t submitting = 0;  // of them, between the registry and the engine: neither can cancel these
  size_t loans = 0;       // of the engine, to threads that work on it themselves
};

struct EngineSlot {
  enum class State { kUnloaded, kLoading, kLoaded, kUnloading };

  EngineSlot(EngineKey slot_key, LoadOptions load_options)
      : key(std::move(slot_key)), load(std::move(load_options)) {}

  const EngineKey key;
  const LoadOptions load;
  State state = State::kUnloaded;
  std::shared_ptr<Engine> engine;         // kLoaded
  std::shared_ptr<LoadAttempt> attempt;   // kLoading
  std::optional<MemoryEstimate> memory;   // from admission to the end of kUnloading
  std::optional<EngineInfo> info;         // since the first load
  std::set<const EngineHandle*> holders;  // empty: to be unloaded and removed
  size_t callers = 0;                     // threads that wait until it is loaded
  struct Waiting {
    std::shared_ptr<EngineHandle> handle;
    std::shared_ptr<Request> request;
  };
  std::deque<Waiting> waiting;  // for the load
  size_t in_flight = 0;         // requests and loans
  Clock::time_point last_used;  // when in_flight became 0, or when it was loaded
  bool unload_asked = false;    // a load needs the memory

  bool wanted() const { return callers != 0 || !waiting.empty(); }
  bool idle() const { return state == State::kLoaded && in_flight == 0 && !wanted(); }
  // As long as every holder allows: who did not ask for it never finds the model unloaded for its age.
  std::chrono::milliseconds idle_unload() const {
    auto longest = std::chrono::milliseconds::zero();
    for (const EngineHandle* holder : holders) longest = std::max(longest, holder->options.idle_unload);
    return longest;
  }
  size_t memory_budget() const {
    size_t least = std::numeric_limits<size_t>::max();
    for (const EngineHandle* holder : holders) least = std::min(least, holder->options.memory_budget);
    return least;
  }
};

}  // namespace crossrank
