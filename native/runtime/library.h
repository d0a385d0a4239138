// The ONNX Runtime library: opened once per process, by path, next to any other copy that may be loaded.
#pragma once

#include <string>

// Every file that uses the C++ API includes this header first: the API pointer is set by OpenLibrary, not by
// the linker.
#include "onnxruntime_cxx_api.h"

namespace crossrank {

// ONNX Runtime 1.18: the oldest whose custom operators report errors and may work in place.
constexpr uint32_t kOrtApiLevel = 18;

struct Library {
  std::string path;
  std::string version;
  // Of level 22, whose sessions can be cancelled while they are created; null where the library is older.
  const OrtApi* cancelling_api;
  Ort::Env* env;  // never destroyed: its threads and statics must outlive whatever still runs at process exit
};

// Opens the library at `path`. Once one is open, later calls return it; asking for another path with
// `required` is then an error. Thread-safe.
const Library& OpenLibrary(const std::string& path, bool required);

// Null until OpenLibrary succeeded.
const Library* OpenedLibrary();

// ONNX Runtime failures as crossrank errors.
[[noreturn]] void ThrowRuntimeError(const std::string& what, const Ort::Exception& cause);

}  // namespace crossrank
