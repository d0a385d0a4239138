// An index of vectors as a JavaScript object; lib/native/binding.ts types it.
#pragma once

#include <napi.h>

#include <memory>

#include "search/vector_index.h"

namespace crossrank::addon {

class VectorIndexObject : public Napi::ObjectWrap<VectorIndexObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  explicit VectorIndexObject(const Napi::CallbackInfo& info);
  ~VectorIndexObject() override;

 private:
  Napi::Value Append(const Napi::CallbackInfo& info);
  Napi::Value AppendUnit(const Napi::CallbackInfo& info);
  Napi::Value AppendFrom(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Show(const Napi::CallbackInfo& info);
  Napi::Value Hide(const Napi::CallbackInfo& info);
  Napi::Value Query(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);

  // Throws kClosed after dispose.
  VectorIndex& index() const;

  std::shared_ptr<VectorIndex> index_;  // null after dispose; its thread keeps it until it ends
};

}  // namespace crossrank::addon
