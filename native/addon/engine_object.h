// The JavaScript objects of this addon; lib/native/binding.ts types them.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "engine/engine.h"
#include "engine/request.h"

namespace crossrank::addon {

// A loaded model with its lanes.
class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  // load(options) -> Promise<EngineObject>
  static Napi::Value Load(const Napi::CallbackInfo& info);

  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

  std::shared_ptr<Engine> engine() const { return engine_; }

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value MeasureProducts(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);

  std::weak_ptr<Environment> environment_;
  std::shared_ptr<Engine> engine_;  // null after dispose
};

// The texts of one call, handed over in parts so that copying them never holds the event loop for long.
class RequestObject : public Napi::ObjectWrap<RequestObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  explicit RequestObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value AddDocuments(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Request> request_;  // null after run
};

}  // namespace crossrank::addon
