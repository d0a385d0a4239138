// What every session of this engine asks of ONNX Runtime.
#pragma once

#include "runtime/library.h"

namespace crossrank {

// Lanes are the threads: a session runs on the lane that calls it (measured: N lanes equal one session of N
// threads, without a barrier between operators). Shapes change with every call, so planning memory for one is
// wasted.
Ort::SessionOptions SingleThreadedOptions();

}  // namespace crossrank
