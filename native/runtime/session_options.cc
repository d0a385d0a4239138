#include "runtime/session_options.h"

namespace crossrank {

Ort::SessionOptions SingleThreadedOptions() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.DisableMemPattern();
#if defined(__SANITIZE_THREAD__)
  // ThreadSanitizer sees memory change hands in malloc and free alone, not in an arena of a library built
  // without it.
  options.DisableCpuMemArena();
#endif
  return options;
}

std::unique_ptr<Cancellation::Listener> EndCreationWhen(Cancellation& cancellation, const Library& library,
                                                        Ort::SessionOptions& options) {
  const OrtApi* api = library.cancelling_api;
  if (api == nullptr) return nullptr;
  OrtSessionOptions* raw = options;
  return std::make_unique<Cancellation::Listener>(cancellation, [api, raw] {
    Ort::Status(api->SessionOptionsSetLoadCancellationFlag(raw, true));  // a refusal leaves it to run on
  });
}

}  // namespace crossrank
