// Loads of the registry: its threads, what they share, and the memory that they may take.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/exit_handler.h"
#include "engine/registry.h"

namespace crossrank {
namespace {

std::string Megabytes(size_t bytes) {
  return std::to_string(static_cast<size_t>(std::ceil(static_cast<double>(bytes) / 1e6))) + " MB";
}

Error OverBudget(const EngineSlot& slot, const MemoryEstimate& estimate, size_t in_use, size_t budget) {
  const std::string own =
      "the model in " + slot.load.folder + " needs about " + Megabytes(estimate.total()) + " of memory";
  if (estimate.total() > budget) {
    return Error(ErrorCode::kMemory,
                 own + ", and memoryBudget is " + Megabytes(budget) +
                     "; raise it, use fewer threads, or load a smaller model or a lower precision");
  }
  return Error(ErrorCode::kMemory, own + ", models in use hold about " + Megabytes(in_use) +
                                       ", and memoryBudget is " + Megabytes(budget) +
                                       "; raise it, or dispose of a reranker or embedder first");
}

}  // namespace

void EngineRegistry::StartLoad(const std::shared_ptr<EngineSlot>& slot) {
  const auto attempt = std::make_shared<LoadAttempt>();
  try {
    attempt->thread = std::thread([this, slot, attempt] { RunLoad(slot, attempt); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::kRuntime, std::string("cannot start a thread to load a model: ") + error.what());
  }
  attempts_.push_back(attempt);
  slot->state = EngineSlot::State::kLoading;
  slot->attempt = attempt;
}

std::shared_ptr<Engine> EngineRegistry::LoadEngine(EngineSlot& slot, LoadAttempt& attempt) {
  if (Model::Key(slot.load) != slot.key.model) {
    throw Error(ErrorCode::kModelInvalid,
                "the files of the model in " + slot.load.folder +
                    " have changed since it was loaded; dispose of what was loaded from it "
                    "and load it again");
  }
  OpenAnyLibrary(slot.load);
  StopAtExit(ExitStage::kLibraryOpen);
  MakeRoom(slot, attempt, EstimateMemory(slot.load, slot.key.options, attempt.cancellation));
  const std::shared_ptr<Model> model = Model::Load(slot.load, attempt.cancellation);
  StopAtExit(ExitStage::kFirstSession);
  return std::make_shared<Engine>(model, slot.key.options);
}

void EngineRegistry::RunLoad(const std::shared_ptr<EngineSlot>& slot,
                             const std::shared_ptr<LoadAttempt>& attempt) {
  std::shared_ptr<Engine> engine;
  std::optional<Error> error;
  try {
    engine = LoadEngine(*slot, *attempt);
  } catch (...) {
    error = CurrentError();
  }
  // Who came after a load was cancelled is no part of it: the load starts again.
  const bool cancelled = !engine && attempt->cancellation.cancelled();
  std::vector<EngineSlot::Waiting> waiting;
  bool too_late = false;  // Stop has told the engines that it found
  {
    const Lock lock(mutex_);
    too_late = stopping_;
    slot->attempt.reset();
    if (engine) {
      const Model& model = engine->model();
      slot->state = EngineSlot::State::kLoaded;
      slot->engine = engine;
      slot->memory->loading = 0;
      slot->last_used = Clock::now();
      slot->info = EngineInfo{model.info(), model.layout().special_tokens(), engine->lanes(),
                              engine->max_tokens_per_chunk()};
    } else {
      slot->state = EngineSlot::State::kUnloaded;
      slot->memory.reset();
    }
    if (cancelled) {
      waiting = StartWantedLoad(slot, error);
    } else {
      attempt->error = error;
      waiting = TakeWaiting(*slot, nullptr);
    }
    if (engine) {
      for (const EngineSlot::Waiting& each : waiting) each.handle->submitting++;
    }
    changed_.notify_all();
  }
  if (too_late && engine) engine->Stop();
  for (const EngineSlot::Waiting& each : waiting) {
    if (engine) {
      SubmitTo(*engine, *each.handle, each.request);
    } else {
      Answer(*each.request, *error);
    }
  }
  engine.reset();
  waiting.clear();
  const Lock lock(mutex_);
  attempt->ended = true;
  changed_.notify_all();
}

std::vector<EngineSlot::Waiting> EngineRegistry::StartWantedLoad(const std::shared_ptr<EngineSlot>& slot,
                                                                 std::optional<Error>& error) {
  if (!slot->wanted()) return {};
  try {
    if (stopping_) throw Error(ErrorCode::kClosed, "the process is ending");
    StartLoad(slot);
    return {};
  } catch (...) {
    error = CurrentError();
    return TakeWaiting(*slot, nullptr);
  }
}

// Admits the load: from here on its estimate counts. Idle engines are asked to go one at a time, least
// recently used first, and only where that is enough.
void EngineRegistry::MakeRoom(EngineSlot& slot, LoadAttempt& attempt, const MemoryEstimate& estimate) {
  const Cancellation::Listener listener(attempt.cancellation, [this] {
    const Lock lock(mutex_);
    changed_.notify_all();
  });
  Lock lock(mutex_);
  for (;; changed_.wait(lock)) {
    attempt.cancellation.Check();
    if (stopping_) throw Error(ErrorCode::kClosed, "the process is ending");
    std::vector<const MemoryEstimate*> all{&estimate}, lasting{&estimate}, others;
    EngineSlot* oldest = nullptr;
    for (const auto& [key, other] : slots_) {
      other->unload_asked = false;
      if (!other->memory || other.get() == &slot) continue;
      all.push_back(&*other->memory);
      if (other->idle()) {
        if (oldest == nullptr || other->last_used < oldest->last_used) oldest = other.get();
      } else if (other->state != EngineSlot::State::kUnloading) {
        lasting.push_back(&*other->memory);
        others.push_back(&*other->memory);
      }
    }
    const size_t budget = slot.memory_budget();
    if (TotalMemory(all) <= budget) break;
    if (TotalMemory(lasting) > budget) throw OverBudget(slot, estimate, TotalMemory(others), budget);
    if (oldest != nullptr) oldest->unload_asked = true;
    changed_.notify_all();
  }
  slot.memory = estimate;
}

}  // namespace crossrank
