// Reading what lib/ hands over, which has checked it, and errors on the way back.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "addon/environment.h"

namespace crossrank::addon {

inline std::vector<std::string> Strings(const Napi::Array& array) {
  std::vector<std::string> out(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) out[i] = array.Get(i).As<Napi::String>().Utf8Value();
  return out;
}

inline size_t Size(const Napi::Object& options, const char* name) {
  return static_cast<size_t>(options.Get(name).As<Napi::Number>().Int64Value());
}

// A number where there is a limit, null where there is none.
template <class T>
T Limit(const Napi::Object& options, const char* name, T none) {
  return options.Get(name).IsNull() ? none : T(Size(options, name));
}

inline bool Flag(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Boolean>().Value();
}

inline std::string Text(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::String>().Utf8Value();
}

// Wraps a native call so that core errors become JavaScript ones.
template <class Function>
auto Translate(Napi::Env env, Function&& function) {
  try {
    return function();
  } catch (const Error& error) {
    throw Environment::Of(env).MakeError(env, error);
  }
}

}  // namespace crossrank::addon
