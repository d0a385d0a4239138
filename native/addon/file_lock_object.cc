#include "addon/file_lock_object.h"

#include "addon/arguments.h"

namespace crossrank::addon {

void FileLockObject::Define(Napi::Env env, Napi::Object exports) {
  exports.Set("FileLock", DefineClass(env, "FileLock",
                                      {InstanceMethod<&FileLockObject::Acquire>("acquire"),
                                       InstanceMethod<&FileLockObject::Release>("release")}));
}

FileLockObject::FileLockObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FileLockObject>(info) {}

// acquire(path): false where somebody holds it
Napi::Value FileLockObject::Acquire(const Napi::CallbackInfo& info) {
  lock_ = FileLock::TryAcquire(info[0].As<Napi::String>());
  return Napi::Boolean::New(info.Env(), lock_ != nullptr);
}

Napi::Value FileLockObject::Release(const Napi::CallbackInfo& info) {
  lock_ = nullptr;
  return info.Env().Undefined();
}

}  // namespace crossrank::addon
