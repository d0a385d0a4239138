// Our kernels as ONNX Runtime custom operators (names and signatures: operator_names.h).
#pragma once

#include "runtime/library.h"

namespace crossrank::operators {

// The domain to add to a session's options. One per process, never destroyed: sessions refer to it.
const Ort::CustomOpDomain& Domain();

}  // namespace crossrank::operators
