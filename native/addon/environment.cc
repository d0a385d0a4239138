#include "addon/environment.h"

#include <cstdlib>

#include "common/memory.h"

namespace crossrank::addon {

namespace {

// All environments of the process.
struct Registry {
  std::mutex mutex;
  std::set<Environment*> environments;

  static Registry& Get() {
    static auto* registry = new Registry;  // outlives static destructors
    return *registry;
  }
};

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
  Registry& registry = Registry::Get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.environments.insert(this);
  // Hooks run in reverse order: ours, added after the mailbox's own, before it.
  env.AddCleanupHook([this] { CleanUp(); });
}

Environment::~Environment() {
  Registry& registry = Registry::Get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.environments.erase(this);
}

void Environment::StopWork() {
  std::lock_guard<std::mutex> lock(stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  mailbox_.Close();
  for (const auto& engine : engines_) engine->Stop();
  for (Thread& thread : threads_) thread.thread.join();
  threads_.clear();
}

void Environment::StopWorkAtExit() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::atexit([] {
      Registry& registry = Registry::Get();
      std::lock_guard<std::mutex> lock(registry.mutex);
      for (Environment* environment : registry.environments) environment->StopWork();
    });
  });
}

void Environment::CleanUp() {
  StopWork();
  engines_.clear();
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

void Environment::Spawn(std::function<void()> function) {
  for (auto it = threads_.begin(); it != threads_.end();) {
    if (!*it->ended) {
      ++it;
      continue;
    }
    it->thread.join();
    it = threads_.erase(it);
  }
  auto ended = std::make_shared<std::atomic<bool>>(false);
  threads_.push_back({std::thread([function = std::move(function), ended] {
                        function();
                        *ended = true;
                      }),
                      ended});
}

void Environment::Retire(std::shared_ptr<Engine> engine, std::function<void()> stopped) {
  if (stopped_) return;
  engines_.erase(engine);
  Spawn([engine = std::move(engine), stopped = std::move(stopped)]() mutable {
    engine->Stop();
    engine.reset();
    ReturnFreedMemory();
    if (stopped) stopped();
  });
}

Napi::Promise Environment::Promise(Napi::Env env,
                                   std::function<std::function<Napi::Value(Napi::Env)>()> work) {
  if (stopped_) throw MakeError(env, Error(ErrorCode::kClosed, "this thread is ending"));
  const auto deferred = Napi::Promise::Deferred::New(env);
  mailbox_.Retain();
  Spawn([this, deferred, work = std::move(work)] {
    try {
      const auto make_value = work();
      mailbox_.Post([deferred, make_value](Napi::Env env) { deferred.Resolve(make_value(env)); });
    } catch (...) {
      mailbox_.Post([this, deferred, error = CurrentError()](Napi::Env env) {
        deferred.Reject(MakeError(env, error).Value());
      });
    }
  });
  return deferred.Promise();
}

}  // namespace crossrank::addon
