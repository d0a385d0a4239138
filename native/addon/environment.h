// What one JavaScript environment (the main thread, or a worker) owns of this addon.
//
// Its end comes in one of three ways. In each the engines' threads are joined before what they use is gone:
// - The environment is torn down (a worker ends, the main thread runs out of work): the clean-up hook.
// - process.exit() or an uncaught exception, which tear down nothing: lib/ listens to 'exit' and calls
// StopWork.
// - exit() by somebody else's native code: an atexit handler, ahead of ONNX Runtime's static destructors.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "addon/mailbox.h"
#include "common/error.h"
#include "engine/engine.h"

namespace crossrank::addon {

class Environment {
 public:
  // Call once for each environment, when the addon is set up in it.
  static void Create(Napi::Env env);
  static Environment& Of(Napi::Env env) { return *Shared(env); }
  // For objects whose finalizer may run after the environment's data is gone.
  static const std::shared_ptr<Environment>& Shared(Napi::Env env);

  explicit Environment(Napi::Env env);
  ~Environment();

  Mailbox& mailbox() { return mailbox_; }

  // The JavaScript class of all our errors: new ErrorClass(code, message). Set once by lib/.
  void SetErrorClass(Napi::Function error_class) { error_class_ = Napi::Persistent(error_class); }
  Napi::Error MakeError(Napi::Env env, const Error& error) const;

  // The class of loaded engines.
  void SetEngineClass(Napi::Function engine_class) { engine_class_ = Napi::Persistent(engine_class); }
  Napi::Function engine_class() const { return engine_class_.Value(); }

  // Engines that the clean-up stops. Stopping joins threads, so an engine is let go on a thread of its own.
  void Adopt(const std::shared_ptr<Engine>& engine) { engines_.insert(engine); }
  void Retire(std::shared_ptr<Engine> engine, std::function<void()> stopped);

  // Runs a function on a thread that the clean-up joins.
  void Spawn(std::function<void()> function);

  // A promise settled by `work`, which runs on a thread of its own and returns what makes the value on the JS
  // thread. Throws kClosed when the environment's work has been stopped.
  Napi::Promise Promise(Napi::Env env, std::function<std::function<Napi::Value(Napi::Env)>()> work);

  // Ends all native work and joins its threads; nothing is delivered any more. Idempotent.
  void StopWork();

  // From the first call on, exit() stops the work of all environments. To be called once ONNX Runtime is
  // open.
  static void StopWorkAtExit();

 private:
  struct Thread {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> ended;
  };

  void CleanUp();

  Mailbox mailbox_;
  Napi::FunctionReference error_class_, engine_class_;
  std::mutex stop_mutex_;
  bool stopped_ = false;  // guarded by stop_mutex_ where it is set
  std::set<std::shared_ptr<Engine>> engines_;
  std::list<Thread> threads_;
};

}  // namespace crossrank::addon
