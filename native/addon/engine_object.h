// A reranker's share in an engine as a JavaScript object; lib/native/binding.ts types it.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "engine/registry.h"

namespace crossrank::addon {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  // load(options) -> Promise<EngineObject>
  static Napi::Value Load(const Napi::CallbackInfo& info);

  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

  std::shared_ptr<EngineHandle> handle() const { return handle_; }

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value IsLoaded(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value WarmUp(const Napi::CallbackInfo& info);
  Napi::Value Tokenize(const Napi::CallbackInfo& info);
  Napi::Value MeasureProducts(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);

  std::weak_ptr<Environment> environment_;
  std::shared_ptr<EngineHandle> handle_;  // null after dispose
};

}  // namespace crossrank::addon
