#include "addon/environment.h"

#include <cstdlib>

namespace crossrank::addon {

namespace {

// Of the process.
struct Environments {
  std::mutex mutex;
  std::set<Environment*> all;  // guarded by mutex

  static Environments& Get() {
    static auto* environments = new Environments;  // outlives static destructors
    return *environments;
  }
};

void StopAllAtExit() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::atexit([] {
      Environments& environments = Environments::Get();
      std::lock_guard<std::mutex> lock(environments.mutex);
      for (Environment* environment : environments.all) environment->StopWork();
    });
  });
}

struct InstanceData {
  std::shared_ptr<Environment> environment;
};

}  // namespace

void Environment::Create(Napi::Env env) {
  env.SetInstanceData(new InstanceData{std::make_shared<Environment>(env)});
}

const std::shared_ptr<Environment>& Environment::Shared(Napi::Env env) {
  return env.GetInstanceData<InstanceData>()->environment;
}

Environment::Environment(Napi::Env env) : mailbox_(env) {
  StopAllAtExit();
  Environments& environments = Environments::Get();
  std::lock_guard<std::mutex> lock(environments.mutex);
  environments.all.insert(this);
  // Hooks run in reverse order: ours, added after the mailbox's own, before it.
  env.AddCleanupHook([this] { CleanUp(); });
}

Environment::~Environment() {
  Environments& environments = Environments::Get();
  std::lock_guard<std::mutex> lock(environments.mutex);
  environments.all.erase(this);
}

void Environment::StopWork() {
  const std::lock_guard<std::mutex> one_at_a_time(stop_mutex_);
  std::list<Thread> threads;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
  }
  mailbox_.Close();
  ending_.Cancel();
  CloseHandles();
  for (Thread& thread : threads) thread.thread.join();
  CloseHandles();  // that a load has adopted meanwhile
}

void Environment::CloseHandles() {
  std::set<std::shared_ptr<EngineHandle>> handles;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    handles.swap(handles_);
  }
  for (const auto& handle : handles) EngineRegistry::Get().Close(*handle);
}

void Environment::CleanUp() {
  StopWork();
  error_class_.Reset();
  engine_class_.Reset();
}

Napi::Error Environment::MakeError(Napi::Env env, const Error& error) const {
  Napi::Object options = Napi::Object::New(env);
  for (const auto& [name, value] : error.details()) options[name] = value;
  const Napi::Value object = error_class_.Value().New(
      {Napi::String::New(env, ErrorCodeName(error.code())), Napi::String::New(env, error.what()), options});
  return Napi::Error(env, object);
}

bool Environment::Spawn(std::function<void()> function) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) return false;
  for (auto it = threads_.begin(); it != threads_.end();) {
    if (!*it->ended) {
      ++it;
      continue;
    }
    it->thread.join();
    it = threads_.erase(it);
  }
  auto ended = std::make_shared<std::atomic<bool>>(false);
  threads_.push_back({std::thread([function = std::move(function), ended]() mutable {
                        function();
                        function = nullptr;
                        *ended = true;
                      }),
                      ended});
  return true;
}

void Environment::Adopt(const std::shared_ptr<EngineHandle>& handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  handles_.insert(handle);
}

void Environment::Retire(const std::shared_ptr<EngineHandle>& handle, std::function<void()> gone) {
  Spawn([this, handle, gone = std::move(gone)] {
    EngineRegistry& registry = EngineRegistry::Get();
    registry.Close(*handle);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      handles_.erase(handle);
    }
    registry.WaitUntilGone(*handle, ending_);
    if (gone) gone();
  });
}

Napi::Promise Environment::Promise(Napi::Env env,
                                   std::function<std::function<Napi::Value(Napi::Env)>()> work) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  mailbox_.Retain();
  const bool spawned = Spawn([this, deferred, work = std::move(work)] {
    try {
      const auto make_value = work();
      mailbox_.Post([deferred, make_value](Napi::Env env) { deferred.Resolve(make_value(env)); });
    } catch (...) {
      mailbox_.Post([this, deferred, error = CurrentError()](Napi::Env env) {
        deferred.Reject(MakeError(env, error).Value());
      });
    }
  });
  if (!spawned) throw MakeError(env, Error(ErrorCode::kClosed, "this thread is ending"));
  return deferred.Promise();
}

}  // namespace crossrank::addon
