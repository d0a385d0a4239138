#include "addon/mailbox.h"

#include <memory>

namespace crossrank::addon {

Mailbox::Mailbox(Napi::Env env) : env_(env) {
  const Napi::String name = Napi::String::New(env, "crossrank");
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr,
                                                             nullptr, this, &Mailbox::Deliver, &function_);
  if (status != napi_ok) throw Napi::Error::New(env, "cannot create a thread-safe function");
  napi_unref_threadsafe_function(env, function_);
}

void Mailbox::Retain() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, function_);
}

void Mailbox::Release() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, function_);
}

void Mailbox::Post(Delivery delivery) {
  auto boxed = std::make_unique<Delivery>(std::move(delivery));
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  if (napi_call_threadsafe_function(function_, boxed.get(), napi_tsfn_nonblocking) == napi_ok)
    boxed.release();
}

void Mailbox::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
}

void Mailbox::Deliver(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(data));
  if (env == nullptr) return;  // the environment is going away
  static_cast<Mailbox*>(context)->Release();
  try {
    (*delivery)(env);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  }
}

}  // namespace crossrank::addon
