// What one JavaScript environment (the main thread, or a worker) owns of this addon: its handles of engines,
// the threads that wait for them, and the mailbox. Engines and loads are the process's (engine/registry.h).
//
// Its end comes in one of three ways, and each closes the mailbox and the handles and joins the threads:
// - The environment is torn down (a worker ends, the main thread runs out of work): the clean-up hook.
// - process.exit() or an uncaught exception, which tear down nothing: lib/ listens to 'exit' and calls
// StopWork; on the main thread all of the process's native work is stopped with it.
// - exit() by somebody else's native code: an atexit handler, after the one that stops the registry.
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
#include "common/cancellation.h"
#include "common/error.h"
#include "engine/registry.h"

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

  // Cancelled when the environment ends: for what its threads wait for.
  Cancellation& ending() { return ending_; }

  // Handles that the clean-up closes.
  void Adopt(const std::shared_ptr<EngineHandle>& handle);
  // Closes a handle on a thread of its own, and calls `gone` there when its native work has ended.
  void Retire(const std::shared_ptr<EngineHandle>& handle, std::function<void()> gone);

  // A promise settled by `work`, which runs on a thread of its own and returns what makes the value on the JS
  // thread. Throws kClosed when the environment's work has been stopped.
  Napi::Promise Promise(Napi::Env env, std::function<std::function<Napi::Value(Napi::Env)>()> work);

  // Runs a function, which throws nothing, on a thread that StopWork joins; false where that has been called.
  bool Spawn(std::function<void()> function);

  // Ends the environment's native work and joins its threads; nothing is delivered any more. Idempotent.
  void StopWork();

 private:
  struct Thread {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> ended;
  };

  void CloseHandles();
  void CleanUp();

  Mailbox mailbox_;
  Napi::FunctionReference error_class_, engine_class_;
  Cancellation ending_;
  std::mutex stop_mutex_;  // one StopWork at a time
  std::mutex mutex_;       // guards what follows: exit() may come on another thread than the environment's
  bool stopped_ = false;
  std::set<std::shared_ptr<EngineHandle>> handles_;
  std::list<Thread> threads_;
};

}  // namespace crossrank::addon
