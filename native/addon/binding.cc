// The addon's entry point.
#include <napi.h>

#include "addon/arguments.h"
#include "addon/engine_object.h"
#include "addon/environment.h"
#include "addon/file_lock_object.h"
#include "addon/pin.h"
#include "addon/request_object.h"
#include "addon/vector_index_object.h"
#include "kernels/kernels.h"
#include "model/model_spec.h"

namespace crossrank::addon {
namespace {

Napi::Value SetErrorClass(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).SetErrorClass(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

// stopWork(ofProcess): for 'exit', which tears down no environment
Napi::Value StopWork(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).StopWork();
  if (info[0].As<Napi::Boolean>().Value()) EngineRegistry::Get().Stop();
  return info.Env().Undefined();
}

Napi::Value CpuFeatures(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), kernels::CpuFeatures());
}

// checkConfig(json, embeds): whether the graph of a config.json can be written, before there are weights; throws
// what a load would
Napi::Value CheckConfig(const Napi::CallbackInfo& info) {
  return Translate(info.Env(), [&]() -> Napi::Value {
    const std::string text = info[0].As<Napi::String>();
    const bool embeds = info[1].As<Napi::Boolean>();
    const Json config =
        Json::Parse(reinterpret_cast<const uint8_t*>(text.data()), text.size(), "config.json");
    DescribeModel(config.root(), embeds ? std::make_optional(PoolingRule()) : std::nullopt);
    return info.Env().Undefined();
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  PinLibrary();
  Environment::Create(env);
  EngineObject::Define(env, exports);
  RequestObject::Define(env, exports);
  VectorIndexObject::Define(env, exports);
  FileLockObject::Define(env, exports);
  exports.Set("setErrorClass", Napi::Function::New<SetErrorClass>(env, "setErrorClass"));
  exports.Set("stopWork", Napi::Function::New<StopWork>(env, "stopWork"));
  exports.Set("cpuFeatures", Napi::Function::New<CpuFeatures>(env, "cpuFeatures"));
  exports.Set("checkConfig", Napi::Function::New<CheckConfig>(env, "checkConfig"));
  return exports;
}

NODE_API_MODULE(crossrank, Init)

}  // namespace
}  // namespace crossrank::addon
