// Our kernels as ONNX Runtime custom operators (names and signatures: operator_names.h).
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/pack_linear.h"
#include "runtime/library.h"

namespace crossrank::operators {

// The operators of one session: they run its kernels on its packed weights. It must outlive the session.
class OperatorSet {
 public:
  OperatorSet(const kernels::KernelTable& kernels, std::vector<kernels::PackedLinear> linears);
  ~OperatorSet();

  const Ort::CustomOpDomain& domain() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace crossrank::operators
