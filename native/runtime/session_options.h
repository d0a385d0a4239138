// What every session of this engine asks of ONNX Runtime.
#pragma once

#include <memory>

#include "common/cancellation.h"
#include "runtime/library.h"

namespace crossrank {

// Lanes are the threads: a session runs on the lane that calls it (measured: N lanes equal one session of N
// threads, without a barrier between operators). Shapes change with every call, so planning memory for one is
// wasted.
Ort::SessionOptions SingleThreadedOptions();

// Lets `cancellation` end the creation of a session with these options, for as long as what is returned lives
// (not longer than the options). A library older than 1.22 creates its session to the end.
std::unique_ptr<Cancellation::Listener> EndCreationWhen(Cancellation& cancellation, const Library& library,
                                                        Ort::SessionOptions& options);

}  // namespace crossrank
