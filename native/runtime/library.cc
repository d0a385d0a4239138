#include "runtime/library.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <cstdlib>
#include <mutex>

#include "common/error.h"

namespace crossrank {
namespace {

std::mutex& OpenMutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

Library* opened = nullptr;  // guarded by OpenMutex

// ONNX Runtime 1.22: the first with SessionOptionsSetLoadCancellationFlag.
constexpr uint32_t kCancellingApiLevel = 22;

constexpr const char* kWhatToDo =
    "; reinstall crossrank, or point onnxRuntimePath (or CROSSRANK_ONNXRUNTIME) to a libonnxruntime of "
    "version 1.18 or newer";

using GetApiBaseFunction = const OrtApiBase*(ORT_API_CALL*)() NO_EXCEPTION;

#ifdef _WIN32
GetApiBaseFunction LoadApiBase(const std::string& path) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), length);
  HMODULE module = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (module == nullptr) {
    throw Error(ErrorCode::kRuntime, "cannot load ONNX Runtime from " + path + ": Windows error " +
                                         std::to_string(GetLastError()) + kWhatToDo);
  }
  return reinterpret_cast<GetApiBaseFunction>(GetProcAddress(module, "OrtGetApiBase"));
}

// Since 1.29 ONNX Runtime writes usage telemetry unless told not to; it reads this when it is loaded.
void DisableTelemetry() { _putenv_s("ORT_DISABLE_TELEMETRY", "1"); }
#else
GetApiBaseFunction LoadApiBase(const std::string& path) {
  // RTLD_LOCAL: our copy's symbols must never be found by another ONNX Runtime in the process.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error(ErrorCode::kRuntime,
                "cannot load ONNX Runtime from " + path + ": " + std::string(dlerror()) + kWhatToDo);
  }
  return reinterpret_cast<GetApiBaseFunction>(dlsym(handle, "OrtGetApiBase"));
}

// Since 1.29 ONNX Runtime writes usage telemetry unless told not to; it reads this when it is loaded.
void DisableTelemetry() { setenv("ORT_DISABLE_TELEMETRY", "1", 1); }
#endif

}  // namespace

const Library& OpenLibrary(const std::string& path, bool required) {
  std::lock_guard<std::mutex> lock(OpenMutex());
  if (opened != nullptr) {
    if (required && opened->path != path) {
      throw Error(ErrorCode::kInvalidArgument, "this process already uses ONNX Runtime from " + opened->path +
                                                   "; one process uses one, so " + path +
                                                   " cannot be loaded too");
    }
    return *opened;
  }
  DisableTelemetry();
  const GetApiBaseFunction get_base = LoadApiBase(path);
  if (get_base == nullptr) {
    throw Error(ErrorCode::kRuntime,
                path + " is no ONNX Runtime library: it has no OrtGetApiBase" + kWhatToDo);
  }
  const OrtApiBase* base = get_base();
  const OrtApi* api = base->GetApi(kOrtApiLevel);
  if (api == nullptr) {
    throw Error(ErrorCode::kRuntime, "ONNX Runtime " + std::string(base->GetVersionString()) + " at " + path +
                                         " is too old" + kWhatToDo);
  }
  Ort::InitApi(api);
  try {
    // Errors come back as statuses; nothing is to be printed to somebody's standard error.
    auto* env = new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "crossrank");
    opened = new Library{path, base->GetVersionString(), base->GetApi(kCancellingApiLevel), env};
  } catch (const Ort::Exception& error) {
    ThrowRuntimeError("cannot start ONNX Runtime from " + path, error);
  }
  return *opened;
}

const Library* OpenedLibrary() {
  std::lock_guard<std::mutex> lock(OpenMutex());
  return opened;
}

void ThrowRuntimeError(const std::string& what, const Ort::Exception& cause) {
  throw Error(ErrorCode::kRuntime, what + ": " + cause.what());
}

}  // namespace crossrank
