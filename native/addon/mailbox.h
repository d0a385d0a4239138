// Engine threads hand work to the JavaScript thread of one environment.
//
// Life, in order: the environment's set-up creates it; every call that will be answered later takes Retain
// (JS thread), which keeps the event loop alive; an engine thread calls Post once; the event loop runs the
// delivery and releases. The environment's end calls Close, after which Post does nothing, and then joins the
// threads that post; what was posted and not delivered is destroyed without running.
#pragma once

#include <napi.h>

#include <functional>
#include <mutex>

namespace crossrank::addon {

class Mailbox {
 public:
  using Delivery = std::function<void(Napi::Env)>;

  explicit Mailbox(Napi::Env env);
  Mailbox(const Mailbox&) = delete;

  void Retain();                 // JS thread
  void Post(Delivery delivery);  // any thread, once for each Retain
  void Close();                  // once

 private:
  static void Deliver(napi_env env, napi_value function, void* context, void* data);
  void Release();

  Napi::Env env_;
  napi_threadsafe_function function_ = nullptr;
  size_t pending_ = 0;  // JS thread
  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace crossrank::addon
