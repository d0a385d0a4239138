// A call as a JavaScript object; lib/native/binding.ts types it.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/registry.h"

namespace crossrank::addon {

// The texts of one call, handed over in parts so that copying them never holds the event loop for long.
class RequestObject : public Napi::ObjectWrap<RequestObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  explicit RequestObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value AddDocuments(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);
  Napi::Value Cancel(const Napi::CallbackInfo& info);

  std::shared_ptr<EngineHandle> handle_;  // null after run
  std::shared_ptr<Request> request_;      // null after run
  // Since run, for cancel: an object that is collected late keeps neither.
  std::weak_ptr<EngineHandle> running_handle_;
  std::weak_ptr<Request> running_request_;
};

}  // namespace crossrank::addon
