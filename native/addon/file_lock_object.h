// A lock on a file as a JavaScript object; lib/native/binding.ts types it. It ends with release(), with its
// environment or with the process.
#pragma once

#include <napi.h>

#include <memory>

#include "common/file_lock.h"

namespace crossrank::addon {

class FileLockObject : public Napi::ObjectWrap<FileLockObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports);
  explicit FileLockObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value Acquire(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);

  std::unique_ptr<FileLock> lock_;
};

}  // namespace crossrank::addon
