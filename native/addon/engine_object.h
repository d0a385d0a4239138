// A loaded model as a JavaScript object; lib/native/binding.ts types it.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "engine/engine.h"

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

}  // namespace crossrank::addon
