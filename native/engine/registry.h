// The engines of this process: rerankers of any thread that load the same model with the same options share
// one, and one that is not used can be unloaded and comes back by itself.
//
// The life of an engine, in call order:
//
//   Acquire    a holder asks for a model (a thread of the caller). The first of its key makes the slot and
//              starts a load, on a thread of the registry; holders that come meanwhile wait for the same one,
//              and share its error.
//   Load       files are read and packed, the session and the lanes made. Before that, what it will hold is
//              estimated; a holder's memory budget may have idle engines unloaded for it, or refuse it. When
//              nobody waits for the load any more it is cancelled.
//   Submit     requests go to the engine; those that come while it is unloaded or loading wait for it, and
//              start the load where none is under way. Its error is theirs, and the next request tries again.
//   Unload     by the housekeeper, one thread for all engines: when the last holder has closed; when no
//   request
//              has been there for as long as every holder allows; when a load needs the memory. Lanes are
//              joined, weights freed. The slot stays, and info() with it, while there are holders.
//   Close      a holder leaves: its requests that have no answer get kClosed, those of others go on.
//              WaitUntilGone then waits for its last native work, and for the memory where it was the last.
//   Stop       the process exits: loads are cancelled, lanes and threads joined, nothing starts any more.
//
// Why every exit is safe:
// - An environment that ends (a worker, or the main thread) closes its handles and cancels its own waits. It
//   waits for the loads that nobody else wants to end, lest the process exit while ONNX Runtime is being
//   opened, which no handler could see. It does not wait for unloading: that knows nothing of environments.
// - A process that exits calls Stop before static memory of ONNX Runtime is destroyed (ExitHandler says how).
//   Every step of a load ends soon after it is cancelled: packing polls between rows, ONNX Runtime between
//   initializers (from 1.22 on; an older one creates its session to the end), a run ends at the next
//   operator. Only a tokenizer's parse, and the freeing of one, goes on, on a thread of its own that is left
//   behind: it uses memory that it owns and the code of the addon's library, which stays loaded
//   (addon/pin.h).
// - The registry itself is never destroyed.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/cancellation.h"
#include "engine/engine.h"
#include "engine/engine_slot.h"
#include "engine/memory_estimate.h"
#include "engine/model.h"
#include "engine/request.h"

namespace crossrank {

class EngineRegistry {
 public:
  static EngineRegistry& Get();

  // Loads the model where it is not loaded, and waits for it. Throws the load's error, or kClosed when
  // cancelled.
  std::shared_ptr<EngineHandle> Acquire(const LoadOptions& load, const EngineOptions& engine,
                                        const HolderOptions& holder, Cancellation& cancellation);

  EngineInfo Info(const EngineHandle& handle);
  bool IsLoaded(const EngineHandle& handle);
  // Of the engine that is loaded; zeros where none is.
  EngineStats Stats(const EngineHandle& handle);

  // request->done is called exactly once: by the engine, with the error of its load, or with kClosed.
  void Submit(const std::shared_ptr<EngineHandle>& handle, const std::shared_ptr<Request>& request);
  // Ends a request of this handle, unless it has ended already.
  void Cancel(EngineHandle& handle, const std::shared_ptr<Request>& request, CancelReason reason);
  // Loads the model where it is not loaded, then warms up every lane. Throws kClosed when cancelled.
  void WarmUp(EngineHandle& handle, Cancellation& cancellation);
  // The tokens of texts, with where they lie, on the calling thread; loads the model where it is not loaded.
  EncodedBatch Tokenize(EngineHandle& handle, const std::vector<std::string>& texts,
                        Cancellation& cancellation);

  // Ends the handle's requests with kClosed. Idempotent.
  void Close(EngineHandle& handle);
  // After Close: returns when no native work of the handle is left, or when cancelled.
  void WaitUntilGone(EngineHandle& handle, Cancellation& cancellation);

  // For good; idempotent.
  void Stop();

 private:
  using Lock = std::unique_lock<std::mutex>;

  // A request has this until the last lane has let go of it.
  struct Ticket;
  // An engine on loan to a thread of a holder; it is not unloaded meanwhile.
  class Loan;

  void EnsureLoaded(const EngineHandle& handle, Lock& lock, const Cancellation& cancellation);
  void SubmitTo(Engine& engine, EngineHandle& handle, const std::shared_ptr<Request>& request);
  // Of a request that no engine has seen.
  static void Answer(Request& request, const Error& error);
  void Release(EngineHandle& handle, const Request* request);
  std::vector<EngineSlot::Waiting> TakeWaiting(EngineSlot& slot, const EngineHandle* handle);

  // registry_load.cc; the mutex is held for the first two.
  void StartLoad(const std::shared_ptr<EngineSlot>& slot);
  // Starts a load that somebody waits for. Where it cannot, `error` says why, and the requests to be told so
  // come back.
  std::vector<EngineSlot::Waiting> StartWantedLoad(const std::shared_ptr<EngineSlot>& slot,
                                                   std::optional<Error>& error);
  void RunLoad(const std::shared_ptr<EngineSlot>& slot, const std::shared_ptr<LoadAttempt>& attempt);
  std::shared_ptr<Engine> LoadEngine(EngineSlot& slot, LoadAttempt& attempt);
  void MakeRoom(EngineSlot& slot, LoadAttempt& attempt, const MemoryEstimate& estimate);

  // registry_unload.cc; the mutex is held for all but the first.
  void KeepHouse();
  std::shared_ptr<EngineSlot> NextToUnload(std::optional<Clock::time_point>& deadline);
  void Unload(const std::shared_ptr<EngineSlot>& slot, Lock& lock);
  void JoinEndedLoads();

  std::mutex mutex_;  // guards what follows, and every slot and handle; taken after no other but an engine's
  std::condition_variable changed_;  // anything that a wait here looks at
  std::map<EngineKey, std::shared_ptr<EngineSlot>> slots_;
  std::list<std::shared_ptr<LoadAttempt>> attempts_;
  std::thread housekeeper_;  // from the first Acquire on
  bool stopping_ = false;

  std::mutex stop_mutex_;  // one Stop at a time
  Cancellation stop_;      // for what Stop does not wait for
};

}  // namespace crossrank
