#include "runtime/session_options.h"

namespace crossrank {

Ort::SessionOptions SingleThreadedOptions() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.DisableMemPattern();
  return options;
}

}  // namespace crossrank
